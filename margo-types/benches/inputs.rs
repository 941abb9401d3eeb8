//! The documents that are measured, made up on the spot.

use std::fmt::Write as _;

use margo_types::Digest;
use margo_types::id::DeploymentId;

/// A state manifest with 1,000 deployments, as JSON: about 300 KB.
pub(crate) fn manifest() -> Vec<u8> {
    let mut json = format!(
        r#"{{"manifestVersion":41,"bundle":{{"mediaType":"application/vnd.margo.bundle.v1+tar+gzip","digest":"{0}","sizeBytes":90000,"url":"/api/v1/bundles/{0}"}},"deployments":["#,
        Digest::of(b"bundle"),
    );
    for number in 0..1000_u128 {
        let id = DeploymentId::from_uuid_bytes((number << 64 | 0x4000_8000).to_be_bytes());
        let digest = Digest::of(&number.to_be_bytes());
        let separator = if number == 0 { "" } else { "," };
        let reference = format!(
            r#"{separator}{{"deploymentId":"{id}","digest":"{digest}","sizeBytes":{},"url":"/api/v1/deployments/{id}/{digest}"}}"#,
            1000 + number,
        );
        json.push_str(&reference);
    }
    json.push_str("]}");
    json.into_bytes()
}

/// An application description with two profiles and forty parameters, as YAML: about 7 KiB.
pub(crate) fn description() -> Vec<u8> {
    let golden = include_str!("../tests/golden/rc3/application-description-helm-and-compose.yaml");
    let mut parameters = String::from("parameters:\n");
    for number in 0..36 {
        let parameter = format!(
            "  limit{number}:\n    value: {number}\n    targets:\n      - pointer: settings.limits.l{number}\n        components: [watch]\n"
        );
        let _ = parameters.write_str(&parameter);
    }
    golden
        .replacen("parameters:\n", &parameters, 1)
        .into_bytes()
}
