//! What a client that signs can ask, and how it is answered.

use margo_types::Digest;
use margo_types::SpecVersion;
use margo_types::signature::{Profile, Tolerance};
use serde_json::{Value, json};

use super::device::{Device, Sent};
use super::{MANIFEST_OF_1, Plant};
use crate::exchange::{BUNDLE, DEPLOYMENT, DOCUMENT, MANIFEST, OTHERS_DEPLOYMENT};

const CLIENT_1: &str = "/api/v1/clients/press-1";

fn report() -> Value {
    json!({
        "apiVersion": "deployment.margo.org/v1alpha1",
        "kind": "DeploymentStatusManifest",
        "deploymentId": DEPLOYMENT,
        "status": { "state": "installed" },
        "components": [{ "name": "web", "state": "installed" }],
    })
}

fn capabilities(id: &str) -> Value {
    json!({
        "apiVersion": "device.margo.org/v1alpha1",
        "kind": "DeviceCapabilitiesManifest",
        "properties": {
            "id": id, "vendor": "Example", "modelNumber": "M1", "serialNumber": "0001",
            "roles": ["Standalone Device"],
            "resources": {
                "cpu": { "cores": 4, "architecture": "arm64" }, "memory": "8Gi", "storage": "64Gi",
                "peripherals": [], "interfaces": [{ "type": "ethernet" }],
            },
        },
    })
}

#[tokio::test]
async fn signed_poll_is_answered() {
    let plant = Plant::new();
    let answer = plant.ask(Sent::get(MANIFEST_OF_1)).await;
    answer.is(200);
    assert_eq!(answer.body, MANIFEST);
    assert_eq!(
        answer.header("content-type"),
        Some("application/vnd.margo.manifest.v1+json")
    );
    assert_eq!(answer.header("cache-control"), Some("private"));
    let tag = Digest::of(MANIFEST.as_bytes()).to_etag();
    assert_eq!(answer.header("etag"), Some(&*tag));

    let again = Sent::get(MANIFEST_OF_1).with("if-none-match", &tag);
    let answer = plant.ask(again).await;
    assert!(answer.is(304).body.is_empty());
    assert_eq!(answer.header("etag"), Some(&*tag));
    let head = plant.ask(Sent::new("HEAD", MANIFEST_OF_1)).await;
    assert!(head.is(200).body.is_empty());
    let query = format!("{MANIFEST_OF_1}?since=yesterday");
    plant.ask(Sent::get(&query)).await.is(200);
}

#[tokio::test]
async fn documents_and_bundles_are_sent_for_ever() {
    let plant = Plant::new();
    let document = Digest::of(DOCUMENT.as_bytes());
    let document = format!("{CLIENT_1}/deployments/{DEPLOYMENT}/{document}");
    let bundle = format!("{CLIENT_1}/bundles/{}", Digest::of(BUNDLE));
    for (path, media_type) in [
        (&document, "application/yaml"),
        (&bundle, "application/vnd.margo.bundle.v1+tar+gzip"),
    ] {
        let answer = plant.ask(Sent::get(path)).await;
        assert_eq!(answer.is(200).header("content-type"), Some(media_type));
        let for_ever = Some("public, max-age=31536000, immutable");
        assert_eq!(answer.header("cache-control"), for_ever);
        // A digest with its colon escaped is the same, and is signed as it is written.
        let escaped = path.replace("sha256:", "sha256%3A");
        plant.ask(Sent::get(&escaped)).await.is(200);
    }
    let malformed = format!("{CLIENT_1}/bundles/sha256:0");
    let answer = plant.ask(Sent::get(&malformed)).await;
    answer.is_problem(400, "invalid-request");
    let unknown = format!("{CLIENT_1}/bundles/{}", Digest::of(b"unknown"));
    let answer = plant.ask(Sent::get(&unknown)).await;
    answer.is_problem(404, "invalid-bundle");
    let body = String::from_utf8_lossy(&answer.body);
    assert!(body.contains("https://docs.margo.org/specification/problems/invalid-bundle"));
}

#[tokio::test]
async fn clients_that_ask_for_bytes_get_them() {
    let plant = Plant::new();
    let bundle = format!("{CLIENT_1}/bundles/{}", Digest::of(BUNDLE));
    for accept in ["application/octet-stream", "*/*", "application/*;q=0.1"] {
        let sent = Sent::get(&bundle).with("accept", accept);
        let answer = plant.ask(sent).await;
        let media_type = Some("application/vnd.margo.bundle.v1+tar+gzip");
        assert_eq!(answer.is(200).header("content-type"), media_type);
    }
    for (path, accept) in [
        (&*bundle, "text/html"),
        (MANIFEST_OF_1, "application/octet-stream"),
        (MANIFEST_OF_1, "application/vnd.margo.manifest.v1.jws+json"),
    ] {
        let sent = Sent::get(path).with("accept", accept);
        let answer = plant.ask(sent).await;
        answer.is_problem(406, "server-cannot-generate-response");
    }
}

