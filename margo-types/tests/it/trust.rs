//! Discovery documents and trust bundles.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use margo_types::id::TrustDomain;
use margo_types::trust::{
    Anchor, BundleKey, BundleUriError, DiscoveryDocument, InvalidAnchor, TrustBundle,
    TrustBundleError,
};
use margo_types::{SpecVersion, read, write};
use proptest::prelude::*;
use serde_json::{Value, json};

const P256: &[u8] = include_bytes!("anchors/p256.der");
const P384: &[u8] = include_bytes!("anchors/p384.der");
const P521: &[u8] = include_bytes!("anchors/p521.der");
const ED25519: &[u8] = include_bytes!("anchors/ed25519.der");
const RSA: &[u8] = include_bytes!("anchors/rsa.der");

fn bundle(members: Value) -> TrustBundle {
    serde_json::from_value(members).unwrap()
}

fn svid_key(der: &[u8]) -> Value {
    json!({ "use": "x509-svid", "kty": "EC", "x5c": [STANDARD.encode(der)] })
}

fn anchors_of(keys: &[Value]) -> Result<Vec<Vec<u8>>, TrustBundleError> {
    let anchors = bundle(json!({ "keys": keys })).anchors()?;
    Ok(anchors.into_iter().map(Anchor::into_der).collect())
}

#[test]
fn anchors_are_the_certificates_for_svids() {
    let keys = [
        svid_key(P256),
        json!({ "use": "jwt-svid", "kty": "EC", "kid": "1" }),
        json!({ "use": "sig", "x5c": ["not read"] }),
        json!({ "kty": "EC", "x5c": ["not read"] }),
        json!({ "use": "X509-SVID", "x5c": ["not read"] }),
        svid_key(RSA),
        svid_key(P256),
    ];
    assert_eq!(anchors_of(&keys), Ok(vec![P256.to_vec(), RSA.to_vec()]));
}

#[test]
fn bundles_without_anchors_fail_closed() {
    let jwt = json!({ "use": "jwt-svid", "kty": "EC" });
    for keys in [vec![], vec![jwt], vec![json!({})]] {
        assert_eq!(anchors_of(&keys), Err(TrustBundleError::NoAnchors));
    }
}

#[test]
fn malformed_keys_are_named() {
    let key = |x5c: Value| json!({ "use": "x509-svid", "x5c": x5c });
    let text = STANDARD.encode(P256);
    let not_one = |count| TrustBundleError::NotOneCertificate { key: 1, count };
    let not_base64 = TrustBundleError::NotBase64 { key: 1 };
    let not_a_certificate = TrustBundleError::NotACertificate {
        key: 1,
        source: InvalidAnchor::NotACertificate,
    };
    let cut = STANDARD.encode(&P256[..P256.len() - 1]);
    let longer = STANDARD.encode([P256, &[0]].concat());
    for (wrong, expected) in [
        (json!({ "use": "x509-svid" }), not_one(0)),
        (key(json!([])), not_one(0)),
        (key(json!([text, text])), not_one(2)),
        (key(json!([format!(" {text}")])), not_base64.clone()),
        (key(json!([format!("{text}\n")])), not_base64.clone()),
        (key(json!([URL_SAFE.encode(P256)])), not_base64.clone()),
        (
            key(json!([STANDARD_NO_PAD.encode(&RSA[..5])])),
            not_base64.clone(),
        ),
        (key(json!(["-----BEGIN CERTIFICATE-----"])), not_base64),
        (key(json!([""])), not_a_certificate.clone()),
        (
            key(json!([STANDARD.encode("a certificate")])),
            not_a_certificate.clone(),
        ),
        (key(json!([cut])), not_a_certificate.clone()),
        (key(json!([longer])), not_a_certificate),
    ] {
        let fault = anchors_of(&[svid_key(RSA), wrong.clone()]).unwrap_err();
        assert_eq!(fault, expected, "{wrong}");
        assert!(fault.to_string().contains("keys[1]"));
    }
}

#[test]
fn sizes_are_bounded() {
    let keys = vec![svid_key(P256); TrustBundle::MAX_KEYS];
    assert_eq!(anchors_of(&keys).map(|anchors| anchors.len()), Ok(1));
    let keys = vec![json!({}); TrustBundle::MAX_KEYS + 1];
    assert!(matches!(
        anchors_of(&keys),
        Err(TrustBundleError::TooManyKeys { count: 257 })
    ));
    let huge = vec![0x30; Anchor::MAX_LENGTH + 1];
    assert!(matches!(
        Anchor::from_der(huge.clone()),
        Err(InvalidAnchor::TooLong { .. })
    ));
    assert!(matches!(
        anchors_of(&[svid_key(&huge)]),
        Err(TrustBundleError::NotACertificate { key: 0, .. })
    ));
}

