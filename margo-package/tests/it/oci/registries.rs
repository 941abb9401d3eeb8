//! Registries as configuration files name them.

use margo_package::oci::{ArtifactStore as _, Registries, RegistriesError};

use super::fake::{Fake, Reply};
use super::{manifest_of, reference};

fn configured(json: &serde_json::Value) -> Result<Registries, serde_json::Error> {
    serde_json::from_value(json.clone())
}

#[tokio::test]
async fn configured_registry_is_reached_with_its_password() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        Some("Basic b3BlcmF0b3I6c3dvcmRmaXNo") => Reply::new(200, manifest_of(b"x").bytes()),
        _ => Reply::new(401, "").header("www-authenticate", "Basic realm=\"test\""),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "swordfish\n").unwrap();
    let registries = configured(&serde_json::json!({
        fake.host(): { "plain_http": true, "username": "operator", "password_file": "password" }
    }))
    .unwrap();

    let client = registries.client(folder.path()).unwrap();
    client
        .pull_manifest(&reference(&fake, "web:1.0.0"))
        .await
        .unwrap();
}

#[test]
fn half_of_a_pair_and_missing_files_are_named() {
    let folder = std::path::Path::new("/nowhere");
    let error = |json| configured(&json).unwrap().client(folder).unwrap_err();

    let half = error(serde_json::json!({ "r.example": { "username": "operator" } }));
    assert_eq!(
        half.to_string(),
        "registry r.example has a username but no password_file; write both or none"
    );
    let missing = error(serde_json::json!({ "r.example": { "ca_certificates": "ca.pem" } }));
    assert!(matches!(missing, RegistriesError::File { .. }));
    assert!(missing.to_string().contains("/nowhere/ca.pem"), "{missing}");
}

#[test]
fn unknown_settings_are_refused() {
    let error =
        configured(&serde_json::json!({ "r.example": { "plain-http": true } })).unwrap_err();
    assert!(error.to_string().contains("plain_http"), "{error}");
}
