//! Files that an older program wrote.

use margo_server_traits::publish::Publisher;
use margo_server_traits::store::{EnrolmentRecord, SqliteStore, Store};
use margo_types::Digest;
use margo_types::SpecVersion;
use margo_types::status::DeploymentState;
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::sync::Arc;

use super::scratch;
use crate::deployments::{assert_retrievable, client, manifest};

/// A file as the program wrote it before there were enrolments.
async fn first_schema(path: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let dump = include_str!("version_1.sql");
    sqlx::raw_sql(dump).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_the_first_schema_keeps_everything() {
    let (_directory, path) = scratch();
    first_schema(&path).await;
    let owner = client("line-1");
    let mut heads = Vec::new();
    for _ in 0..2 {
        let store = Arc::new(SqliteStore::open(&path).await.unwrap());
        let clients = store.clients().await.unwrap();
        let known: Vec<_> = clients
            .iter()
            .map(|it| (it.id.as_str(), it.accepted, &*it.note))
            .collect();
        assert_eq!(
            known,
            [("line-1", true, "hall 2"), ("line-2", false, "scrapped")]
        );
        assert!(clients.iter().all(|it| it.generation == SpecVersion::Rc3));
        assert_eq!(store.devices(None).await.unwrap().len(), 1);
        let (_, newest) = manifest(&*store, &owner).await;
        assert_eq!(newest.manifest_version.get(), 2);
        assert_retrievable(&*store, &owner, &newest).await;
        let statuses = store.statuses(Some(&owner)).await.unwrap();
        assert_eq!(statuses[0].state, DeploymentState::Installed);
        let deployment = statuses[0].deployment;
        assert_eq!(
            store.history(&owner, &deployment, 9).await.unwrap().len(),
            2
        );
        assert_eq!(store.enrolments(None).await.unwrap(), []);
        // What was published goes on as it was.
        let head = Publisher::new(store.clone()).head(&owner).await.unwrap();
        assert_eq!((head.version.get(), head.generation), (2, SpecVersion::Rc3));
        heads.push(head);
        store.close().await;
    }
    assert_eq!(heads[0], heads[1]);
}

#[tokio::test]
async fn a_file_of_the_first_schema_takes_enrolments() {
    let (_directory, path) = scratch();
    first_schema(&path).await;
    let store = SqliteStore::open(&path).await.unwrap();
    let now = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let registered = EnrolmentRecord::registered(Digest::of(b"a"), client("line-3"), now);
    let change = margo_server_traits::store::EnrolmentChange::new(None, Some(registered.clone()));
    store.change_enrolment(&change).await.unwrap();
    store.close().await;
    drop(store);
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.enrolments(None).await.unwrap(), [registered]);
}