#[test]
fn refresh_hints_of_zero_count_as_absent() {
    for (hint, expected) in [
        (json!(290), Some(Duration::from_secs(290))),
        (json!(0), None),
        (json!(null), None),
        (json!(u64::MAX), Some(Duration::from_secs(u64::MAX))),
    ] {
        let bundle = bundle(json!({ "keys": [], "spiffe_refresh_hint": hint }));
        assert_eq!(bundle.refresh_after(), expected);
    }
}

/// The expected members were computed by another program from the same certificates.
#[test]
fn published_anchors_carry_their_json_web_key() {
    let jwk = |der: &[u8]| {
        let key = BundleKey::of_anchor(&Anchor::from_der(der).unwrap()).unwrap();
        let mut value = serde_json::to_value(key).unwrap();
        assert_eq!(value["use"], "x509-svid");
        assert_eq!(value["x5c"], json!([STANDARD.encode(der)]));
        let members = value.as_object_mut().unwrap();
        members.remove("use");
        members.remove("x5c");
        value
    };
    assert_eq!(
        jwk(P256),
        json!({
            "kty": "EC", "crv": "P-256",
            "x": "XTs5TDpxOI3SaAS4FL0HsP_tHjazCqIDjOXqJ0EC438",
            "y": "3tU1JnrNE3oR1OfhIqmCnrRJbzK1D-PXyDSt9hYhAHQ",
        })
    );
    assert_eq!(
        jwk(P384),
        json!({
            "kty": "EC", "crv": "P-384",
            "x": "Ot-wlugLnmUflDyOeFOLcWFT2qOu4xXEcvz-jBaci7Cf5mr1Hyh5H9dZpumOz3qO",
            "y": "b98FD0b_-RoRdOJ5b33dstxp-7eLYV95JcHj63_iFgyjYPtvi-HiJBFCq34nkoA1",
        })
    );
    assert_eq!(
        jwk(ED25519),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "QxUu-yIjcXWYHTfd2hY6YtNPqq-Z4eGW1VSUrcMtb5g" })
    );
    let rsa = jwk(RSA);
    assert_eq!((&rsa["kty"], &rsa["e"]), (&json!("RSA"), &json!("AQAB")));
    let modulus = rsa["n"].as_str().unwrap();
    assert!(modulus.starts_with("ppdhayEr0Yjfv1IBVs0TNxJZlkPomtlEJrvbCHgR"));
    assert_eq!(modulus.len(), 512);

    let other = BundleKey::of_anchor(&Anchor::from_der(P521).unwrap());
    assert_eq!(other, Err(InvalidAnchor::UnsupportedKey));
}

#[test]
fn bundles_survive_a_round_trip() {
    let anchors = [P256, P384, ED25519, RSA].map(|der| Anchor::from_der(der).unwrap());
    let mut bundle = TrustBundle::of_anchors(&anchors).unwrap();
    bundle.spiffe_sequence = Some(7);
    bundle.spiffe_refresh_hint = Some(290);
    let bytes = write(&bundle, SpecVersion::Rc3).unwrap();
    let again = read::<TrustBundle>(&bytes).unwrap().into_value();
    assert_eq!(again.anchors().unwrap(), anchors);
    assert_eq!(again.refresh_after(), Some(Duration::from_secs(290)));
}

#[test]
fn only_https_leads_to_a_bundle() {
    let uri = |text: &str| {
        DiscoveryDocument::new(TrustDomain::parse("factory.example").unwrap(), text).bundle_uri()
    };
    let url = uri("https://mis.factory.example/bundle.json").unwrap();
    assert_eq!(url.as_str(), "https://mis.factory.example/bundle.json");
    assert!(uri("HTTPS://mis.factory.example/b").is_ok());
    for text in [
        "http://mis.factory.example/b",
        "file:///b",
        "data:,x",
        "spiffe://td/b",
    ] {
        assert!(
            matches!(uri(text), Err(BundleUriError::NotHttps { .. })),
            "{text}"
        );
    }
    for text in [
        "",
        "/bundle.json",
        "mis.factory.example",
        "https://",
        "https:// x/",
    ] {
        assert!(
            matches!(uri(text), Err(BundleUriError::Malformed(_))),
            "{text}"
        );
    }
}

#[test]
fn anchors_do_not_fill_logs() {
    let text = format!("{:?}", Anchor::from_der(RSA).unwrap());
    assert!(text.starts_with("Anchor(sha256:") && text.len() < 100);
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Anchor::from_der(bytes);
    }

    #[test]
    fn damaged_certificates_are_judged(at in 0..RSA.len(), byte: u8, cut in 0..RSA.len()) {
        let mut damaged = RSA.to_vec();
        damaged[at] = byte;
        if let Ok(anchor) = Anchor::from_der(damaged) {
            let _ = BundleKey::of_anchor(&anchor);
        }
        prop_assert!(Anchor::from_der(&RSA[..cut]).is_err());
    }
}
