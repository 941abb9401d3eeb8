//! A device of a fleet manager of the signed generation.

use std::fs;

use margo_client::trust::ServerTrust;
use margo_conformance::authority::IssuedSvid;
use margo_conformance::authority::rcgen::{KeyPair, PublicKeyData as _};
use margo_conformance::interop::Profile;
use margo_conformance::wfm::{Answer, FakeWfm};
use margo_types::auth::ContentDigest;
use margo_types::deployment::ApplicationDeployment;
use margo_types::endpoint::Operation;
use margo_types::status::DeploymentState;
use serde_json::{Value, json};

use crate::support::{Place, authority, deployment};

async fn fleet(profile: Profile) -> (FakeWfm, Place) {
    let authority = authority();
    let wfm = FakeWfm::start_signed(&authority, profile).await;
    let place = Place::signing(authority, &wfm.url());
    (wfm, place)
}

/// As fleet managers of this generation have it: for the client, whichever device that is.
fn lamp() -> ApplicationDeployment {
    let mut lamp = deployment(1);
    lamp.metadata.device_id = None;
    lamp
}

fn client_id(status: &Value) -> &str {
    status["enrolment"]["clientId"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_waits_for_its_operator_works_and_survives_a_power_cut() {
    let (wfm, place) = fleet(Profile::STRICT).await;
    wfm.fail_always(Operation::Onboard, Answer::pending());
    let mut agent = place.start();
    agent.wait("the wait for an operator", |status| {
        status["enrolment"] == json!({"state": "pending"})
    });
    let shown = place.stdout(&["status"]);
    assert!(shown.contains("waits for the operator"), "{shown}");
    wfm.recover();
    wfm.assign(&lamp());
    wfm.wait_for_status(&lamp().id, &DeploymentState::Installed)
        .await;
    let status = agent.wait("an enrolment", |status| {
        status["enrolment"]["state"] == "enrolled"
    });
    let id = client_id(&status).to_owned();
    assert!(wfm.clients().keys().any(|known| known.as_str() == id));
    let shown = place.stdout(&["status"]);
    assert!(shown.contains(&format!("client         {id}\n")), "{shown}");
    let asked = wfm.requests_for(Operation::Onboard).len();
    agent.kill();

    wfm.stop().await;
    let mut agent = place.start();
    let status = agent.wait("a failed poll", |status| {
        status["consecutiveFailures"].as_u64() > Some(0)
            && status["deployments"]
                .as_object()
                .is_some_and(|all| all.len() == 1)
    });
    assert_eq!(client_id(&status), id);
    wfm.restart();
    agent.wait("contact", |status| status["contact"] == "online");
    assert_eq!(wfm.requests_for(Operation::Onboard).len(), asked);
    assert_eq!(agent.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_manager_on_symphony_is_served_by_its_profile() {
    let (wfm, place) = fleet(Profile::SYMPHONY_2025_12).await;
    let manager = "generation = \"rc1\"";
    let profiled = format!("{manager}\nprofile = \"symphony-2025-12\"");
    place.change("margo-agent.toml", manager, &profiled);
    let _agent = place.start();
    wfm.assign(&lamp());
    wfm.wait_for_status(&lamp().id, &DeploymentState::Installed)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_root_is_fetched_from_a_pinned_fleet_manager() {
    let (wfm, place) = fleet(Profile::STRICT).await;
    fs::remove_file(place.path("ca.pem")).unwrap();
    let (code, text) = place.failure(&["run"]);
    assert_eq!(code, 78);
    assert!(
        text.contains("ca.pem") && text.contains("no such file"),
        "{text}"
    );
    // A pin that is not that of the fleet manager.
    let ca = "ca_certificates = \"ca.pem\"";
    let pinned = format!("{ca}\npins = [\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"]");
    place.change("margo-agent.toml", ca, &pinned);
    let (code, text) = place.failure(&["run"]);
    assert_eq!(code, 69, "{text}");
    assert!(
        text.contains("pinned") && !place.path("ca.pem").exists(),
        "{text}"
    );
    assert!(wfm.requests().is_empty());

    let server = place.authority.issue_tls("127.0.0.1");
    wfm.present(&place.authority, &server);
    let wrong = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    place.change("margo-agent.toml", wrong, &pin(&server));
    let mut agent = place.start();
    agent.wait("contact", |status| status["contact"] == "online");
    let fetched = ServerTrust::anchors(&fs::read(place.path("ca.pem")).unwrap());
    assert!(fetched.is_ok(), "{fetched:?}");
}

/// The base64 of the digest of its key, as a header has it.
fn pin(server: &IssuedSvid) -> String {
    let key = KeyPair::from_pem(&server.key_pem).unwrap();
    let digest = ContentDigest::sha256(&key.subject_public_key_info()).to_string();
    let base64 = digest.strip_prefix("sha-256=:").unwrap();
    base64.trim_end_matches(':').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_ends_with_a_code_and_a_reason() {
    let (wfm, place) = fleet(Profile::STRICT).await;
    let good = fs::read_to_string(place.path("margo-agent.toml")).unwrap();
    for (from, to, code, expected) in [
        ("\"rc1\"", "\"rc9\"", 78, "line 5, generation"),
        ("\"rc1\"", "\"rc3\"", 78, "write generation = \"rc1\""),
        (
            "generation = \"rc1\"",
            "profile = \"common\"\ngeneration = \"rc1\"\nclient_id = \"a/b\"",
            78,
            "client_id",
        ),
        (
            "generation = \"rc1\"",
            "generation = \"rc1\"\nprofile = \"esperanto\"",
            78,
            "symphony-2025-12",
        ),
        (
            "ca_certificates = \"ca.pem\"",
            "",
            78,
            "ca_certificates, pins, or both",
        ),
        (
            "certificate = \"svid.pem\"\n",
            "",
            78,
            "[identity] has no certificate",
        ),
        (
            "key = \"svid.key\"",
            "key = \"svid.key\"\nsvid = \"svid.pem\"",
            78,
            "[identity] svid is for",
        ),
        (
            "ca_certificates = \"ca.pem\"",
            "ca_certificates = \"svid.key\"",
            78,
            "svid.key cannot be used",
        ),
    ] {
        place.write("margo-agent.toml", &good);
        place.change("margo-agent.toml", from, to);
        let (found, text) = place.failure(&["run"]);
        assert_eq!(found, code, "{to}: {text}");
        assert!(text.contains(expected), "{to}: {text}");
    }
    place.write("margo-agent.toml", &good);
    // Somebody else behind the URL: a device that has nothing to keep up ends.
    place.write("ca.pem", &authority().to_pem().0);
    let (code, text) = place.failure(&["run"]);
    assert_eq!(code, 69);
    assert!(
        text.contains("svid.pem") && text.contains("not trusted"),
        "{text}"
    );
    assert!(wfm.requests().is_empty());
    place.write("state/enrolment.json", "{");
    let (code, text) = place.failure(&["run"]);
    assert_eq!(code, 69);
    assert!(text.contains("move it away"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_another_fleet_manager_does_not_lose_its_state() {
    let (wfm, place) = fleet(Profile::STRICT).await;
    let mut agent = place.start();
    agent.wait("contact", |status| status["contact"] == "online");
    agent.kill();
    place.change("margo-agent.toml", "127.0.0.1", "localhost");
    let (code, text) = place.failure(&["run"]);
    assert_eq!(code, 69);
    assert!(
        text.contains("state.redb belongs to") && text.contains("localhost"),
        "{text}"
    );
    drop(wfm);
}
