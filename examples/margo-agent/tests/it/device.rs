//! A device with its fleet manager, without it, and after it.

use std::fs;

use margo_conformance::authority::Lifetime;
use margo_conformance::wfm::Answer;
use margo_types::endpoint::Operation;
use margo_types::status::DeploymentState;
use serde_json::Value;

use crate::support::{Place, deployment, fleet};

fn installed(status: &Value) -> usize {
    let all = status["deployments"].as_object().into_iter().flatten();
    all.filter(|(_, it)| it["state"] == "installed").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_what_it_is_told_says_so_and_ends_when_asked() {
    let (wfm, place) = fleet().await;
    wfm.assign(&deployment(1));
    let mut agent = place.start();
    wfm.wait_for_status(&deployment(1).id, &DeploymentState::Installed)
        .await;
    agent.wait("the installation", |status| {
        installed(status) == 1 && status["outbox"] == 0
    });

    let text = place.stdout(&["status"]);
    for expected in ["panel", &wfm.url(), "online", "lamp-1", "installed"] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert_eq!(agent.terminate(), Some(0));
    let (code, message) = place.failure(&["status"]);
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("margo-agent run"), "{message}");
    let log = place.log();
    for expected in ["running", "workloads go on", "stopped"] {
        assert!(log.contains(expected), "{expected} is not in\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_started_without_its_fleet_manager_it_runs_what_it_remembers() {
    let (wfm, place) = fleet().await;
    wfm.assign(&deployment(1));
    let agent = place.start();
    wfm.wait_for_status(&deployment(1).id, &DeploymentState::Installed)
        .await;
    agent.kill();

    wfm.stop().await;
    // As if the engine had lost the workload in the same power cut.
    fs::remove_dir_all(place.path("state/simulated")).unwrap();
    let mut agent = place.start();
    agent.wait("the workload", |status| {
        installed(status) == 1 && status["lastError"].is_null() == status["lastContact"].is_string()
    });
    let workloads = fs::read_dir(place.path("state/simulated")).unwrap();
    assert_eq!(workloads.count(), 1);

    wfm.restart();
    wfm.assign(&deployment(2));
    wfm.wait_for_status(&deployment(2).id, &DeploymentState::Installed)
        .await;
    agent.wait("both workloads", |status| installed(status) == 2);
    let log = place.log();
    assert!(log.contains("the fleet manager answers again"), "{log}");
    assert_eq!(agent.terminate(), Some(0));
}

#[test]
fn an_unreachable_fleet_manager_is_said_once() {
    let place = Place::alone();
    let mut agent = place.start();
    let status = agent.wait("three failures", |status| {
        status["consecutiveFailures"].as_u64() >= Some(3)
    });
    assert_eq!(status["contact"], "failing");
    let reason = status["lastError"].as_str().unwrap();
    assert!(reason.contains("https://127.0.0.1:1"), "{reason}");
    let text = place.stdout(&["status"]);
    assert!(text.contains(reason), "{text}");
    assert_eq!(agent.terminate(), Some(0));
    let log = place.log();
    assert_eq!(log.matches("was not polled").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_said_and_its_renewal_taken_up() {
    let (wfm, place) = fleet().await;
    let mut agent = place.start();
    agent.wait("a manifest", |status| status["manifest"].is_u64());
    assert_eq!(agent.terminate(), Some(0));
    let asked = wfm.requests().len();

    place.provision(Lifetime::expired());
    let mut agent = place.start();
    let status = agent.wait("a failure", |status| status["lastError"].is_string());
    let reason = status["lastError"].as_str().unwrap();
    assert!(reason.contains("expired"), "{reason}");
    assert_eq!(wfm.requests().len(), asked);
    place.provision(Lifetime::default());
    agent.wait("contact", |status| status["contact"] == "online");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_capabilities_are_reported_and_wrong_ones_change_nothing() {
    let (wfm, place) = fleet().await;
    let mut agent = place.start();
    agent.wait("contact", |status| status["contact"] == "online");
    place.change("capabilities.json", "\"cores\": 2.0", "\"cores\": \"two\"");
    while !place.log().contains("the capabilities stay as they were") {
        agent.wait("the agent", |_| true);
    }
    place.change("capabilities.json", "\"cores\": \"two\"", "\"cores\": 8.0");
    let cores = || {
        let devices = wfm.devices();
        let device = devices.values().next().unwrap();
        device.properties.cpus.as_ref().unwrap()[0].cores
    };
    agent.wait("the report", |_| (cores() - 8.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decommissioned_device_is_taken_back() {
    let (wfm, place) = fleet().await;
    let text = place.stdout(&["decommission"]);
    assert!(text.contains("nothing to do"), "{text}");

    let mut agent = place.start();
    agent.wait("contact", |status| status["contact"] == "online");
    assert_eq!(wfm.devices().len(), 1);
    let (code, message) = place.failure(&["decommission"]);
    assert_eq!(code, 69, "{message}");
    assert!(message.contains("stop that agent"), "{message}");
    assert_eq!(agent.terminate(), Some(0));

    wfm.fail_next(Operation::RemoveDevice, 1, Answer::problem(503));
    let (code, message) = place.failure(&["decommission"]);
    assert_eq!(code, 69, "{message}");
    assert!(message.contains(&wfm.url()), "{message}");
    let text = place.stdout(&["decommission"]);
    assert!(text.contains("gone"), "{text}");
    let last = wfm.requests_for(Operation::RemoveDevice).pop().unwrap();
    assert_eq!(last.method, http::Method::DELETE);
    assert!(last.path.ends_with("/panel"), "{}", last.path);
    assert!(wfm.devices().is_empty());
}
