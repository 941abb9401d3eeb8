//! The life of a deployment on one device, from the fleet manager's store to the engine and back.

use margo_client::Agent;
use margo_client::agent::Contact;
use margo_types::status::DeploymentState;

use super::files::Plant;
use super::fleet_manager::FleetManager;
use super::station::{at_level, component, deployment, host, id, of_vendor, only_for};

#[tokio::test]
async fn a_deployment_is_installed_updated_reconfigured_and_removed() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let station = plant.station("line-1");
    let agent = station.start(&wfm.url()).await;
    agent
        .until("online", |it| it.contact == Contact::Online)
        .await;

    let steps = [
        (deployment(1, "1.0"), "1.0"),
        (deployment(1, "2.0"), "2.0"),
        (at_level(deployment(1, "2.0"), "7"), "2.0 at 7"),
        (at_level(deployment(1, "2.0"), "8"), "2.0 at 8"),
    ];
    for (wanted, running) in steps {
        let version = wfm.publish("line-1", &[wanted]).await;
        let accepted = agent.until("accepted", |it| {
            it.manifest.is_some_and(|it| it.get() == version)
        });
        accepted.await;
        agent.until_installed(&[1]).await;
        assert_eq!(station.machine.runs(1).as_deref(), Some(running));
        let report = wfm
            .until_reported("line-1", 1, &DeploymentState::Installed)
            .await;
        assert_eq!(report.adopted_manifest_version.unwrap().get(), version);
        assert_eq!(report.components[0].name, component());
        assert_eq!(report.device_id, None, "a device does not name itself");
        if running == "1.0" {
            station.machine.engine.set_data(id(1), "since 1.0").unwrap();
        }
        let data = station.machine.engine.data(id(1));
        assert_eq!(data.as_deref(), Some("since 1.0"), "updates keep data");
    }
    assert_eq!(station.journal.count("remove "), 0, "updates are in place");

    wfm.publish("line-1", &[]).await;
    wfm.until_reported("line-1", 1, &DeploymentState::Removed)
        .await;
    agent.until_installed(&[]).await;
    assert_eq!(station.machine.runs(1), None);
    assert_eq!(station.machine.engine.data(id(1)), None);

    let states: Vec<_> = wfm.reports("line-1", 1).await;
    let states: Vec<_> = states.iter().map(|it| it.status.state.as_str()).collect();
    let outcomes = states.iter().filter(|it| **it == "installed").count();
    assert_eq!(outcomes, 4, "{states:?}");
    let failures = agent.handle.snapshot();
    assert_eq!((failures.refused_reports, failures.security_events), (0, 0));
}

#[tokio::test]
async fn changed_capabilities_are_told_again_and_open_what_was_refused() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let station = plant.station("line-1");
    wfm.publish("line-1", &[only_for(deployment(1, "1.0"), "Other")])
        .await;
    let agent = station.start(&wfm.url()).await;
    let refused = wfm
        .until_reported("line-1", 1, &DeploymentState::Failed)
        .await;
    assert_eq!(refused.status.error.unwrap().code, "INELIGIBLE");
    assert_eq!(wfm.devices("line-1").await[0].properties.vendor, "ACME");

    let changed = of_vendor(host("edge"), "Other");
    agent.handle.set_capabilities(changed).unwrap();
    wfm.until_reported("line-1", 1, &DeploymentState::Installed)
        .await;
    agent.until_polled(1).await;
    assert_eq!(wfm.devices("line-1").await[0].properties.vendor, "Other");
}

#[tokio::test]
async fn a_decommissioned_device_is_known_no_more() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let station = plant.station("line-1");
    wfm.publish("line-1", &[deployment(1, "1.0")]).await;
    let agent = station.start(&wfm.url()).await;
    agent.until_installed(&[1]).await;
    wfm.until_devices("line-1", &["edge"]).await;
    agent.kill().await;

    let (builder, _) = station.agent(&wfm.url()).await;
    let agent: Agent = builder.build().await.unwrap();
    agent.decommission().await.unwrap();
    assert!(wfm.devices("line-1").await.is_empty());
    agent.decommission().await.unwrap();
    drop(agent);
    assert_eq!(
        station.machine.runs(1).as_deref(),
        Some("1.0"),
        "workloads stay"
    );

    // Taken into service again it is a new device.
    let agent = station.start(&wfm.url()).await;
    wfm.until_devices("line-1", &["edge"]).await;
    agent.until_installed(&[1]).await;
}
