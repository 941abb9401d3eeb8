//! The documents in `tests/golden/<generation>/`, all written for these tests.
//!
//! `rc3-from-older` is no generation: there is what older documents say in words of the newest, which demands
//! members that they never had.

use std::fs;
use std::path::Path;

use margo_types::{Kind, ReadError, Reader, Report, SpecVersion, read_any};
use serde_json::Value;

/// A document that is as it should be.
pub(crate) struct Golden {
    /// The path below `tests/golden`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) generation: SpecVersion,
    /// The document without types.
    #[cfg_attr(
        not(feature = "schema"),
        expect(dead_code, reason = "only for a comparison with its schema")
    )]
    pub(crate) value: Value,
}

/// All golden documents.
pub(crate) fn all() -> Vec<Golden> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut documents = Vec::new();
    for generation in SpecVersion::ALL {
        let folder = generation.as_str().replace(['.', '-'], "");
        let Ok(entries) = fs::read_dir(root.join(&folder)) else {
            continue;
        };
        for entry in entries {
            let file = entry.unwrap().path();
            let name = format!("{folder}/{}", file.file_name().unwrap().to_string_lossy());
            let text = fs::read_to_string(&file).unwrap();
            let kind = Kind::ALL.iter().find(|kind| is_of_kind(&name, **kind));
            documents.push(Golden {
                kind: *kind.unwrap_or_else(|| panic!("{name} does not start with a kind")),
                generation,
                value: serde_saphyr::from_str(&text).unwrap(),
                name,
            });
        }
    }
    documents.sort_by(|a, b| a.name.cmp(&b.name));
    documents
}

/// Whether the file is called `state-manifest.json` or `state-manifest-….json`, for a state manifest.
fn is_of_kind(name: &str, kind: Kind) -> bool {
    let mut start = String::new();
    for letter in kind.as_str().chars() {
        let separator = if start.is_empty() { '/' } else { '-' };
        if letter.is_uppercase() {
            start.push(separator);
        }
        start.push(letter.to_ascii_lowercase());
    }
    let rest = name.find(&start).map(|found| &name[found + start.len()..]);
    rest.is_some_and(|rest| rest.starts_with(['-', '.']))
}

/// Reads a document of a kind and validates it strictly.
pub(crate) fn read(kind: Kind, reader: Reader, bytes: &[u8]) -> Result<Report, ReadError> {
    macro_rules! by_kind {
        ($($kind:ident: $type:ty,)*) => {
            match kind {
                $(Kind::$kind => reader.read::<$type>(bytes).map(|document| document.validate()),)*
                other => panic!("add {other} to this list"),
            }
        };
    }
    by_kind! {
        ApplicationDescription: margo_types::application::ApplicationDescription,
        ApplicationDeployment: margo_types::deployment::ApplicationDeployment,
        StateManifest: margo_types::manifest::StateManifest,
        DeviceCapabilities: margo_types::capabilities::DeviceCapabilities,
        DeploymentStatus: margo_types::status::DeploymentStatus,
        Problem: margo_types::problem::Problem,
        DiscoveryDocument: margo_types::trust::DiscoveryDocument,
        TrustBundle: margo_types::trust::TrustBundle,
        PackageManifest: margo_types::oci::PackageManifest,
        TagList: margo_types::oci::TagList,
        OnboardingRequest: margo_types::onboarding::OnboardingRequest,
        OnboardingResponse: margo_types::onboarding::OnboardingResponse,
        CaCertificate: margo_types::onboarding::CaCertificate,
    }
}

#[test]
fn golden_documents_are_valid_and_recognised() {
    let documents = all();
    assert!(
        documents.len() >= 20,
        "only {} golden documents",
        documents.len()
    );
    let mut invalid = Vec::new();
    for document in &documents {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let bytes = fs::read(root.join(&document.name)).unwrap();
        if !UNRECOGNISABLE.contains(&document.name.as_str()) {
            let read = read_any(&bytes).unwrap();
            // A request for enrolment and a root certificate may look the same.
            if document.kind != Kind::OnboardingRequest {
                assert_eq!(read.kind(), document.kind, "{}", document.name);
            }
            assert_eq!(read.generation(), document.generation, "{}", document.name);
        }
        let reader = Reader::new().generation(document.generation);
        let report = self::read(document.kind, reader, &bytes)
            .unwrap_or_else(|error| panic!("{}: {error}", document.name));
        if !report.is_valid() {
            invalid.push(format!("{}:\n{report}", document.name));
        }
    }
    assert!(invalid.is_empty(), "{}", invalid.join("\n"));
    for kind in Kind::ALL {
        assert!(
            documents.iter().any(|document| document.kind == *kind),
            "none of {kind}"
        );
    }
}

/// Documents whose shape does not tell kind and generation; a reader is told both.
const UNRECOGNISABLE: [&str; 1] = [
    // Without URLs nothing shows that an absent bundle is meant to be null.
    "rc1/state-manifest-empty-without-bundle.json",
];
