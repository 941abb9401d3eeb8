//! Gateways and what is behind them, over the real fleet manager.

use std::sync::Arc;

use margo_providers::Provider;
use margo_types::id::DeviceId;
use margo_types::status::{DeploymentState, DeploymentStatus};

use super::files::Plant;
use super::fleet_manager::FleetManager;
use super::station::{
    Machine, Running, Station, deployment_for, gateway, host, of_vendor, only_for,
};

#[tokio::test]
async fn a_see_thru_gateway_comes_before_its_children_and_routes_to_them() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let site = SeeThru::new(&plant);
    wfm.publish(
        "site",
        &[
            deployment_for("gw/a", 1, "1.0"),
            deployment_for("gw/b", 2, "1.0"),
            only_for(deployment_for("gw/*", 3, "1.0"), "Other"),
            deployment_for("gw/nobody", 4, "1.0"),
        ],
    )
    .await;
    let agent = site.start(&wfm).await;
    for (number, device) in [(1, "gw/a"), (2, "gw/b"), (3, "gw/b")] {
        let report = wfm
            .until_reported("site", number, &DeploymentState::Installed)
            .await;
        assert_eq!(device_of(&report), Some(device));
    }
    assert_eq!(site.a.runs(1).as_deref(), Some("1.0"));
    assert_eq!(site.b.runs(2).as_deref(), Some("1.0"));
    assert_eq!((site.a.runs(3), site.b.runs(3).is_some()), (None, true));
    let refused = wfm
        .until_reported("site", 4, &DeploymentState::Failed)
        .await;
    assert_eq!(device_of(&refused), Some("gw/nobody"));
    assert_eq!(refused.status.error.unwrap().code, "101");

    wfm.until_devices("site", &["gw", "gw/a", "gw/b"]).await;
    let told = site.told();
    assert_eq!(told, ["gw", "gw/a", "gw/b"], "the gateway first");

    // A child that goes is taken back; the other one goes on.
    let gone: DeviceId = "gw/a".parse().unwrap();
    agent.handle.disconnect_child(&gone).unwrap();
    wfm.until_devices("site", &["gw", "gw/b"]).await;
    assert_eq!(site.b.runs(2).as_deref(), Some("1.0"));
    agent.kill().await;

    let agent = site.start(&wfm).await;
    wfm.until_devices("site", &["gw", "gw/a", "gw/b"]).await;
    agent.kill().await;
    let (builder, _) = site.station.agent(&wfm.url()).await;
    let agent = site.devices(builder).build().await.unwrap();
    agent.decommission().await.unwrap();
    assert!(wfm.devices("site").await.is_empty());
}

#[tokio::test]
async fn a_gateway_that_the_fleet_manager_has_forgotten_introduces_itself_again() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let site = SeeThru::new(&plant);
    let agent = site.start(&wfm).await;
    wfm.until_devices("site", &["gw", "gw/a", "gw/b"]).await;
    forget(&wfm, "gw").await;
    assert!(wfm.devices("site").await.is_empty());

    // A child alone cannot be told: its gateway is not found, so all are told anew.
    let changed = of_vendor(host("gw/a"), "Third");
    agent.handle.set_capabilities(changed).unwrap();
    wfm.until_devices("site", &["gw", "gw/a", "gw/b"]).await;
}

#[tokio::test]
async fn an_opaque_gateway_is_one_device() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let station = plant.station("cell");
    let (left, right) = (
        station.another_machine("left"),
        station.another_machine("right"),
    );
    wfm.publish(
        "cell",
        &[
            deployment_for("gw", 1, "1.0"),
            deployment_for("gw/left", 2, "1.0"),
        ],
    )
    .await;
    let members = |left: &Arc<Machine>, right: &Arc<Machine>| {
        let (left, right) = (provider(left), provider(right));
        move |builder: margo_client::agent::AgentBuilder| {
            builder
                .device(gateway("gw"), NOTHING)
                .member(host("left"), [left])
                .member(host("right"), [right])
        }
    };
    let agent = station.start_with(&wfm.url(), members(&left, &right)).await;
    let installed = wfm
        .until_reported("cell", 1, &DeploymentState::Installed)
        .await;
    assert_eq!(device_of(&installed), None);
    assert_eq!(left.runs(1).as_deref(), Some("1.0"));
    let refused = wfm
        .until_reported("cell", 2, &DeploymentState::Failed)
        .await;
    assert_eq!(refused.status.error.unwrap().code, "WRONG_DEVICE");

    wfm.until_devices("cell", &["gw"]).await;
    let properties = wfm.devices("cell").await.remove(0).properties;
    assert_eq!(properties.memory, Some("16Gi".parse().unwrap()));
    assert_eq!(properties.cpus.unwrap().len(), 2);
    drop(agent);
}

/// A see-thru gateway with two children of different vendors.
struct SeeThru {
    station: Station,
    a: Arc<Machine>,
    b: Arc<Machine>,
}

impl SeeThru {
    fn new(plant: &Plant) -> Self {
        let station = plant.station("site");
        Self {
            a: station.another_machine("a"),
            b: station.another_machine("b"),
            station,
        }
    }

    fn devices(
        &self,
        builder: margo_client::agent::AgentBuilder,
    ) -> margo_client::agent::AgentBuilder {
        builder
            .device(gateway("gw"), NOTHING)
            .child(host("gw/a"), [provider(&self.a)])
            .child(of_vendor(host("gw/b"), "Other"), [provider(&self.b)])
    }

    async fn start(&self, wfm: &FleetManager) -> Running {
        self.station
            .start_with(&wfm.url(), |builder| self.devices(builder))
            .await
    }

    /// The devices whose capabilities were told, in this order.
    fn told(&self) -> Vec<String> {
        let lines = self.station.journal.lines();
        let told = lines
            .iter()
            .filter_map(|it| it.strip_prefix("api capabilities "));
        told.map(ToOwned::to_owned).collect()
    }
}

async fn forget(wfm: &FleetManager, device: &str) {
    use margo_server_traits::store::Store as _;
    let device = device.parse().unwrap();
    let client = super::files::client_id("site");
    assert!(wfm.store.remove_device(&client, &device).await.unwrap());
}

fn provider(machine: &Arc<Machine>) -> Arc<dyn Provider> {
    machine.clone()
}

fn device_of(report: &DeploymentStatus) -> Option<&str> {
    report.device_id.as_ref().map(DeviceId::as_str)
}

const NOTHING: [Arc<dyn Provider>; 0] = [];
