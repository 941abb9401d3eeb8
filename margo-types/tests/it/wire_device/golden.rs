//! Documents in every published shape, and what they mean in the newest.

use std::path::PathBuf;

use margo_types::capabilities::DeviceCapabilities;
use margo_types::manifest::StateManifest;
use margo_types::onboarding::{CaCertificate, OnboardingRequest, OnboardingResponse};
use margo_types::status::DeploymentStatus;
use margo_types::{Document, Exact, Reader, SpecVersion, read, read_any, write};
use serde_json::Value;

/// Reads a document, which must be found out to be of the generation whose folder it is in.
fn golden<T: Document>(name: &str) -> Exact<T> {
    let document: Exact<T> = read(&bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(document.generation(), generation(name), "{name}");
    document
}

/// Older shapes of one document, the first of which is the one that is written.
fn means_and_is_written<T: Document + PartialEq + std::fmt::Debug>(newest: &str, older: &[&str]) {
    let model = golden::<T>(newest).into_value();
    for name in older {
        assert_eq!(golden::<T>(name).value(), &model, "{name}");
    }
    for name in [newest, older[0]] {
        let written = write(&model, generation(name)).unwrap();
        assert_eq!(json(&written), json(&bytes(name)), "{name}");
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("tests/golden").join(name).with_extension("json");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn generation(name: &str) -> SpecVersion {
    match name.split('/').next() {
        Some("pre-draft") => SpecVersion::PreDraft,
        Some("rc1") => SpecVersion::Rc1,
        _ => SpecVersion::Rc3,
    }
}

#[test]
fn capabilities_of_rc1_mean_the_same_in_all_their_drift() {
    means_and_is_written::<DeviceCapabilities>(
        "rc3/device-capabilities-cluster",
        &[
            "rc1/device-capabilities-cluster",
            "rc1/device-capabilities-cluster-text-example",
            "rc1/device-capabilities-cluster-flat-cpu",
            "rc1/device-capabilities-cluster-flat-cpus",
            "rc1/device-capabilities-cluster-mixed",
            "rc1/device-capabilities-cluster-before-rc1",
        ],
    );
    means_and_is_written::<DeviceCapabilities>(
        "rc3-from-older/device-capabilities-reference",
        &[
            "rc1/device-capabilities-reference",
            "rc1/device-capabilities-reference-2025",
        ],
    );
}

#[test]
fn roles_that_capabilities_do_not_lead_back_to_survive() {
    means_and_is_written::<DeviceCapabilities>(
        "rc3/device-capabilities-leader",
        &[
            "rc1/device-capabilities-leader",
            "rc1/device-capabilities-leader-text-example",
        ],
    );
}

#[test]
fn a_gateway_alone_hosts_nothing_and_keeps_its_resources() {
    means_and_is_written::<DeviceCapabilities>(
        "rc3/device-capabilities-gateway",
        &[
            "rc1/device-capabilities-gateway",
            "rc1/device-capabilities-gateway-flat",
        ],
    );
    means_and_is_written::<DeviceCapabilities>(
        "rc3/device-capabilities-gateway-with-resources",
        &["rc1/device-capabilities-gateway-with-resources"],
    );
    let gateway = golden::<DeviceCapabilities>("rc1/device-capabilities-gateway-with-resources");
    assert!(!gateway.value().properties.hosts_workloads());
}

#[test]
fn capabilities_of_the_pre_draft_count_gigabytes() {
    means_and_is_written::<DeviceCapabilities>(
        "rc3/device-capabilities-pre-draft",
        &[
            "pre-draft/device-capabilities",
            "pre-draft/device-capabilities-text-example",
            "pre-draft/device-capabilities-cpu-list",
        ],
    );
    let device = golden::<DeviceCapabilities>("pre-draft/device-capabilities").into_value();
    let memory = device.properties.memory.unwrap();
    assert_eq!(memory.bytes(), 64_000_000_000);
}

#[test]
fn statuses_of_rc1_mean_the_same_in_all_their_drift() {
    means_and_is_written::<DeploymentStatus>(
        "rc3/deployment-status-failed",
        &["rc1/deployment-status-failed"],
    );
    means_and_is_written::<DeploymentStatus>(
        "rc3-from-older/deployment-status-installed",
        &[
            "rc1/deployment-status-installed",
            "rc1/deployment-status-installed-title-case",
            "rc1/deployment-status-installed-list",
        ],
    );
}

#[test]
fn statuses_of_the_pre_draft_use_either_vocabulary() {
    means_and_is_written::<DeploymentStatus>(
        "rc3-from-older/deployment-status-pre-draft",
        &[
            "pre-draft/deployment-status",
            "pre-draft/deployment-status-lifecycle-words",
            "pre-draft/deployment-status-text-example",
        ],
    );
}

#[test]
fn the_manifest_version_a_status_adopted_is_written_for_rc1_too() {
    let status = golden::<DeploymentStatus>("rc3/deployment-status-failed").into_value();
    let written = json(&write(&status, SpecVersion::Rc1).unwrap());
    assert_eq!(written["adoptedManifestVersion"], u64::MAX);
    assert_eq!(written["kind"], "DeploymentStatusManifest");
}

#[test]
fn manifests_are_told_apart_by_their_urls() {
    for name in [
        "rc3/state-manifest",
        "rc3/state-manifest-empty",
        "rc1/state-manifest",
        "rc1/state-manifest-by-device",
        "rc1/state-manifest-behind-a-prefix",
    ] {
        let manifest = golden::<StateManifest>(name);
        let written = write(manifest.value(), generation(name)).unwrap();
        assert_eq!(json(&written), json(&bytes(name)), "{name}");
    }
    let manifest = golden::<StateManifest>("rc1/state-manifest");
    assert_eq!(manifest.value().manifest_version.get(), (1 << 53) + 1);
    let written = write(manifest.value(), SpecVersion::Rc1).unwrap();
    let text = String::from_utf8(written).unwrap();
    assert!(
        text.contains("\"manifestVersion\":9007199254740993"),
        "{text}"
    );

    let path_like =
        r#"{"manifestVersion": 1, "bundle": null, "deployments": [], "x": "/clients/"}"#;
    let path_like = read::<StateManifest>(path_like.as_bytes()).unwrap();
    assert_eq!(path_like.generation(), SpecVersion::Rc3);
}

#[test]
fn only_rc1_may_leave_the_bundle_out() {
    let bytes = bytes("rc1/state-manifest-empty-without-bundle");
    let rc1 = Reader::new().generation(SpecVersion::Rc1);
    let manifest: Exact<StateManifest> = rc1.read(&bytes).unwrap();
    assert_eq!(manifest.value().bundle, None);
    let written = write(manifest.value(), SpecVersion::Rc1).unwrap();
    assert_eq!(
        written,
        br#"{"bundle":null,"deployments":[],"manifestVersion":10}"#
    );

    let rc3 = Reader::new().generation(SpecVersion::Rc3);
    let error = rc3.read::<StateManifest>(&bytes).unwrap_err();
    assert!(error.to_string().contains("`bundle` is missing"), "{error}");
}

#[test]
fn enrolment_is_read_in_every_spelling_and_written_in_one() {
    let request = golden::<OnboardingRequest>("rc1/onboarding-request");
    for name in [
        "rc1/onboarding-request-without-envelope",
        "rc1/onboarding-request-2025",
        "rc1/onboarding-request-both",
    ] {
        assert_eq!(golden::<OnboardingRequest>(name).value(), request.value());
    }
    let written = write(request.value(), SpecVersion::Rc1).unwrap();
    assert_eq!(json(&written), json(&bytes("rc1/onboarding-request")));

    let response = golden::<OnboardingResponse>("rc1/onboarding-response");
    let early = golden::<OnboardingResponse>("rc1/onboarding-response-2025");
    assert_eq!(early.value().client_id, response.value().client_id);
    let written = json(&write(early.value(), SpecVersion::Rc1).unwrap());
    assert_eq!(written["clientId"], "client-5e1f-1765000000");
    assert_eq!(written["endpoint_list"][0], "https://fleet.example");

    let root = golden::<CaCertificate>("rc1/ca-certificate");
    assert_eq!(root.value().certificate.der().unwrap(), [0x30, 3, 2, 1, 5]);
}

#[test]
fn every_golden_document_is_recognised_without_being_told_its_kind() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut seen = 0;
    for folder in ["pre-draft", "rc1", "rc3", "rc3-from-older"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let document = read_any(&std::fs::read(&path).unwrap());
                let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
                // Without URLs nothing shows that an absent bundle is meant to be null.
                let is_known = stem != "state-manifest-empty-without-bundle";
                assert_eq!(
                    document.is_ok(),
                    is_known,
                    "{}: {document:?}",
                    path.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "{seen} documents");
}