#[tokio::test]
async fn report_is_taken_by_both_paths_with_200() {
    let plant = Plant::new();
    for path in ["deployments", "deployment"] {
        let path = format!("{CLIENT_1}/{path}/{DEPLOYMENT}/status");
        let answer = plant.ask(Sent::new("POST", &path).json(&report())).await;
        assert!(answer.is(200).body.is_empty());
    }
    let state = plant.fleet.state();
    let document = &state.statuses[0].document;
    assert_eq!(document.generation(), SpecVersion::Rc1);
    assert_eq!(document.value().adopted_manifest_version, None);
}

#[tokio::test]
async fn report_is_read_in_every_spelling() {
    let plant = Plant::new();
    let path = format!("{CLIENT_1}/deployment/{DEPLOYMENT}/status");
    let title_case = json!({
        "apiVersion": "margo.org", "kind": "DeploymentStatus", "deploymentId": DEPLOYMENT,
        "status": { "state": "Installed" },
        "components": [{ "name": "web", "state": "Installed" }],
    });
    let mut without_envelope = report();
    let members = without_envelope.as_object_mut().unwrap();
    members.retain(|name, _| !["apiVersion", "kind"].contains(&&**name));
    for body in [title_case, without_envelope] {
        let answer = plant.ask(Sent::new("POST", &path).json(&body)).await;
        answer.is(200);
    }
    for received in &plant.fleet.state().statuses {
        let value = received.document.value();
        assert_eq!(value.status.state.as_str(), "installed");
        assert!(received.findings.findings().is_empty());
    }
    let mut wrong = report();
    wrong["deploymentId"] = json!(OTHERS_DEPLOYMENT);
    let answer = plant.ask(Sent::new("POST", &path).json(&wrong)).await;
    answer.is_problem(422, "semantic-error");
}

#[tokio::test]
async fn capabilities_are_taken_by_every_path_with_201() {
    let plant = Plant::new();
    for method in ["POST", "PUT"] {
        for (path, id) in [
            ("capabilities", "edge-1"),
            ("capabilities/edge-2", "edge-2"),
            // What the reference agent of 2025 has to send.
            ("capabilities", "press-1"),
        ] {
            let path = format!("{CLIENT_1}/{path}");
            let sent = Sent::new(method, &path).json(&capabilities(id));
            let answer = plant.ask(sent).await;
            assert!(answer.is(201).body.is_empty());
        }
    }
    let devices = plant.fleet.state().devices.clone();
    let devices: Vec<_> = devices.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(devices, ["edge-1", "edge-2", "press-1"]);

    let path = format!("{CLIENT_1}/capabilities/edge-2");
    let sent = Sent::new("PUT", &path).json(&capabilities("edge-1"));
    plant.ask(sent).await.is_problem(422, "semantic-error");
    plant.ask(Sent::new("DELETE", &path)).await.is(204);
    let answer = plant.ask(Sent::new("DELETE", &path)).await;
    answer.is_problem(404, "about:blank");
    let child = format!("{CLIENT_1}/capabilities/gw/child");
    let sent = Sent::new("PUT", &child).json(&capabilities("gw/child"));
    plant.ask(sent).await.is_problem(404, "about:blank");
}

#[tokio::test]
async fn capabilities_are_read_in_every_spelling() {
    let plant = Plant::new();
    let reference_2025 = json!({
        "apiVersion": "device.margo/v1", "kind": "DeviceCapabilities",
        "properties": {
            "id": "press-1", "vendor": "Example", "modelNumber": "M1", "serialNumber": "0001",
            "roles": ["Standalone Device"],
            "resources": { "cpu": { "cores": 4 }, "memory": "8Gi", "storage": "64Gi" },
        },
    });
    let late = json!({
        "apiVersion": "device.margo.org/v1alpha1", "kind": "DeviceCapabilitiesManifest",
        "properties": {
            "id": "edge-1", "vendor": "Example", "modelNumber": "M1", "serialNumber": "0001",
            "cpus": [{ "cores": 4, "architecture": "arm64" }], "memory": "8Gi", "storage": "64Gi",
            "peripherals": [], "interfaces": [], "otelCollector": true,
            "supportedRuntimes": ["oci"], "supportedDeploymentTypes": ["compose"],
        },
    });
    for body in [reference_2025, late] {
        let path = format!("{CLIENT_1}/capabilities");
        let answer = plant.ask(Sent::new("POST", &path).json(&body)).await;
        answer.is(201);
    }
    for received in &plant.fleet.state().capabilities {
        assert!(received.document.value().properties.cpus.is_some());
    }
}

