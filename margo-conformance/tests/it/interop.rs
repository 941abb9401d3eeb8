//! The signed generation as it is spoken in the field: fakes, recorded requests, and both of our sides against them.

mod fakes;
mod our_client;
mod quirks;
mod recorded;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use margo_client::api::Dialect;
use margo_conformance::agent::FakeAgent;
use margo_conformance::authority::Authority;
use margo_conformance::interop::Profile;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, TrustDomain};
use margo_types::read;

/// Each fleet manager, and how our client speaks to it.
pub(crate) const PAIRS: [(Profile, Dialect); 3] = [
    (Profile::STRICT, Dialect::COMMON),
    (Profile::SYMPHONY_2025_12, Dialect::SYMPHONY_2025_12),
    (Profile::SANDBOX_9421_2026, Dialect::SANDBOX_9421_2026),
];

/// A key that never changes, and the certificate that an agent enrols with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) key: &'static str,
    pub(crate) certificate: &'static str,
}

macro_rules! keys {
    ($($name:ident $file:literal;)*) => {
        $(pub(crate) const $name: Key = Key {
            key: include_str!(concat!("interop/keys/", $file, ".pem")),
            certificate: include_str!(concat!("interop/keys/", $file, ".cert.pem")),
        };)*
    };
}

keys! {
    ED25519 "ed25519";
    P256 "p256";
    P384 "p384";
    RSA "rsa";
}

pub(crate) fn authority() -> Authority {
    Authority::new(&TrustDomain::parse("plant.example").unwrap())
}

pub(crate) fn agent(profile: Profile, url: &str, authority: &Authority, key: Key) -> FakeAgent {
    FakeAgent::new(profile, url, authority, key.key, key.certificate)
}

/// The id under which the agent of a profile is enrolled in what was recorded.
pub(crate) fn recorded_client(profile: Profile) -> ClientId {
    let id = if profile == Profile::SYMPHONY_2025_12 {
        "client-5e1f2a-1767225600"
    } else {
        "3f8a1c52-6b1e-4d7a-9a44-51b0a6a3c001"
    };
    ClientId::parse(id).unwrap()
}

/// When the first recorded request was signed, and this many seconds later.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

/// Compares with what was recorded of a profile under this name.
///
/// With `MARGO_RECORD=1` it is recorded instead; look at what has changed before it is committed.
pub(crate) fn assert_recorded(profile: Profile, name: &str, actual: &str) {
    if std::env::var_os("MARGO_RECORD").is_some() {
        let path = wire(profile, name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, actual).unwrap();
    }
    let expected = recorded_text(profile, name);
    assert_eq!(actual, expected, "{} {name}", profile.name);
}

/// What was recorded of a profile under this name. Bodies end with a line feed that is not theirs.
fn recorded_text(profile: Profile, name: &str) -> String {
    let path = wire(profile, name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A recorded request as it goes over the wire, with line ends of HTTP in its head.
pub(crate) fn recorded(profile: Profile, name: &str) -> Vec<u8> {
    let text = recorded_text(profile, name);
    let (head, body) = text.split_once("\n\n").unwrap();
    let body = body.strip_suffix('\n').unwrap_or(body);
    format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")).into_bytes()
}

fn wire(profile: Profile, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/interop/wire")
        .join(profile.name)
        .join(format!("{name}.http"))
}

pub(crate) fn deployment() -> ApplicationDeployment {
    read(DEPLOYMENT.as_bytes()).unwrap().into_value()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) const HOST: &str = "wfm.example.test";

const DEPLOYMENT: &str = "\
id: 6f1d2c0a-3b54-4a8e-9d57-0c2f5b7e8a91
metadata: {name: kiln-watch, namespace: kilns}
spec:
  applicationId: kiln-watch
  deploymentProfile:
    type: compose
    components:
      - name: watch
        properties: {repository: oci://registry.example/kilns/watch, revision: 1.0.0}
";
