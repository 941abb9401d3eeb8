//! Gateways, what they report, and where deployments go.

use std::sync::Arc;

use margo_client::agent::AgentBuilder;
use margo_client::gateway::Device;
use margo_providers::Provider;
use margo_types::status::DeploymentState;

use super::promises::only_for;
use super::rig::{Rig, Running, deployment_for, gateway, host, id};

pub(super) fn see_thru(rig: &Rig) -> AgentBuilder {
    let machine = || [rig.machine.clone() as Arc<dyn Provider>];
    let none: [Arc<dyn Provider>; 0] = [];
    let mut other = host("gw/b");
    "Other".clone_into(&mut other.properties.vendor);
    margo_client::Agent::builder(rig.wfm.clone(), Arc::clone(&rig.state))
        .clock(rig.clock.clone())
        .device(gateway("gw"), none)
        .child(host("gw/a"), machine())
        .child(other, machine())
}

#[tokio::test(start_paused = true)]
async fn a_see_thru_gateway_reports_itself_first_and_routes_to_its_children() {
    let rig = Rig::new();
    rig.wfm.publish(
        1,
        &[
            deployment_for("gw/b", 1, "1.0"),
            deployment_for("gw/*", 2, "1.0"),
            only_for(deployment_for("gw/*", 3, "1.0"), "Other"),
            deployment_for("gw/nobody", 4, "1.0"),
            only_for(deployment_for("gw/*", 5, "1.0"), "Nobody"),
            deployment_for("gw", 6, "1.0"),
        ],
    );
    let agent = Running::start(see_thru(&rig)).await;
    let settled = [DeploymentState::Installed, DeploymentState::Failed];
    let snapshot = agent
        .until("settled", |it| {
            let views = it.deployments.values();
            it.outbox == 0
                && views.len() == 6
                && views.clone().all(|it| settled.contains(&it.state))
        })
        .await;
    let device = |number| {
        snapshot.deployments[&id(number)]
            .device
            .as_ref()
            .map(ToString::to_string)
    };
    assert_eq!(device(1).as_deref(), Some("gw/b"));
    assert_eq!(device(2).as_deref(), Some("gw/a"));
    assert_eq!(device(3).as_deref(), Some("gw/b"));

    let log = rig.log.all();
    let told: Vec<_> = log
        .iter()
        .filter(|it| it.starts_with("api capabilities"))
        .collect();
    assert_eq!(
        told,
        [
            "api capabilities gw",
            "api capabilities gw/a",
            "api capabilities gw/b"
        ]
    );
    let script = rig.wfm.script();
    let last = |number| {
        script
            .statuses
            .iter()
            .rfind(|it| it.deployment_id == id(number))
            .unwrap()
    };
    for (number, device) in [(1, "gw/b"), (2, "gw/a"), (4, "gw/nobody"), (5, "gw")] {
        assert_eq!(
            last(number).device_id.as_ref().unwrap().as_str(),
            device,
            "{number}"
        );
    }
    for (number, code) in [(4, "101"), (5, "INELIGIBLE"), (6, "NO_PROVIDER")] {
        let error = last(number).status.error.as_ref().unwrap();
        assert_eq!((error.code.as_str(), error.source.as_str()), (code, "gw"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_gone_is_taken_back_and_what_is_placed_stays() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment_for("gw/*", 1, "1.0")]);
    let agent = Running::start(see_thru(&rig)).await;
    agent.until_installed(&[id(1)]).await;
    rig.wfm.publish(2, &[deployment_for("gw/*", 1, "2.0")]);
    agent
        .until("updated in place", |it| {
            it.outbox == 0 && rig.machine.runs(id(1)).as_deref() == Some("2.0")
        })
        .await;
    agent
        .handle
        .disconnect_child(&"gw/b".parse().unwrap())
        .unwrap();
    agent
        .until("taken back", |_| {
            rig.log.count("api remove-device gw/b") == 1
        })
        .await;
    assert_eq!(
        agent.handle.snapshot().deployments[&id(1)]
            .device
            .as_ref()
            .unwrap()
            .as_str(),
        "gw/a"
    );
    assert_eq!(rig.log.count("remove"), 0);
    agent.kill().await;

    let before = rig.log.all().len();
    let none: [Arc<dyn Provider>; 0] = [];
    let builder = margo_client::Agent::builder(rig.wfm.clone(), Arc::clone(&rig.state));
    let agent = builder.device(gateway("gw"), none).build().await.unwrap();
    agent.decommission().await.unwrap();
    let removed = ["api remove-device gw/a", "api remove-device gw"];
    assert_eq!(rig.log.all()[before..], removed);
}

#[tokio::test(start_paused = true)]
async fn an_opaque_gateway_looks_like_one_device() {
    let rig = Rig::new();
    let none: [Arc<dyn Provider>; 0] = [];
    let machine = || [rig.machine.clone() as Arc<dyn Provider>];
    rig.wfm.publish(
        1,
        &[
            deployment_for("gw", 1, "1.0"),
            deployment_for("gw/left", 2, "1.0"),
        ],
    );
    let agent = margo_client::Agent::builder(rig.wfm.clone(), Arc::clone(&rig.state))
        .clock(rig.clock.clone())
        .device(gateway("gw"), none)
        .member(host("left"), machine())
        .member(host("right"), machine());
    let agent = Running::start(agent).await;
    agent
        .until("settled", |it| {
            it.outbox == 0
                && rig.machine.runs(id(1)).is_some()
                && rig.wfm.states(id(2)) == ["failed"]
        })
        .await;
    let script = rig.wfm.script();
    assert_eq!(script.devices.len(), 1);
    let properties = &script.devices[0].properties;
    assert_eq!(properties.id.as_str(), "gw");
    assert_eq!(properties.cpus.as_ref().unwrap().len(), 2);
    assert_eq!(properties.memory, Some("16Gi".parse().unwrap()));
    assert_eq!(properties.supported_runtimes.as_ref().unwrap().len(), 1);
    assert!(script.statuses.iter().all(|it| it.device_id.is_none()));
    let error = script
        .statuses
        .iter()
        .find_map(|it| it.status.error.as_ref())
        .unwrap();
    assert_eq!(error.code, "WRONG_DEVICE");
}

#[tokio::test(start_paused = true)]
async fn changed_capabilities_are_told_and_refused_deployments_looked_at_again() {
    let rig = Rig::new();
    rig.wfm
        .publish(1, &[only_for(deployment_for("edge", 1, "1.0"), "Other")]);
    let agent = rig.start().await;
    agent
        .until("refused", |it| {
            it.outbox == 0 && rig.wfm.states(id(1)) == ["failed"]
        })
        .await;
    let mut capabilities = host("edge");
    capabilities.properties.vendor = "Other".to_owned();
    agent.handle.set_capabilities(capabilities).unwrap();
    agent.until_installed(&[id(1)]).await;
    agent
        .until("told", |_| rig.wfm.script().devices.len() == 2)
        .await;

    let stray = Device::new(host("elsewhere"), vec![]);
    assert!(agent.handle.connect_child(stray).is_err());
}