#[tokio::test]
async fn body_is_json() {
    let plant = Plant::new();
    let path = format!("{CLIENT_1}/capabilities");
    for (body, status, kind) in [
        ("no JSON", 400, "invalid-request"),
        ("", 400, "invalid-request"),
        ("{}", 422, "semantic-error"),
    ] {
        let answer = plant.ask(Sent::new("PUT", &path).body(body)).await;
        answer.is_problem(status, kind);
    }
    let long = vec![b' '; (1 << 20) + 1];
    let answer = plant.ask(Sent::new("PUT", &path).body(long)).await;
    answer.is_problem(413, "about:blank");
    let html = Sent::new("PUT", &path).with("content-type", "text/html");
    plant
        .ask(html.body("{}"))
        .await
        .is_problem(415, "about:blank");
}

#[tokio::test]
async fn every_known_signer_is_understood() {
    for profile in Profile::ALL {
        let plant = Plant::with(|options| {
            options.policy.tolerances.extend(profile.tolerances);
        });
        let path = format!("{CLIENT_1}/deployment/{DEPLOYMENT}/status");
        let sent = Sent::new("POST", &path).json(&report());
        for sent in [Sent::get(MANIFEST_OF_1), sent] {
            let signed = sent.signed_as(&plant.press_1, profile);
            plant.send(signed).await.is(200);
        }
    }
    let strict = Plant::new();
    let profile = Profile::SYMPHONY_2025_12;
    assert_eq!(profile.tolerances, [Tolerance::DigestNotCovered]);
    let path = format!("{CLIENT_1}/deployment/{DEPLOYMENT}/status");
    let sent = Sent::new("POST", &path).json(&report());
    let signed = sent.signed_as(&strict.press_1, profile);
    let answer = strict.send(signed).await;
    answer.is_problem(401, "signature-verification-failed");
}

#[tokio::test]
async fn any_enrolled_certificate_may_sign() {
    let plant = Plant::new();
    let renewed = Device::with_ed25519();
    plant.enrolment.enrol_as("press-1", &renewed);
    for device in [&plant.press_1, &renewed] {
        let signed = Sent::get(MANIFEST_OF_1).signed(device);
        plant.send(signed).await.is(200);
    }
}

#[tokio::test]
async fn path_is_read_as_it_is_signed() {
    let plant = Plant::new();
    let escaped = "/api/v1/clients/press%2D1/deployments";
    assert_eq!(plant.ask(Sent::get(escaped)).await.is(200).body, MANIFEST);
    // The one is not the other, to a signature.
    let signed = Sent::get(escaped).signed(&plant.press_1);
    let answer = plant.send(signed.path(MANIFEST_OF_1)).await;
    answer.is_problem(401, "signature-verification-failed");
}

#[tokio::test]
async fn digest_of_nothing_is_no_harm() {
    let plant = Plant::new();
    let nothing = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    let sent = Sent::get(MANIFEST_OF_1).with("content-digest", nothing);
    plant.ask(sent).await.is(200);
    let something = "sha-256=:FTAT49pXRF+/Snmu0qFNQC8pprn1lBVPHI71uXQQ184=:";
    let sent = Sent::get(MANIFEST_OF_1).with("content-digest", something);
    let answer = plant.ask(sent).await;
    answer.is_problem(400, "invalid-digest-header");
}

#[tokio::test]
async fn client_alone_learns_which_paths_there_are() {
    let plant = Plant::new();
    let nowhere = format!("{CLIENT_1}/nowhere");
    let answer = plant.ask(Sent::get(&nowhere)).await;
    answer.is_problem(404, "about:blank");
    let answer = plant.ask(Sent::new("DELETE", MANIFEST_OF_1)).await;
    answer.is_problem(405, "about:blank");
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    for (method, path) in [("GET", &*nowhere), ("DELETE", MANIFEST_OF_1)] {
        let signed = Sent::new(method, path).signed(&plant.press_2);
        let answer = plant.send(signed).await;
        answer.is_problem(401, "signature-verification-failed");
    }
}
