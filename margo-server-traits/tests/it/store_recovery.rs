//! A store that has forgotten what devices know.

use std::path::Path;
use std::sync::Arc;

use margo_server_traits::store::{MemoryStore, Store};
use margo_server_traits::{Caller, DesiredState, StatusSink, StoreFleet, Verified};
use margo_types::Digest;
use margo_types::etag::EntityTag;
use margo_types::manifest::StateManifest;
use margo_types::status::DeploymentState;

use crate::deployments::{client, deployment, manifest};
use crate::store_fleet::{caller, report};

/// A device that does what the specification demands: it refuses every version that is not above its own.
struct Device {
    caller: Verified<Caller>,
    held: Option<(u64, Digest)>,
}

#[derive(Debug, PartialEq)]
enum Poll {
    Unchanged,
    Accepted(u64),
    Refused(u64),
}

impl Device {
    fn new(name: &str) -> Self {
        Self {
            caller: caller(name),
            held: None,
        }
    }

    /// Polls as the service has it.
    async fn poll(&mut self, fleet: &StoreFleet) -> Poll {
        if let Some((_, digest)) = self.held {
            if fleet.manifest_digest(&self.caller).await.unwrap() == digest {
                return Poll::Unchanged;
            }
            let tag = EntityTag::parse(&digest.to_etag()).unwrap();
            fleet.holds(&self.caller, &tag).await.unwrap();
        }
        let bytes = fleet.manifest(&self.caller).await.unwrap();
        let manifest = margo_types::read::<StateManifest>(&bytes).unwrap();
        let version = manifest.value().manifest_version.get();
        if self.held.is_some_and(|(held, _)| version <= held) {
            return Poll::Refused(version);
        }
        self.held = Some((version, manifest.digest()));
        Poll::Accepted(version)
    }

    /// Polls until it accepts; gives how often it refused and the version it accepted.
    async fn poll_until_accepted(&mut self, fleet: &StoreFleet) -> (usize, u64) {
        for refused in 0..20 {
            match self.poll(fleet).await {
                Poll::Accepted(version) => return (refused, version),
                Poll::Refused(_) => {}
                Poll::Unchanged => panic!("nothing new"),
            }
        }
        panic!("the device refuses for ever");
    }
}

#[cfg(feature = "sqlite")]
async fn open(path: &Path) -> (Arc<margo_server_traits::store::SqliteStore>, StoreFleet) {
    let store = margo_server_traits::store::SqliteStore::open(path).await;
    let store = Arc::new(store.unwrap());
    (store.clone(), StoreFleet::new(store))
}

/// Publishes `count` times, and the device accepts each.
async fn publish(fleet: &StoreFleet, device: &mut Device, count: u64) {
    let owner = device.caller.client_id.clone();
    for _ in 0..count {
        let held = device.held.map_or(0, |(version, _)| version);
        let deployments = [deployment(1, &format!("after {held}"))];
        fleet
            .publisher()
            .publish(&owner, &deployments)
            .await
            .unwrap();
        assert_eq!(device.poll(fleet).await, Poll::Accepted(held + 1));
        assert_eq!(device.poll(fleet).await, Poll::Unchanged);
    }
}

