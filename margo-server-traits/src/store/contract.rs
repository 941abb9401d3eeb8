//! The contract every store keeps, as functions to call from tests.
//!
//! [`all`] runs everything on one store, which may hold other things: every check has clients of its own. A store that keeps
//! things durably also calls [`fill`], is closed or killed and opened again, and calls [`is_filled`].
//!
//! ```
//! # use std::sync::Arc;
//! use margo_server_traits::store::{MemoryStore, contract};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(
//! contract::all(Arc::new(MemoryStore::new()))
//! # );
//! ```
//!
//! # Panics
//!
//! Every function, when the store breaks the contract; the message says how.

#![allow(clippy::missing_panics_doc, reason = "said above for all of them")]

mod enrolments;

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::status::DeploymentState;
use margo_types::{Digest, SpecVersion};

pub use self::enrolments::{
    contested_enrolments, enrolments, pending_enrolments, racing_enrolments,
};
use super::{
    ClientRecord, ContentKey, DevicePut, DeviceRecord, HISTORY, Publication, REPORTERS,
    StatusRecord, Store, StoreError,
};
use crate::publish::compile::{self, Audience};

/// Everything but durability.
pub async fn all(store: Arc<dyn Store>) {
    clients(&*store).await;
    replaced_clients(&*store).await;
    enrolments(&*store).await;
    pending_enrolments(&*store).await;
    contested_enrolments(&*store).await;
    racing_enrolments(&store).await;
    devices(&*store).await;
    racing_gateways(&store).await;
    publications(&*store).await;
    generations(&*store).await;
    conflicts(&*store).await;
    high_versions(&*store).await;
    racing_publishers(&store).await;
    ownership(&*store).await;
    statuses(&*store).await;
    retention(&*store).await;
    removed_deployments(&*store).await;
}

/// Clients are kept, changed and listed.
pub async fn clients(store: &dyn Store) {
    let id = client("clients");
    assert_eq!(store.client(&id).await.unwrap(), None);
    assert_eq!(store.standing(&id).await.unwrap(), None);
    let mut record = ClientRecord::new(id.clone(), true);
    record.note = String::from("line 4, \"left\" of the \u{e4}isle");
    for (accepted, generation) in [(true, SpecVersion::Rc3), (false, SpecVersion::Rc1)] {
        record.accepted = accepted;
        record.generation = generation;
        store.put_client(&record).await.unwrap();
        assert_eq!(store.client(&id).await.unwrap().as_ref(), Some(&record));
        let standing = store.standing(&id).await.unwrap();
        assert_eq!(standing, Some(record.standing()));
    }
    let all = store.clients().await.unwrap();
    assert!(all.contains(&record));
    assert!(all.is_sorted_by_key(|record| record.id.clone()));
}

/// A client that is not what somebody has read is not replaced by them.
pub async fn replaced_clients(store: &dyn Store) {
    let id = client("replaced");
    let first = ClientRecord::new(id.clone(), false);
    let second = ClientRecord::new(id.clone(), true);
    let third = second.clone().speaking(SpecVersion::Rc1);
    let replace = async |before: Option<&ClientRecord>, after: &ClientRecord| {
        store.replace_client(before, after).await.unwrap()
    };
    assert!(!replace(Some(&first), &second).await, "there is none");
    assert!(replace(None, &first).await);
    assert!(!replace(None, &second).await);
    assert_eq!(store.client(&id).await.unwrap().as_ref(), Some(&first));
    assert!(replace(Some(&first), &second).await);
    assert!(!replace(Some(&first), &third).await);
    assert!(replace(Some(&second), &third).await);
    assert!(
        !replace(Some(&second), &first).await,
        "only the generation differs"
    );
    assert_eq!(store.client(&id).await.unwrap(), Some(third));
}

