//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.
//!
//! Nothing may panic. A document that is read can be validated, and written in every generation that can
//! express it; what was written is read again and means the same.

mod keys;
mod svid;
mod verify;

use margo_conformance::corpus::Target;
use margo_types::application::ApplicationDescription;
use margo_types::auth::{ContentDigest, RequestParts, SignatureInput, Signatures, signature_base};
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::manifest::StateManifest;
use margo_types::oci::{PackageManifest, TagList};
use margo_types::onboarding::{CaCertificate, OnboardingRequest, OnboardingResponse};
use margo_types::problem::Problem;
use margo_types::status::DeploymentStatus;
use margo_types::trust::{DiscoveryDocument, TrustBundle};
use margo_types::{Document, Format, Reader, SpecVersion, read, read_any, write_as};

pub use self::keys::keys;
pub use self::svid::svid;
pub use self::verify::{is_verified, verify};

/// The names of the targets, each a function of this file and a folder of the corpus.
pub const TARGETS: [(&str, Target); 16] = [
    ("any", any),
    ("application_deployment", application_deployment),
    ("application_description", application_description),
    ("content_digest", content_digest),
    ("deployment_status", deployment_status),
    ("device_capabilities", device_capabilities),
    ("keys", keys),
    ("oci", oci),
    ("onboarding", onboarding),
    ("problem", problem),
    ("signature", signature),
    ("signature_input", signature_input),
    ("state_manifest", state_manifest),
    ("svid", svid),
    ("trust", trust),
    ("verify", verify),
];

pub fn application_description(bytes: &[u8]) {
    document::<ApplicationDescription>(bytes);
}

pub fn application_deployment(bytes: &[u8]) {
    document::<ApplicationDeployment>(bytes);
}

pub fn state_manifest(bytes: &[u8]) {
    document::<StateManifest>(bytes);
}

pub fn device_capabilities(bytes: &[u8]) {
    document::<DeviceCapabilities>(bytes);
}

pub fn deployment_status(bytes: &[u8]) {
    document::<DeploymentStatus>(bytes);
}

pub fn problem(bytes: &[u8]) {
    document::<Problem>(bytes);
}

pub fn trust(bytes: &[u8]) {
    document::<DiscoveryDocument>(bytes);
    document::<TrustBundle>(bytes);
}

pub fn oci(bytes: &[u8]) {
    document::<PackageManifest>(bytes);
    document::<TagList>(bytes);
}

pub fn onboarding(bytes: &[u8]) {
    document::<OnboardingRequest>(bytes);
    document::<OnboardingResponse>(bytes);
    document::<CaCertificate>(bytes);
}

pub fn any(bytes: &[u8]) {
    match read_any(bytes) {
        Ok(document) => drop(document.validate()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

pub fn signature_input(bytes: &[u8]) {
    let Ok(input) = SignatureInput::parse(bytes) else {
        return;
    };
    let again = SignatureInput::parse(input.to_string()).expect("what was written is read");
    assert_eq!(again, input);
    let request = RequestParts::new(
        "POST",
        "https://wfm.example/api/v1/onboarding?a=b",
        |name| match name {
            "content-digest" => vec![b"sha-256=:AAAA:".as_slice()],
            "x-twice" => vec![b" a ".as_slice(), b"b"],
            _ => vec![],
        },
    );
    for (_, params) in input.iter() {
        let _ = signature_base(&request, params);
    }
}

pub fn signature(bytes: &[u8]) {
    if let Ok(signatures) = Signatures::parse(bytes) {
        let again = Signatures::parse(signatures.to_string()).expect("what was written is read");
        assert_eq!(again, signatures);
    }
}

pub fn content_digest(bytes: &[u8]) {
    if let Ok(digest) = ContentDigest::parse(bytes) {
        let again = ContentDigest::parse(digest.to_string()).expect("what was written is read");
        assert_eq!(again, digest);
        let _ = digest.verify(bytes);
    }
}

fn document<T: Document>(bytes: &[u8]) {
    let document = match read::<T>(bytes) {
        Ok(document) => document,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let _ = document.validate();
    for generation in SpecVersion::ALL {
        // A generation that cannot express the document says so; that is fine.
        let Ok(json) = write_as(document.value(), generation, Format::Json) else {
            continue;
        };
        for format in [Format::Json, Format::Yaml] {
            let written = write_as(document.value(), generation, format)
                .unwrap_or_else(|error| panic!("{generation} has it as JSON only: {error}"));
            let again = Reader::new()
                .generation(generation)
                .read::<T>(&written)
                .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(&written)));
            let json_again = write_as(again.value(), generation, Format::Json)
                .unwrap_or_else(|error| panic!("{generation} lost it: {error}"));
            // JSON has no 1.0, so equal is what is written equally.
            assert_eq!(
                String::from_utf8_lossy(&json_again),
                String::from_utf8_lossy(&json),
                "{generation}, {format}: {}",
                String::from_utf8_lossy(&written)
            );
        }
    }
}
