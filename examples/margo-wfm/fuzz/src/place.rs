//! Fleet managers in directories of their own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use margo_types::id::TrustDomain;
use margo_wfm::config::{IdentityConfig, StateConfig};
use margo_wfm::identity::DevelopmentDomain;
use margo_wfm::{Config, Failure};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What fleet managers run in.
pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(2).enable_all();
    builder.build().expect("a runtime")
});

/// The identity of all of them.
static IDENTITY: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let domain = TrustDomain::parse("fuzz.invalid").expect("a trust domain");
    DevelopmentDomain::init(&folder.path().join(DOMAIN), &domain, "wfm", &[]).expect("made");
    folder
});

/// The directory of the development domain.
pub(super) fn domain() -> PathBuf {
    IDENTITY.path().join(DOMAIN)
}

/// The configuration of a fleet manager with its state in this directory.
pub(super) fn config(state: &Path) -> Config {
    let domain = domain();
    let identity = IdentityConfig::new(
        domain.join("wfm.pem"),
        domain.join("wfm-key.pem"),
        domain.join("bundle.json"),
    );
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Config::new(listen, identity, StateConfig::new(state))
}

/// A directory with the package of an application.
pub(super) fn package(id: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = DESCRIPTION.replace("APPLICATION", id);
    fs::write(folder.path().join("margo.yaml"), text).expect("written");
    folder
}

/// What holds of every failure: a person can do something with it.
pub(super) fn refused(failure: &Failure) {
    assert!(!failure.message.is_empty(), "{failure:?}");
    let has_panicked = failure.to_string().contains("panicked");
    assert!(!has_panicked, "{failure:?}");
}

const DOMAIN: &str = "domain";

const DESCRIPTION: &str = r#"apiVersion: v1
id: APPLICATION
metadata:
  name: Lamp
  version: "1.0"
  catalog:
    organization:
      - name: Example Lights
deploymentProfiles:
  - type: compose
    id: small
    components:
      - name: lamp
        properties:
          repository: oci://registry.lights.example/compose/lamp
          revision: 1.0.0
"#;
