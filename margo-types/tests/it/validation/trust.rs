//! Discovery documents and trust bundles (rc3.md 7.4).

use serde_json::{Value, json};

use super::case::{Case, case, check, remove, report_on, set};

pub(super) fn discovery() -> Value {
    json!({ "trustDomain": "plant.example", "trustBundleUri": "https://mis.plant.example/bundle.json" })
}

pub(super) const DISCOVERY: &[Case] = &[
    case(
        "C18: http",
        |d| set(d, "/trustBundleUri", "http://mis.plant.example/bundle.json"),
        "discovery.https",
        "trustBundleUri",
    ),
    case(
        "C18: no address",
        |d| set(d, "/trustBundleUri", "https://"),
        "discovery.https",
        "trustBundleUri",
    ),
    case(
        "7.4: no URL",
        |d| set(d, "/trustBundleUri", "https://a b/c"),
        "discovery.uri",
        "trustBundleUri",
    ),
];

/// A key with the base64 of `SEQUENCE { INTEGER 5 }`, which is enough of a certificate here.
pub(super) fn bundle() -> Value {
    json!({
        "keys": [
            { "kty": "EC", "use": "x509-svid", "x5c": ["MAMCAQU="], "crv": "P-256", "x": "", "y": "" },
            { "kty": "EC", "use": "jwt-svid", "kid": "7", "crv": "P-256", "x": "", "y": "" },
        ],
        "spiffe_sequence": 4,
        "spiffe_refresh_hint": 600,
        "unknown": true,
    })
}

pub(super) const BUNDLE: &[Case] = &[
    case(
        "C19: no key",
        |d| set(d, "/keys", json!([])),
        "bundle.anchors",
        "keys",
    ),
    case(
        "C19: keys for JWTs only",
        |d| set(d, "/keys/0/use", "jwt-svid"),
        "bundle.anchors",
        "keys",
    ),
    case(
        "C22: key without a use",
        |d| remove(d, "/keys/0/use"),
        "bundle.anchors",
        "keys",
    ),
    case(
        "I4: no certificate",
        |d| set(d, "/keys/0/x5c", json!([])),
        "bundle.certificate",
        "keys[0].x5c",
    ),
    case(
        "I4: no base64",
        |d| set(d, "/keys/0/x5c/0", "MAMCAQ*="),
        "bundle.certificate",
        "keys[0].x5c[0]",
    ),
    case(
        "I4: no DER",
        |d| set(d, "/keys/0/x5c/0", "aGVsbG8="),
        "bundle.certificate",
        "keys[0].x5c[0]",
    ),
    case(
        "I4: DER that is cut short",
        |d| set(d, "/keys/0/x5c/0", "MAQCAQU="),
        "bundle.certificate",
        "keys[0].x5c[0]",
    ),
    case(
        "7.4: more than the anchor",
        |d| set(d, "/keys/0/x5c/1", "MAMCAQU="),
        "bundle.intermediates",
        "keys[0].x5c",
    ),
];

#[test]
fn discovery_documents() {
    check(&discovery(), DISCOVERY);
}

#[test]
fn bundles() {
    check(&bundle(), BUNDLE);
}

/// DER writes the lengths of larger contents in several bytes.
#[test]
fn certificates_may_be_long() {
    for (length, der) in [
        (200, vec![0x30, 0x81, 200]),
        (700, vec![0x30, 0x82, 2, 188]),
    ] {
        use base64::Engine as _;

        let der = [der, vec![5; length]].concat();
        let mut document = bundle();
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        set(&mut document, "/keys/0/x5c/0", text);
        let report = report_on(&document);
        assert!(report.findings().is_empty(), "{report}");
    }
}