/// A device that has accepted version `3 + lost`, and a fleet manager over a backup of version 3.
#[cfg(feature = "sqlite")]
async fn restored(path: &Path, lost: u64) -> (StoreFleet, Arc<dyn Store>, Device) {
    let backup = path.with_extension("backup");
    let mut device = Device::new("press-1");
    let (store, fleet) = open(path).await;
    publish(&fleet, &mut device, 3).await;
    store.close().await;
    drop((store, fleet));
    std::fs::copy(path, &backup).unwrap();

    let (store, fleet) = open(path).await;
    publish(&fleet, &mut device, lost).await;
    store.close().await;
    drop((store, fleet));
    std::fs::copy(&backup, path).unwrap();

    let (store, fleet) = open(path).await;
    let head = store.head(&device.caller.client_id).await.unwrap().unwrap();
    assert_eq!(head.version.get(), 3, "the backup is in place");
    (fleet, store, device)
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_device_accepts_again_soon_after_a_backup_was_restored() {
    for (lost, most_refusals) in [(1, 0), (15, 0), (17, 1), (40, 1)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet.db");
        let (fleet, store, mut device) = restored(&path, lost).await;
        let (refusals, version) = device.poll_until_accepted(&fleet).await;
        assert!(
            refusals <= most_refusals,
            "{lost} lost, {refusals} refusals"
        );
        assert!(version > 3 + lost);
        // It is the backup's desired state, and from here on all is as always.
        let (_, manifest) = manifest(&*store, &client("press-1")).await;
        assert_eq!(manifest.deployments.len(), 1);
        publish(&fleet, &mut device, 2).await;
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_version_that_was_lost_and_used_again_is_not_accepted_with_other_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let (fleet, _, mut device) = restored(&path, 1).await;
    // The device holds version 4; so does the store by now, but another one.
    let other = [deployment(1, "something else")];
    let head = fleet
        .publisher()
        .publish(&client("press-1"), &other)
        .await
        .unwrap();
    assert_eq!(head.version.get(), 4);
    assert_eq!(device.poll(&fleet).await, Poll::Accepted(20));
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_reported_version_tells_how_much_was_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let (fleet, store, mut device) = restored(&path, 30).await;
    let installed = report(1, 33, DeploymentState::Installed);
    fleet.report(&device.caller, installed).await.unwrap();
    assert_eq!(device.poll(&fleet).await, Poll::Accepted(34));
    let statuses = store.statuses(Some(&client("press-1"))).await.unwrap();
    let findings = statuses[0].findings.join("\n");
    assert!(
        findings.contains("33") && findings.contains('3'),
        "{findings}"
    );
}

#[tokio::test]
async fn a_lost_store_does_not_make_devices_remove_everything() {
    let old = StoreFleet::new(Arc::new(MemoryStore::new()));
    let mut device = Device::new("press-1");
    publish(&old, &mut device, 5).await;

    let store = Arc::new(MemoryStore::new());
    let fleet = StoreFleet::new(store.clone());
    for _ in 0..40 {
        assert_eq!(device.poll(&fleet).await, Poll::Refused(1));
    }
    let adopted = report(1, 5, DeploymentState::Installed);
    assert_eq!(fleet.report(&device.caller, adopted).await.unwrap(), None);
    assert_eq!(device.poll(&fleet).await, Poll::Refused(1));
    // As soon as the operator says what should run, the device follows.
    let wanted = [deployment(1, "again")];
    fleet
        .publisher()
        .publish(&client("press-1"), &wanted)
        .await
        .unwrap();
    let (refusals, _) = device.poll_until_accepted(&fleet).await;
    assert_eq!(refusals, 0);
}

#[tokio::test]
async fn a_client_that_lies_harms_only_itself_and_little() {
    let store = Arc::new(MemoryStore::new());
    let fleet = StoreFleet::new(store.clone());
    let (liar, neighbour) = (caller("liar"), client("neighbour"));
    for owner in [&liar.client_id, &neighbour] {
        let wanted = [deployment(1, "a")];
        fleet.publisher().publish(owner, &wanted).await.unwrap();
    }
    let version = async || {
        let head = store.head(&liar.client_id).await.unwrap().unwrap();
        head.version.get()
    };
    // What was never ours says nothing.
    let digest = Digest::of(b"never published");
    for tag in [
        format!("W/\"{digest}\""),
        "\"opaque\"".to_owned(),
        "\"\"".to_owned(),
    ] {
        let tag = EntityTag::parse(&tag).unwrap();
        fleet.holds(&liar, &tag).await.unwrap();
        assert_eq!(version().await, 1, "{tag:?}");
    }
    // Absurd versions are recorded and ignored.
    for adopted in [u64::MAX, u64::MAX - 1, 1 << 53, 1 + (1 << 24)] {
        let lie = report(1, adopted, DeploymentState::Installed);
        fleet.report(&liar, lie).await.unwrap();
        assert_eq!(version().await, 1, "{adopted}");
        let statuses = store.statuses(Some(&liar.client_id)).await.unwrap();
        let findings = statuses[0].findings.join("\n");
        assert!(findings.contains(&adopted.to_string()), "{findings}");
    }
    // Not served in between, a client cannot have refused anything.
    for number in 0..5_u8 {
        let tag = EntityTag::parse(&Digest::of(&[number]).to_etag()).unwrap();
        fleet.holds(&liar, &tag).await.unwrap();
    }
    assert_eq!(version().await, 17);
    for number in 0..200_u8 {
        let tag = EntityTag::parse(&Digest::of(&[number]).to_etag()).unwrap();
        fleet.holds(&liar, &tag).await.unwrap();
        fleet.manifest(&liar).await.unwrap();
    }
    let most = 1 + 16 + 256 + 4096 + 13 * 65536;
    assert_eq!(version().await, most, "16 leaps and no more");
    let lie = report(1, most + 100, DeploymentState::Failed);
    fleet.report(&liar, lie).await.unwrap();
    assert_eq!(version().await, most);
    let untouched = store.head(&neighbour).await.unwrap().unwrap();
    assert_eq!(untouched.version.get(), 1);
    // It can still be managed.
    let before = version().await;
    fleet
        .publisher()
        .publish(&liar.client_id, &[])
        .await
        .unwrap();
    assert_eq!(version().await, before + 1);
}
