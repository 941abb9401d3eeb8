//! The client and fleet managers that each have their own reading of the generation.

use margo_client::api::{Dialect, Rc1Api};
use margo_client::{FleetApi as _, Poll};
use margo_conformance::RecordedRequest;
use margo_conformance::interop::Profile;
use margo_conformance::wfm::FakeWfm;
use margo_types::endpoint::Operation;
use margo_types::id::DeploymentId;
use serde_json::{Value, json};

use super::{Scene, host, status};

async fn start(profile: Profile, dialect: Dialect) -> (Scene, FakeWfm, Rc1Api) {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, profile).await;
    let api = scene.api_in(dialect, &wfm).await;
    (scene, wfm, api)
}

fn body(request: &RecordedRequest) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

fn last(wfm: &FakeWfm, operation: Operation) -> RecordedRequest {
    wfm.requests_for(operation).pop().expect("a request")
}

fn deployment() -> DeploymentId {
    "a3e2f5dc-912e-494f-8395-52cf3769bc06"
        .parse()
        .expect("an id")
}

#[test]
fn dialects_have_names() {
    for dialect in Dialect::ALL {
        assert_eq!(Dialect::named(dialect.name()), Some(dialect));
    }
    assert_eq!(Dialect::named("esperanto"), None);
}

/// Reports, and the states they were taken with.
#[tokio::test]
async fn every_fleet_manager_understands_its_dialect() {
    for (profile, dialect) in [
        (Profile::STRICT, Dialect::COMMON),
        (Profile::SYMPHONY_2025_12, Dialect::SYMPHONY_2025_12),
        (Profile::SANDBOX_9421_2026, Dialect::SANDBOX_9421_2026),
        // What our own reading of the specification says is good enough for the sandbox.
        (Profile::SANDBOX_9421_2026, Dialect::COMMON),
    ] {
        let (_scene, wfm, api) = start(profile, dialect).await;
        api.report_capabilities(&host("edge"))
            .await
            .expect("capabilities");
        let devices = wfm.devices();
        let device = devices.values().next().expect("a device");
        assert!(
            device.properties.hosts_workloads(),
            "{}: {device:?}",
            profile.name
        );
        let Poll::Changed { tag, .. } = api.manifest(None).await.expect("a manifest") else {
            panic!("unchanged");
        };
        let again = api.manifest(tag.as_ref()).await.expect("an answer");
        assert!(matches!(again, Poll::Unchanged), "{}", profile.name);
        let request = last(&wfm, Operation::Manifest);
        assert_eq!(
            request.header("accept"),
            Some("application/vnd.margo.manifest.v1+json")
        );
        let gone = api.report_status(&status(deployment())).await;
        // The fakes know no such deployment, or do not care.
        assert!(gone.is_ok() || gone.is_err_and(|error| error.is_not_found()));
    }
}

#[tokio::test]
async fn symphony_is_sent_what_the_first_openapi_has() {
    let (_scene, wfm, api) = start(Profile::SYMPHONY_2025_12, Dialect::SYMPHONY_2025_12).await;
    api.report_capabilities(&host("edge"))
        .await
        .expect("capabilities");
    let _ = api.report_status(&status(deployment())).await;
    let id = api
        .enrolment()
        .client_id()
        .await
        .expect("an id")
        .to_string();
    let onboarding = last(&wfm, Operation::Onboard);
    let members = body(&onboarding);
    let members: Vec<_> = members.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["public_certificate"]);
    let input = onboarding.header("signature-input").expect("signed");
    let covered = r#"sig=("@method" "@target-uri" "@authority");created="#;
    assert!(
        input.starts_with(covered) && !input.contains("alg="),
        "{input}"
    );

    let report = last(&wfm, Operation::ReportCapabilities);
    assert_eq!(
        report.line(),
        format!("POST /v1alpha2/margo/api/v1/clients/{id}/capabilities")
    );
    let report = body(&report);
    assert_eq!(report["apiVersion"], "device.margo/v1");
    assert_eq!(report["kind"], "DeviceCapabilities");
    assert_eq!(
        report["properties"]["id"], id,
        "the client id takes the place of the device's"
    );
    assert_eq!(report["properties"]["roles"], json!(["Standalone Device"]));

    let report = last(&wfm, Operation::ReportStatus);
    let path = format!(
        "/v1alpha2/margo/api/v1/clients/{id}/deployment/{}/status",
        deployment()
    );
    assert_eq!(report.line(), format!("POST {path}"), "singular");
    let error = json!({"code": "E1", "message": "no room"});
    assert_eq!(
        body(&report),
        json!({
            "apiVersion": "margo.org", "kind": "DeploymentStatus", "deploymentId": deployment().to_string(),
            "status": {"state": "Failed"},
            "components": [{"name": "web", "state": "Failed", "error": error}],
        })
    );
}

#[tokio::test]
async fn the_sandbox_is_sent_flat_capabilities() {
    let (_scene, wfm, api) = start(Profile::SANDBOX_9421_2026, Dialect::SANDBOX_9421_2026).await;
    api.report_capabilities(&host("edge"))
        .await
        .expect("capabilities");
    let report = last(&wfm, Operation::ReportCapabilities);
    let input = report.header("signature-input").expect("signed");
    assert!(
        input.starts_with(r#"sig=("@method" "@target-uri" "@authority" "content-digest");"#),
        "{input}"
    );
    let report = body(&report);
    assert_eq!(report["kind"], "DeviceCapabilitiesManifest");
    assert_eq!(report["properties"]["cpus"], json!([{"cores": 4}]));
    assert_eq!(report["properties"]["supportedRuntimes"], json!(["oci"]));
    assert!(report["properties"].get("roles").is_none());
}

#[tokio::test]
async fn a_copy_of_a_dialect_can_be_changed() {
    let mut dialect = Dialect::COMMON;
    dialect.device_in_path = true;
    let (_scene, wfm, api) = start(Profile::STRICT, dialect).await;
    api.report_capabilities(&host("edge"))
        .await
        .expect("capabilities");
    let line = last(&wfm, Operation::ReportCapabilities).line();
    assert!(
        line.starts_with("PUT ") && line.ends_with("/capabilities/edge"),
        "{line}"
    );
    let gateway = "edge".parse().expect("an id");
    api.remove_device(&gateway).await.expect("gone");
}
