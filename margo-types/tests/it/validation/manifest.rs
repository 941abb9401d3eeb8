//! State manifests (rc3.md 3).

use serde_json::{Value, json};

use super::case::{Case, case, check, report_on, set};

const FIRST: &str = "5f2c9a6e-0c1b-4f0e-9a53-6d1f0e7b8a21";
const SECOND: &str = "c7d1b6c4-7f0d-4f7a-8d0e-2f0a4b1e9d33";

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn deployment(id: &str, digit: char) -> Value {
    let digest = digest(digit);
    json!({
        "deploymentId": id,
        "digest": digest,
        "sizeBytes": 900,
        "url": format!("/api/v1/deployments/{id}/{digest}"),
    })
}

pub(super) fn valid() -> Value {
    let bundle = digest('a');
    json!({
        "manifestVersion": 12,
        "bundle": {
            "mediaType": "application/vnd.margo.bundle.v1+tar+gzip",
            "digest": bundle,
            "sizeBytes": 2048,
            "url": format!("/api/v1/bundles/{bundle}"),
        },
        "deployments": [deployment(FIRST, 'b'), deployment(SECOND, 'c')],
    })
}

pub(super) const CASES: &[Case] = &[
    case(
        "W15: deployments without bundle",
        |d| set(d, "/bundle", json!(null)),
        "manifest.bundle",
        "bundle",
    ),
    case(
        "W15: bundle without deployments",
        |d| set(d, "/deployments", json!([])),
        "manifest.bundle",
        "bundle",
    ),
    case(
        "W16: media type",
        |d| set(d, "/bundle/mediaType", "application/json"),
        "manifest.media-type",
        "bundle.mediaType",
    ),
    case(
        "W20: digest in the URL of the bundle",
        |d| set(d, "/bundle/url", format!("/api/v1/bundles/{}", digest('d'))),
        "manifest.url-digest",
        "bundle.url",
    ),
    case(
        "W20: digest in the URL of a deployment",
        |d| {
            set(
                d,
                "/deployments/0/url",
                format!("/api/v1/deployments/{FIRST}/{}", digest('d')),
            );
        },
        "manifest.url-digest",
        "deployments[0].url",
    ),
    case(
        "3.2: deployment in the URL",
        |d| {
            set(
                d,
                "/deployments/0/url",
                format!("/api/v1/deployments/{SECOND}/{}", digest('b')),
            );
        },
        "manifest.url-deployment",
        "deployments[0].url",
    ),
    case(
        "3.2: route of the bundle",
        |d| set(d, "/bundle/url", format!("/v1/bundles/{}", digest('a'))),
        "manifest.url",
        "bundle.url",
    ),
    case(
        "3.2: route of a deployment",
        |d| {
            set(
                d,
                "/deployments/1/url",
                format!("/api/v1/bundles/{SECOND}/{}", digest('c')),
            );
        },
        "manifest.url",
        "deployments[1].url",
    ),
    case(
        "3.2: deployment listed twice",
        |d| set(d, "/deployments/1", deployment(FIRST, 'c')),
        "manifest.repeated-deployment",
        "deployments[1].deploymentId",
    ),
    case(
        "3.3: two deployments with one digest",
        |d| set(d, "/deployments/1", deployment(SECOND, 'b')),
        "manifest.shared-digest",
        "deployments[1].digest",
    ),
    case(
        "9: there is no extension point",
        |d| set(d, "/x-acme-extensions", json!({})),
        "extension.place",
        "x-acme-extensions",
    ),
    case(
        "9: unknown member",
        |d| set(d, "/deployments/0/colour", "red"),
        "member.unknown",
        "deployments[0].colour",
    ),
];

#[test]
fn manifests() {
    check(&valid(), CASES);
}

#[test]
fn a_manifest_without_deployments_has_no_bundle() {
    let report = report_on(&json!({ "manifestVersion": 1, "bundle": null, "deployments": [] }));
    assert!(report.findings().is_empty(), "{report}");
}

/// rc1-and-pre-draft.md ambiguity 42: nobody says whether the colon in a path is encoded.
#[test]
fn the_colon_of_a_digest_may_be_percent_encoded() {
    let mut document = valid();
    set(
        &mut document,
        "/bundle/url",
        format!("/api/v1/bundles/sha256%3A{}", "a".repeat(64)),
    );
    let report = report_on(&document);
    assert!(report.findings().is_empty(), "{report}");
}
