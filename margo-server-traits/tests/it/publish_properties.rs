//! Whatever is changed in whatever order.

use std::collections::BTreeMap;
use std::sync::Arc;

use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::store::{MemoryStore, Store};
use margo_types::id::DeploymentId;
use margo_types::manifest::{ManifestVersion, StateManifest};
use proptest::prelude::*;

use crate::deployments::{assert_retrievable, client, deployment, id, manifest};

#[derive(Clone, Debug)]
enum Change {
    Put(u8, u8),
    Remove(u8),
    Raise(u64),
    Ask,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0..4_u8, 0..3_u8).prop_map(|(number, greeting)| Change::Put(number, greeting)),
        3 => (0..4_u8).prop_map(Change::Remove),
        1 => (0..40_u64).prop_map(Change::Raise),
        1 => Just(Change::Ask),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_sequence_of_changes_is_published_well(
        changes in proptest::collection::vec(change(), 1..14),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(publishes_well(Arc::new(MemoryStore::new()), changes));
    }
}

#[cfg(feature = "sqlite")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn every_sequence_of_changes_is_published_well_in_a_file(
        changes in proptest::collection::vec(change(), 1..14),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet.db");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let store = margo_server_traits::store::SqliteStore::open(&path).await.unwrap();
            publishes_well(Arc::new(store), changes).await;
        });
    }
}

async fn publishes_well(store: Arc<dyn Store>, changes: Vec<Change>) {
    let publisher = Publisher::new(store.clone());
    let owner = client("press-1");
    let mut wanted: BTreeMap<DeploymentId, String> = BTreeMap::new();
    let mut seen: Vec<StateManifest> = Vec::new();
    for change in changes {
        let before = (store.head(&owner).await.unwrap(), wanted.clone());
        match change {
            Change::Put(number, greeting) => {
                let greeting = greeting.to_string();
                let put = publisher.change(&owner, |deployments| {
                    deployments.insert(id(number), deployment(number, &greeting));
                    Ok::<_, PublishError>(())
                });
                put.await.unwrap();
                wanted.insert(id(number), greeting);
            }
            Change::Remove(number) => {
                let remove = publisher.change(&owner, |deployments| {
                    deployments.remove(&id(number));
                    Ok::<_, PublishError>(())
                });
                remove.await.unwrap();
                wanted.remove(&id(number));
            }
            Change::Raise(by) => {
                let version = before.0.map_or(1, |head| head.version.get()) + by;
                let version = ManifestVersion::new(version).unwrap();
                let head = publisher.raise(&owner, version).await.unwrap();
                assert_eq!(head.version, version);
            }
            Change::Ask => {
                publisher.head(&owner).await.unwrap();
            }
        }
        let (_, now) = manifest(&*store, &owner).await;
        let ids: Vec<_> = now.deployments.iter().map(|it| it.deployment_id).collect();
        assert_eq!(ids, wanted.keys().copied().collect::<Vec<_>>());
        match seen.last() {
            None if !matches!(change, Change::Raise(_)) => {
                assert_eq!(now.manifest_version, ManifestVersion::FIRST);
            }
            Some(last) if now.manifest_version == last.manifest_version => {
                assert_eq!((&now, &wanted), (last, &before.1), "nothing changed");
                continue;
            }
            Some(last) => {
                assert!(now.manifest_version > last.manifest_version);
                if !matches!(change, Change::Raise(_)) {
                    assert_eq!(Some(now.manifest_version), last.manifest_version.next());
                    assert_ne!(wanted, before.1, "published without a change");
                }
                let kept = wanted
                    .iter()
                    .filter(|(id, it)| before.1.get(id) == Some(it));
                for (id, _) in kept {
                    assert_eq!(
                        now.deployment(id),
                        last.deployment(id),
                        "{id} did not change"
                    );
                }
            }
            None => {}
        }
        seen.push(now);
        for manifest in &seen {
            assert_retrievable(&*store, &owner, manifest).await;
        }
    }
}
