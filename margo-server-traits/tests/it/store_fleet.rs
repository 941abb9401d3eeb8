//! A fleet manager over a store.

use std::sync::Arc;

use jiff::Timestamp;
use margo_server_traits::store::{ClientRecord, MemoryStore, Store};
use margo_server_traits::{
    Admission, Caller, Capabilities, ClientPolicy, DesiredState, FleetError, Received, StatusSink,
    StoreFleet, Stored, Verified,
};
use margo_types::capabilities::DeviceCapabilities;
use margo_types::id::{DeviceId, SpiffeId};
use margo_types::manifest::ManifestVersion;
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus};
use margo_types::svid::danger::assume_verified;
use margo_types::{Report, SpecVersion};

use crate::deployments::{client, deployment, id, manifest};

/// The caller with this client id.
pub(crate) fn caller(name: &str) -> Verified<Caller> {
    let own = SpiffeId::parse("spiffe://factory.example/margo/wfm/plant-1").unwrap();
    let peer = SpiffeId::parse(&format!("{own}/client/{name}")).unwrap();
    Verified::of_svid(&own, &assume_verified(peer, Timestamp::MAX)).unwrap()
}

/// A report of this state, as the service hands it on.
pub(crate) fn report(
    number: u8,
    version: u64,
    state: DeploymentState,
) -> Received<DeploymentStatus> {
    let component = ComponentStatus::new("hello".parse().unwrap(), state);
    let version = ManifestVersion::new(version).unwrap();
    received(&DeploymentStatus::new(id(number), version, vec![component]))
}

fn received(status: &DeploymentStatus) -> Received<DeploymentStatus> {
    let bytes = margo_types::write(status, SpecVersion::NEWEST).unwrap();
    Received::new(margo_types::read(&bytes).unwrap(), Report::default())
}

fn capabilities(id: &str, vendor: &str) -> Received<DeviceCapabilities> {
    let text = format!(
        r#"{{"properties":{{"id":"{id}","vendor":"{vendor}","modelNumber":"G1","serialNumber":"1"}}}}"#
    );
    Received::new(
        margo_types::read(text.as_bytes()).unwrap(),
        Report::default(),
    )
}

fn fleet() -> (Arc<MemoryStore>, StoreFleet) {
    let store = Arc::new(MemoryStore::new());
    (store.clone(), StoreFleet::new(store))
}

#[tokio::test]
async fn only_accepted_clients_are_served() {
    let (store, fleet) = fleet();
    let press = caller("press-1");
    assert!(matches!(
        fleet.admit(&press).await.unwrap(),
        Admission::Refused { .. }
    ));
    for accepted in [true, false] {
        let record = ClientRecord::new(client("press-1"), accepted);
        store.put_client(&record).await.unwrap();
        let admission = fleet.admit(&press).await.unwrap();
        assert_eq!(admission == Admission::Admitted, accepted);
    }
    let fleet = fleet.accept_namespace();
    let admission = fleet.admit(&press).await.unwrap();
    assert_ne!(
        admission,
        Admission::Admitted,
        "a record can still refuse it"
    );
    let admission = fleet.admit(&caller("press-2")).await.unwrap();
    assert_eq!(admission, Admission::Admitted);
}

#[tokio::test]
async fn capabilities_are_replaced_and_go_with_their_gateway() {
    let (store, fleet) = fleet();
    let press = caller("press-1");
    let device = |id: &str| DeviceId::parse(id).unwrap();
    let is_known = async |name, id: &DeviceId| {
        let record = store.device(&client(name), id).await.unwrap();
        record.is_some()
    };
    for id in ["gw", "gw/a", "gw-2"] {
        let id = device(id);
        let stored = fleet.put(&press, &id, capabilities(id.as_str(), "Northwind"));
        assert_eq!(stored.await.unwrap(), Some(Stored::Created));
        assert!(is_known("press-1", &id).await);
        assert!(!is_known("press-2", &id).await);
    }
    let gateway = device("gw");
    let stored = fleet.put(&press, &gateway, capabilities("gw", "Southwind"));
    assert_eq!(stored.await.unwrap(), Some(Stored::Updated));
    let record = store.device(&client("press-1"), &device("gw")).await;
    let record = record.unwrap().unwrap();
    assert_eq!(
        &record.capabilities[..],
        &capabilities("gw", "Southwind").document.bytes()[..]
    );

    assert!(
        !fleet
            .remove(&caller("press-2"), &device("gw"))
            .await
            .unwrap()
    );
    assert!(fleet.remove(&press, &device("gw")).await.unwrap());
    assert!(!fleet.remove(&press, &device("gw")).await.unwrap());
    assert!(!is_known("press-1", &device("gw/a")).await);
    assert!(is_known("press-1", &device("gw-2")).await);
    let orphan = device("gw/a");
    let stored = fleet.put(&press, &orphan, capabilities("gw/a", "Northwind"));
    assert_eq!(stored.await.unwrap(), None);
}