/// Devices are replaced as a whole, and go with everything behind them.
pub async fn devices(store: &dyn Store) {
    let owner = client("devices");
    let record = |id: &str, text: &'static str| {
        let bytes = Bytes::from_static(text.as_bytes());
        let mut record = DeviceRecord::new(owner.clone(), device(id), bytes, past(0));
        record.findings = vec!["a finding".to_owned(), "another: \"quoted\"".to_owned()];
        record
    };
    let put = async |id: &str, text: &'static str, limit: usize| {
        store.put_device(&record(id, text), limit).await.unwrap()
    };
    let ids = [
        "gw", "gw/a/b", "gw/a", "gw-2", "gw-2/a", "g_", "g_/a", "GW", "GW/a",
    ];
    assert_eq!(put("gw/a", "new", 99).await, DevicePut::NoGateway);
    let mut of_other = record("gw/a", "new");
    of_other.client = client("devices-2");
    for (count, id) in ids.into_iter().enumerate() {
        assert_eq!(put(id, "old", count).await, DevicePut::TooMany);
        assert_eq!(put(id, "old", count + 1).await, DevicePut::Created);
        assert_eq!(put(id, "new", 0).await, DevicePut::Updated, "it is there");
        assert_eq!(
            store.put_device(&of_other, 99).await.unwrap(),
            DevicePut::NoGateway,
            "the gateway is another client's"
        );
        let found = store.device(&owner, &device(id)).await.unwrap();
        assert_eq!(found, Some(record(id, "new")));
    }
    let remaining = async || -> Vec<String> {
        let devices = store.devices(Some(&owner)).await.unwrap();
        devices.iter().map(|it| it.device.to_string()).collect()
    };
    let mut sorted: Vec<_> = ids.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(remaining().await, sorted);
    assert!(store.devices(None).await.unwrap().len() >= sorted.len());

    assert!(
        !store
            .remove_device(&owner, &device("unknown"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .remove_device(&client("devices-2"), &device("gw"))
            .await
            .unwrap()
    );
    assert!(!store.remove_device(&owner, &device("g")).await.unwrap());
    assert_eq!(remaining().await, sorted);
    assert!(store.remove_device(&owner, &device("gw")).await.unwrap());
    sorted.retain(|id| id != "gw" && !id.starts_with("gw/"));
    assert_eq!(remaining().await, sorted);
}

/// A gateway that goes while a device behind it comes leaves nothing behind.
pub async fn racing_gateways(store: &Arc<dyn Store>) {
    let owner = client("racing-gateways");
    let record = |id| DeviceRecord::new(owner.clone(), device(id), Bytes::new(), past(0));
    for _ in 0..20 {
        store.put_device(&record("gw"), 99).await.unwrap();
        let coming = ["gw/a", "gw/b"].map(|id| {
            let (store, record) = (Arc::clone(store), record(id));
            tokio::spawn(async move { store.put_device(&record, 99).await.unwrap() })
        });
        store.remove_device(&owner, &device("gw")).await.unwrap();
        for coming in coming {
            coming.await.unwrap();
        }
        assert_eq!(store.devices(Some(&owner)).await.unwrap(), []);
    }
}

/// What is published is there at once, and what was published stays.
pub async fn publications(store: &dyn Store) {
    let owner = client("publications");
    assert_eq!(store.head(&owner).await.unwrap(), None);
    assert_eq!(store.manifest(&owner).await.unwrap(), None);
    assert_eq!(store.assigned(&owner).await.unwrap(), []);

    let empty = publication(1, &[]);
    let first = publication(2, &[(1, "one"), (2, "two")]);
    let second = publication(4, &[(2, "two"), (3, "three")]);
    let third = publication(5, &[(1, "one"), (2, "two, changed")]);
    let mut expected = None;
    for published in [&empty, &first, &second, &third] {
        store.publish(&owner, expected, published).await.unwrap();
        expected = Some(published.version);
        assert_eq!(store.head(&owner).await.unwrap(), Some(published.head()));
        let manifest = store.manifest(&owner).await.unwrap();
        assert_eq!(manifest.as_ref(), Some(&published.manifest));
        let assigned = published.deployments.iter();
        let assigned: Vec<_> = assigned
            .map(|(id, _, bytes)| (*id, bytes.clone()))
            .collect();
        assert_eq!(store.assigned(&owner).await.unwrap(), assigned);
    }
    for published in [&empty, &first, &second, &third] {
        let version = store.version_of(&owner, &published.digest).await.unwrap();
        assert_eq!(version, Some(published.version));
        for (key, bytes) in published.contents() {
            let found = store.content(&owner, &key).await.unwrap();
            assert_eq!(found.as_ref(), Some(bytes), "{key:?} stays");
        }
    }
    let unknown = Digest::of(b"unknown");
    assert_eq!(store.version_of(&owner, &unknown).await.unwrap(), None);
    let digest = first.deployments[0].1;
    for key in [
        ContentKey::Bundle(unknown),
        ContentKey::Bundle(digest),
        ContentKey::Deployment(deployment(1), unknown),
        ContentKey::Deployment(deployment(2), digest),
    ] {
        assert_eq!(store.content(&owner, &key).await.unwrap(), None, "{key:?}");
    }
}

/// A publication has a generation, and a client becomes one of that in the same step.
pub async fn generations(store: &dyn Store) {
    let owner = client("generations");
    let mut first = publication(1, &[(1, "one")]);
    let record = ClientRecord::new(owner.clone(), true).speaking(SpecVersion::Rc1);
    store.put_client(&record).await.unwrap();
    let generation = async || {
        let record = store.client(&owner).await.unwrap();
        let standing = store.standing(&owner).await.unwrap();
        assert_eq!(standing, record.as_ref().map(ClientRecord::standing));
        standing.map(|it| it.generation)
    };
    store.publish(&owner, None, &first).await.unwrap();
    let head = store.head(&owner).await.unwrap().unwrap();
    assert_eq!(head.generation, SpecVersion::Rc3);
    assert_eq!(
        generation().await,
        Some(SpecVersion::Rc1),
        "the first one says nothing about the client"
    );

    for (version, published) in [
        (2, SpecVersion::Rc1),
        (3, SpecVersion::Rc3),
        (4, SpecVersion::Rc3),
    ] {
        let mut next = publication(version, &[(1, "one")]);
        next.generation = published;
        store
            .publish(&owner, Some(first.version), &next)
            .await
            .unwrap();
        assert_eq!(store.head(&owner).await.unwrap(), Some(next.head()));
        assert_eq!(generation().await, Some(published));
        first = next;
    }
    let mut refused = publication(9, &[]);
    refused.generation = SpecVersion::Rc1;
    expect_conflict(store, &owner, None, &refused, Some(first.version)).await;
    assert_eq!(generation().await, Some(SpecVersion::Rc3));
    // Without a record there is nothing to change.
    let unknown = client("generations-unknown");
    let first = publication(1, &[]);
    store.publish(&unknown, None, &first).await.unwrap();
    refused.version = ManifestVersion::new(2).unwrap();
    store
        .publish(&unknown, Some(first.version), &refused)
        .await
        .unwrap();
    assert_eq!(store.client(&unknown).await.unwrap(), None);
}

/// A publication that does not follow the newest one changes nothing.
pub async fn conflicts(store: &dyn Store) {
    let owner = client("conflicts");
    let first = publication(5, &[(1, "one")]);
    let version = |number| ManifestVersion::new(number);
    let refused = publication(6, &[(2, "other")]);
    expect_conflict(store, &owner, version(4), &refused, None).await;
    store.publish(&owner, None, &first).await.unwrap();
    for expected in [None, version(4), version(6)] {
        expect_conflict(store, &owner, expected, &refused, version(5)).await;
    }
    for number in [4, 5] {
        let not_above = publication(number, &[(2, "other")]);
        expect_conflict(store, &owner, version(5), &not_above, version(5)).await;
    }
    assert_eq!(store.head(&owner).await.unwrap(), Some(first.head()));
    assert_eq!(store.assigned(&owner).await.unwrap().len(), 1);
    assert_eq!(
        store.version_of(&owner, &refused.digest).await.unwrap(),
        None
    );
    for (key, _) in refused.contents() {
        assert_eq!(store.content(&owner, &key).await.unwrap(), None);
    }
}

/// Versions have 64 bits.
pub async fn high_versions(store: &dyn Store) {
    let owner = client("high-versions");
    let mut expected = None;
    for number in [1, (1 << 53) + 1, i64::MAX as u64, 1 << 63, u64::MAX] {
        let published = publication(number, &[(1, "one")]);
        store.publish(&owner, expected, &published).await.unwrap();
        expected = Some(published.version);
        assert_eq!(store.head(&owner).await.unwrap(), Some(published.head()));
        let version = store.version_of(&owner, &published.digest).await.unwrap();
        assert_eq!(version, expected);
    }
}

/// However many publish at once, a version has one content.
pub async fn racing_publishers(store: &Arc<dyn Store>) {
    let owner = client("racing");
    let mut racers = Vec::new();
    for racer in 0..20_u8 {
        let (store, owner) = (Arc::clone(store), owner.clone());
        racers.push(tokio::spawn(async move {
            let mut won = Vec::new();
            for round in 1..=5_u64 {
                let expected = store.head(&owner).await.unwrap().map(|head| head.version);
                let text = format!("{racer} in round {round}");
                let next = expected.map_or(1, |version| version.get() + 1);
                let published = publication(next, &[(racer, &text)]);
                match store.publish(&owner, expected, &published).await {
                    Ok(()) => won.push(published),
                    Err(StoreError::Conflict { found }) => assert!(found > expected),
                    Err(error) => panic!("{error:?}"),
                }
            }
            won
        }));
    }
    let mut won = Vec::new();
    for racer in racers {
        won.extend(racer.await.unwrap());
    }
    won.sort_by_key(|published| published.version);
    let versions: Vec<_> = won
        .iter()
        .map(|published| published.version.get())
        .collect();
    let expected: Vec<_> = (1..=won.len() as u64).collect();
    assert_eq!(versions, expected, "every version was published once");
    let newest = won.last().map(Publication::head);
    assert_eq!(store.head(&owner).await.unwrap(), newest);
    for published in &won {
        let version = store.version_of(&owner, &published.digest).await.unwrap();
        assert_eq!(version, Some(published.version));
    }
}

/// A client has nothing of another one.
pub async fn ownership(store: &dyn Store) {
    let (owner, other) = (client("ownership"), client("ownership-other"));
    let published = publication(1, &[(1, "one")]);
    store.publish(&owner, None, &published).await.unwrap();
    let record = status(&owner, 1, DeploymentState::Installed);
    store.put_status(&record).await.unwrap();
    let bytes = Bytes::from_static(b"{}");
    let reported = DeviceRecord::new(owner.clone(), device("edge"), bytes, now());
    store.put_device(&reported, 99).await.unwrap();

    assert_eq!(store.head(&other).await.unwrap(), None);
    assert_eq!(store.manifest(&other).await.unwrap(), None);
    assert_eq!(store.assigned(&other).await.unwrap(), []);
    assert_eq!(store.document(&other, &deployment(1)).await.unwrap(), None);
    assert_eq!(
        store.version_of(&other, &published.digest).await.unwrap(),
        None
    );
    for (key, _) in published.contents() {
        assert_eq!(store.content(&other, &key).await.unwrap(), None, "{key:?}");
    }
    assert_eq!(store.statuses(Some(&other)).await.unwrap(), []);
    assert_eq!(store.history(&other, &deployment(1), 9).await.unwrap(), []);
    assert_eq!(store.device(&other, &device("edge")).await.unwrap(), None);
    assert_eq!(store.devices(Some(&other)).await.unwrap(), []);
    // The other client publishes the same version, and nothing mixes.
    let same_version = publication(1, &[(1, "another one")]);
    store.publish(&other, None, &same_version).await.unwrap();
    assert_eq!(store.head(&owner).await.unwrap(), Some(published.head()));
}

/// The latest reports, and a bounded history in the order in which they came.
pub async fn statuses(store: &dyn Store) {
    let owner = client("statuses");
    let plain = status(&owner, 1, DeploymentState::Pending);
    assert!(store.put_status(&plain).await.unwrap(), "the first report");
    let mut of_child = plain.clone();
    of_child.device = Some(device("gw/a"));
    of_child.findings = vec!["a finding".to_owned()];
    assert!(
        store.put_status(&of_child).await.unwrap(),
        "of another device"
    );
    let mut installed = plain.clone();
    installed.state = DeploymentState::Installed;
    // Earlier by the clock, but it came later.
    installed.reported_at = plain.reported_at - SignedDuration::from_secs(60);
    assert!(!store.put_status(&installed).await.unwrap());
    let odd = status(&owner, 2, DeploymentState::from("resting"));
    assert!(store.put_status(&odd).await.unwrap());

    let latest = [installed.clone(), of_child.clone(), odd.clone()];
    assert_eq!(store.statuses(Some(&owner)).await.unwrap(), latest);
    let all = store.statuses(None).await.unwrap();
    assert!(latest.iter().all(|record| all.contains(record)));
    let history = store.history(&owner, &deployment(1), 9).await.unwrap();
    assert_eq!(history, [installed.clone(), of_child, plain.clone()]);
    let newest = store.history(&owner, &deployment(1), 1).await.unwrap();
    assert_eq!(newest, [installed]);

    for number in 0..HISTORY + 5 {
        let mut record = odd.clone();
        record.status = Bytes::from(number.to_string());
        store.put_status(&record).await.unwrap();
    }
    let history = store
        .history(&owner, &deployment(2), usize::MAX)
        .await
        .unwrap();
    for number in 0..REPORTERS {
        let mut record = plain.clone();
        record.device = Some(device(&format!("gw/{number}")));
        store.put_status(&record).await.unwrap();
    }
    let latest = store.statuses(Some(&owner)).await.unwrap();
    let of_first = latest.iter().filter(|it| it.deployment == deployment(1));
    let reporters: Vec<_> = of_first.map(|it| it.device.clone()).collect();
    assert_eq!(reporters.len(), REPORTERS, "and so are the reporters");
    assert!(!reporters.contains(&None), "the longest silent goes first");
    assert!(reporters.is_sorted());
    assert_eq!(history.len(), HISTORY, "the history is bounded");
    assert_eq!(history[0].status, (HISTORY + 4).to_string());
    let other = store
        .history(&owner, &deployment(1), usize::MAX)
        .await
        .unwrap();
    assert_eq!(other.len(), 3 + REPORTERS, "each deployment has its own");
}

/// Contents go when they were superseded long enough ago, and never while they are current.
pub async fn retention(store: &dyn Store) {
    let owner = client("retention");
    let first = published_at(publication(1, &[(1, "one"), (2, "two")]), 0);
    let second = published_at(publication(2, &[(1, "one, changed"), (2, "two")]), 10);
    let third = published_at(publication(3, &[(1, "one"), (2, "two")]), 20);
    store.publish(&owner, None, &first).await.unwrap();
    store
        .publish(&owner, Some(first.version), &second)
        .await
        .unwrap();
    assert_eq!(
        store.prune(past(10)).await.unwrap(),
        0,
        "superseded at that time, not before"
    );
    assert_eq!(
        store.prune(past(11)).await.unwrap(),
        2,
        "a bundle and a document"
    );
    assert_eq!(missing(store, &owner, &first).await, 2);
    assert_eq!(missing(store, &owner, &second).await, 0);
    store
        .publish(&owner, Some(second.version), &third)
        .await
        .unwrap();
    assert_eq!(missing(store, &owner, &first).await, 0, "published again");
    assert_eq!(store.prune(past(1000)).await.unwrap(), 2);
    assert_eq!(missing(store, &owner, &third).await, 0);
    for published in [&first, &second, &third] {
        let version = store.version_of(&owner, &published.digest).await.unwrap();
        assert_eq!(
            version,
            Some(published.version),
            "versions are never forgotten"
        );
    }
}

/// A deployment that was taken out is known until it was reported removed and enough time has passed.
pub async fn removed_deployments(store: &dyn Store) {
    let owner = client("removed");
    let with = published_at(publication(1, &[(1, "one")]), 0);
    let without = published_at(publication(2, &[]), 10);
    let again = published_at(publication(3, &[(1, "one, again")]), 20);
    let document = async || store.document(&owner, &deployment(1)).await.unwrap();
    assert_eq!(document().await, None);
    store.publish(&owner, None, &with).await.unwrap();
    assert!(document().await.unwrap().assigned);
    // Not taken out: a client that reports this is confused, and the deployment stays.
    let removed = status(&owner, 1, DeploymentState::Removed);
    store.put_status(&removed).await.unwrap();
    assert!(document().await.unwrap().assigned);

    store
        .publish(&owner, Some(with.version), &without)
        .await
        .unwrap();
    let known = document().await.unwrap();
    assert_eq!((known.assigned, &known.bytes[..]), (false, &b"one"[..]));
    store.prune(past(1000)).await.unwrap();
    assert_eq!(
        document().await,
        Some(known),
        "nobody has reported it removed"
    );
    store.put_status(&removed).await.unwrap();
    store.prune(past(10)).await.unwrap();
    assert!(document().await.is_some(), "the report may come once more");

    store
        .publish(&owner, Some(without.version), &again)
        .await
        .unwrap();
    assert!(document().await.unwrap().assigned);
    let without = published_at(publication(4, &[]), 30);
    store
        .publish(&owner, Some(again.version), &without)
        .await
        .unwrap();
    store.prune(past(1000)).await.unwrap();
    assert!(
        document().await.is_some(),
        "it was not reported removed this time"
    );
    store.put_status(&removed).await.unwrap();
    store.prune(past(1000)).await.unwrap();
    assert_eq!(document().await, None);
    assert_eq!(store.statuses(Some(&owner)).await.unwrap(), []);
    assert_eq!(store.history(&owner, &deployment(1), 9).await.unwrap(), []);
    assert_eq!(
        missing(store, &owner, &with).await,
        2,
        "its last document is gone as well"
    );
}

/// Puts something of every kind into an empty store, to be found again with [`is_filled`].
pub async fn fill(store: &dyn Store) {
    let owner = client("durable");
    let record = ClientRecord::new(owner.clone(), true).speaking(SpecVersion::Rc1);
    store.put_client(&record).await.unwrap();
    enrolments::fill(store, &owner).await;
    let bytes = Bytes::from_static(b"{}");
    let reported = DeviceRecord::new(owner.clone(), device("edge"), bytes, past(0));
    store.put_device(&reported, 99).await.unwrap();
    let [first, second] = durable_publications();
    store.publish(&owner, None, &first).await.unwrap();
    store
        .publish(&owner, Some(first.version), &second)
        .await
        .unwrap();
    let report = status(&owner, 2, DeploymentState::Installed);
    store.put_status(&report).await.unwrap();
}

/// Finds everything that [`fill`] has put into a store that was opened again since.
pub async fn is_filled(store: &dyn Store) {
    let owner = client("durable");
    let record = ClientRecord::new(owner.clone(), true).speaking(SpecVersion::Rc1);
    assert_eq!(store.client(&owner).await.unwrap(), Some(record));
    enrolments::is_filled(store, &owner).await;
    assert!(
        store
            .device(&owner, &device("edge"))
            .await
            .unwrap()
            .is_some()
    );
    let [first, second] = durable_publications();
    assert_eq!(store.head(&owner).await.unwrap(), Some(second.head()));
    assert_eq!(
        store.manifest(&owner).await.unwrap(),
        Some(second.manifest.clone())
    );
    assert_eq!(missing(store, &owner, &first).await, 0);
    assert_eq!(missing(store, &owner, &second).await, 0);
    let version = store.version_of(&owner, &first.digest).await.unwrap();
    assert_eq!(version, Some(first.version));
    let gone = store.document(&owner, &deployment(1)).await.unwrap();
    assert!(!gone.unwrap().assigned);
    assert_eq!(store.statuses(Some(&owner)).await.unwrap().len(), 1);
    assert_eq!(
        store
            .history(&owner, &deployment(2), 9)
            .await
            .unwrap()
            .len(),
        1
    );
}

fn durable_publications() -> [Publication; 2] {
    [
        publication(1, &[(1, "one"), (2, "two")]),
        publication(2, &[(2, "two")]),
    ]
}

async fn expect_conflict(
    store: &dyn Store,
    client: &ClientId,
    expected: Option<ManifestVersion>,
    published: &Publication,
    newest: Option<ManifestVersion>,
) {
    match store.publish(client, expected, published).await {
        Err(StoreError::Conflict { found }) => assert_eq!(found, newest),
        other => panic!("expected a conflict after {expected:?}, not {other:?}"),
    }
}

/// How many contents of a publication the store does not have.
async fn missing(store: &dyn Store, client: &ClientId, published: &Publication) -> usize {
    let mut missing = 0;
    for (key, bytes) in published.contents() {
        match store.content(client, &key).await.unwrap() {
            Some(found) => assert_eq!(found, bytes),
            None => missing += 1,
        }
    }
    missing
}

/// A publication; to a store, documents are bytes.
fn publication(version: u64, documents: &[(u8, &str)]) -> Publication {
    let documents = documents.iter();
    let documents = documents.map(|(id, text)| (deployment(*id), Bytes::from(text.to_string())));
    let version = ManifestVersion::new(version).unwrap();
    let audience = Audience {
        client: client("anybody"),
        generation: SpecVersion::Rc3,
    };
    compile::publication(documents.collect(), version, &audience, now()).unwrap()
}

fn published_at(mut publication: Publication, second: i64) -> Publication {
    publication.published_at = past(second);
    publication
}

fn status(client: &ClientId, id: u8, state: DeploymentState) -> StatusRecord {
    let bytes = Bytes::from_static(b"a report");
    StatusRecord::new(client.clone(), deployment(id), state, bytes, past(0))
}

fn client(name: &str) -> ClientId {
    ClientId::parse(&format!("contract-{name}")).unwrap()
}

fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).unwrap()
}

fn deployment(number: u8) -> DeploymentId {
    DeploymentId::from_uuid_bytes([number; 16])
}

/// Now, to the microsecond.
fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}

/// A time long before now, so that pruning does not touch what the other checks publish.
fn past(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000_000 + second).unwrap()
}
