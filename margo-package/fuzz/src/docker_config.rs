//! Docker configuration files: the input is one. Secrets in it are called `swordfish`.

use std::fs;

use margo_package::oci::{CredentialSource as _, Credentials, DockerConfig};
use margo_types::Digest;
use serde_json::Value;

use super::check::scratch;
use super::stores::{RUNTIME, found};

/// A registry gets the credentials that the file has for it, and no message shows a secret.
pub fn docker_config(data: &[u8]) {
    if names_helper(data) {
        // It would be run, and may be a real one.
        return;
    }
    let place = tempfile::tempdir_in(scratch()).expect("a directory");
    let path = place.path().join("config.json");
    fs::write(&path, data).expect("a file");
    let config = DockerConfig::at(&path);
    let text = String::from_utf8_lossy(data).to_ascii_lowercase();
    for registry in [REGISTRY, "docker.io", OTHER] {
        let result = RUNTIME.block_on(config.credentials(registry));
        let shown = match &result {
            Err(error) => format!("{error} {error:?}"),
            Ok(Some(Credentials::Password { user, .. }))
                if SECRETS.iter().any(|it| user.contains(it)) =>
            {
                String::new()
            }
            Ok(found) => format!("{found:?}"),
        };
        let is_secret = SECRETS.iter().any(|secret| shown.contains(secret));
        assert!(!is_secret, "a secret is shown: {shown}");
        if let Some(Some(credentials)) = found(result) {
            // An escape can spell every name.
            let is_there = registry != OTHER || text.contains(OTHER) || text.contains('\\');
            assert!(is_there, "{credentials:?} are not of {registry}");
        }
    }
    assert_eq!(
        Digest::of(&fs::read(path).expect("a file")),
        Digest::of(data)
    );
}

/// Whether a file names a helper that could be found: those of the seeds cannot.
fn names_helper(data: &[u8]) -> bool {
    let Ok(file) = serde_json::from_slice::<Value>(data) else {
        return false;
    };
    let helpers = file.get("credHelpers").and_then(Value::as_object);
    let helpers = helpers.into_iter().flat_map(|helpers| helpers.values());
    let mut helpers = helpers
        .chain(file.get("credsStore"))
        .filter_map(Value::as_str);
    helpers.any(|helper| {
        !helper.is_empty() && !helper.starts_with("none-") && !helper.contains(['/', ' '])
    })
}

const REGISTRY: &str = "registry.example";
/// In no seed.
const OTHER: &str = "other.test";
/// As it is, and in `operator:swordfish` as base64.
const SECRETS: [&str; 2] = ["swordfish", "b3BlcmF0b3I6c3dvcmRmaXNo"];