#[tokio::test]
async fn a_client_reports_only_so_many_devices() {
    for limit in [None, Some(3)] {
        let (_, fleet) = fleet();
        let fleet = match limit {
            None => fleet,
            Some(limit) => fleet.max_devices(limit),
        };
        let press = caller("press-1");
        let put = async |number| {
            let id = format!("edge-{number}");
            let reported = capabilities(&id, "Northwind");
            fleet
                .put(&press, &DeviceId::parse(&id).unwrap(), reported)
                .await
        };
        for number in 0..limit.unwrap_or(1000) {
            assert_eq!(put(number).await.unwrap(), Some(Stored::Created));
        }
        match put(1000).await.unwrap_err() {
            FleetError::Refused(reason) => assert!(reason.contains("remove those"), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(put(0).await.unwrap(), Some(Stored::Updated));
        let first = DeviceId::parse("edge-0").unwrap();
        assert!(fleet.remove(&press, &first).await.unwrap());
        assert_eq!(put(1000).await.unwrap(), Some(Stored::Created));
    }
}

#[tokio::test]
async fn a_client_is_served_what_was_published_for_it_and_nothing_else() {
    let (store, fleet) = fleet();
    let (press, other) = (caller("press-1"), caller("press-2"));
    let deployments = [deployment(1, "a")];
    let head = fleet
        .publisher()
        .publish(&client("press-1"), &deployments)
        .await
        .unwrap();
    assert_eq!(fleet.manifest_digest(&press).await.unwrap(), head.digest);
    let (bytes, manifest) = manifest(&*store, &client("press-1")).await;
    assert_eq!(fleet.manifest(&press).await.unwrap(), bytes);
    let bundle = manifest.bundle.unwrap().digest;
    let document = manifest.deployments[0].digest;
    assert!(fleet.bundle(&press, &bundle).await.unwrap().is_some());
    assert!(
        fleet
            .deployment(&press, &id(1), &document)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        fleet
            .deployment(&press, &id(2), &document)
            .await
            .unwrap()
            .is_none()
    );

    assert!(fleet.bundle(&other, &bundle).await.unwrap().is_none());
    assert!(
        fleet
            .deployment(&other, &id(1), &document)
            .await
            .unwrap()
            .is_none()
    );
    let nothing = fleet.manifest(&other).await.unwrap();
    assert_eq!(
        nothing,
        r#"{"bundle":null,"deployments":[],"manifestVersion":1}"#
    );
}

#[tokio::test]
async fn reports_on_deployments_of_the_client_are_kept() {
    let (store, fleet) = fleet();
    let (press, other) = (caller("press-1"), caller("press-2"));
    let owner = client("press-1");
    let publisher = fleet.publisher();
    publisher
        .publish(&owner, &[deployment(1, "a")])
        .await
        .unwrap();
    let installed = || report(1, 1, DeploymentState::Installed);
    assert_eq!(fleet.report(&other, installed()).await.unwrap(), None);
    let unknown = report(2, 1, DeploymentState::Installed);
    assert_eq!(fleet.report(&press, unknown).await.unwrap(), None);
    assert_eq!(
        fleet.report(&press, installed()).await.unwrap(),
        Some(Stored::Created)
    );
    assert_eq!(
        fleet.report(&press, installed()).await.unwrap(),
        Some(Stored::Updated)
    );
    let latest = store.statuses(Some(&owner)).await.unwrap();
    assert_eq!(latest.len(), 1);
    assert_eq!(
        (&latest[0].state, &latest[0].findings[..]),
        (&DeploymentState::Installed, &[][..])
    );

    // Taken out, and still to be reported on.
    publisher.publish(&owner, &[]).await.unwrap();
    for state in [
        DeploymentState::Removing,
        DeploymentState::Removed,
        DeploymentState::Removed,
    ] {
        let taken = fleet.report(&press, report(1, 2, state)).await.unwrap();
        assert_eq!(taken, Some(Stored::Updated));
    }
    store.prune(Timestamp::MAX).await.unwrap();
    let taken = fleet
        .report(&press, report(1, 2, DeploymentState::Removed))
        .await;
    assert_eq!(taken.unwrap(), None, "removed and forgotten");
}

#[tokio::test]
async fn what_is_odd_about_a_report_is_recorded() {
    let (store, fleet) = fleet();
    let owner = client("press-1");
    fleet
        .publisher()
        .publish(&owner, &[deployment(1, "a")])
        .await
        .unwrap();
    let component = ComponentStatus::new("goodbye".parse().unwrap(), DeploymentState::Failed);
    let status = DeploymentStatus::new(id(1), ManifestVersion::FIRST, vec![component]);
    let taken = fleet.report(&caller("press-1"), received(&status)).await;
    assert_eq!(taken.unwrap(), Some(Stored::Created));
    let latest = store.statuses(Some(&owner)).await.unwrap();
    let findings = latest[0].findings.join("\n");
    assert!(
        findings.contains("goodbye") && findings.contains("hello"),
        "{findings}"
    );
}
