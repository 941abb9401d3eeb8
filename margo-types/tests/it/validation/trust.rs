//! Discovery documents and trust bundles (rc3.md 7.4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::case::{Case, case, check, remove, set};

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
    let anchor = STANDARD.encode(include_bytes!("../anchors/p256.der"));
    json!({
        "keys": [
            { "kty": "EC", "use": "x509-svid", "x5c": [anchor], "crv": "P-256", "x": "", "y": "" },
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
        "keys[0].x5c",
    ),
    case(
        "I4: no DER",
        |d| set(d, "/keys/0/x5c/0", "aGVsbG8="),
        "bundle.certificate",
        "keys[0].x5c",
    ),
    case(
        "I4: DER that is cut short",
        |d| set(d, "/keys/0/x5c/0", "MAQCAQU="),
        "bundle.certificate",
        "keys[0].x5c",
    ),
    case(
        "7.4: more than the anchor",
        |d| set(d, "/keys/0/x5c/1", "MAMCAQU="),
        "bundle.certificate",
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
