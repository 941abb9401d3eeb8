//! SQLite files of which a crash or a bad disk has left something else.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use margo_server_traits::publish::Publisher;
use margo_server_traits::store::{ClientRecord, SqliteStore, Store, StoreError};
use margo_server_traits::{DesiredState as _, StoreFleet};
use margo_types::Digest;
use margo_types::manifest::ManifestVersion;
use tempfile::TempDir;

use crate::deployments::{assert_retrievable, client, deployment, manifest};
use crate::store_fleet::caller;

#[tokio::test]
async fn a_file_that_is_cut_holds_everything_or_is_refused() {
    let published = Published::new().await;
    let whole = &published.closed;
    let mut refused = 0;
    let around_pages = (0..whole.len()).filter(|it| (it + 1) % PAGE <= 2);
    for length in (0..200).step_by(7).chain(around_pages) {
        let (_folder, path) = published.restored(&whole[..length], None);
        match SqliteStore::open(&path).await {
            Ok(store) => published.assert_complete(store).await,
            Err(error) => {
                assert_says_what_to_do(&error, &path);
                let left = fs::read(&path).unwrap();
                assert!(left == whole[..length], "cut at {length}: it was changed");
                refused += 1;
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[tokio::test]
async fn a_file_with_a_wrong_byte_is_refused_or_serves_nothing_wrong() {
    let published = Published::new().await;
    let whole = &published.closed;
    let fleet_of = |store| StoreFleet::new(Arc::new(store));
    let (mut opened, mut refused) = (0, 0);
    let filled = (0..whole.len()).filter(|it| whole[*it] != 0);
    for offset in (0..100).step_by(3).chain(filled.step_by(331)) {
        let mut flipped = whole.clone();
        flipped[offset] ^= 1 << (offset % 8);
        let (_folder, path) = published.restored(&flipped, None);
        match SqliteStore::open(&path).await {
            Ok(store) => {
                opened += 1;
                let head = store.head(&client(OWNER)).await.unwrap().unwrap();
                if let Ok(manifest) = fleet_of(store).manifest(&caller(OWNER)).await {
                    assert_eq!(Digest::of(&manifest), head.digest, "byte {offset}");
                }
            }
            Err(error) => {
                refused += 1;
                assert_says_what_to_do(&error, &path);
            }
        }
    }
    assert!(
        opened > 10 && refused > 10,
        "{opened} opened, {refused} refused"
    );
}

/// What SQLite promises of a write-ahead log that a loss of power has torn: the commits before the tear.
#[tokio::test]
async fn a_torn_log_holds_the_commits_before_the_tear() {
    let published = Published::new().await;
    let (file, log) = &published.open;
    let owner = client(OWNER);
    let mut last = 0;
    let mut versions = Vec::new();
    // The log has a header of 32 bytes, and one of 24 before every page.
    let frame = 24 + PAGE;
    let around_frames = (0..=log.len()).filter(|it| (it.saturating_sub(31)) % frame <= 2);
    for length in around_frames.chain([log.len()]) {
        let (_folder, path) = published.restored(file, Some(&log[..length]));
        let store = SqliteStore::open(&path).await.unwrap();
        let head = store.head(&owner).await.unwrap();
        let version = head.map_or(0, |head| head.version.get());
        assert!(version >= last, "cut at {length}: {version} after {last}");
        last = version;
        versions.push(version);
        if head.is_some() {
            let (_, newest) = manifest(&store, &owner).await;
            assert_retrievable(&store, &owner, &newest).await;
        }
    }
    assert_eq!(last, VERSIONS);
    versions.dedup();
    let all: Vec<u64> = (0..=VERSIONS).collect();
    assert_eq!(versions, all, "whole commits, one after the other");
}

#[tokio::test]
async fn a_log_with_a_wrong_byte_holds_the_commits_before_it() {
    let published = Published::new().await;
    let (file, log) = &published.open;
    let owner = client(OWNER);
    for offset in (0..log.len()).step_by(1499) {
        let mut flipped = log.clone();
        flipped[offset] ^= 1 << (offset % 8);
        let (_folder, path) = published.restored(file, Some(&flipped));
        let store = SqliteStore::open(&path).await.unwrap();
        if let Some(head) = store.head(&owner).await.unwrap() {
            assert!(head.version.get() <= VERSIONS, "byte {offset}: {head:?}");
            let (_, newest) = manifest(&store, &owner).await;
            assert_retrievable(&store, &owner, &newest).await;
        }
    }
}

/// A store with some publications.
struct Published {
    /// The file after the fleet manager has ended.
    closed: Vec<u8>,
    /// The file and its log as a kill leaves them.
    open: (Vec<u8>, Vec<u8>),
}

impl Published {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let store = Arc::new(SqliteStore::open(&path).await.unwrap());
        let publisher = Publisher::new(store.clone());
        for number in 1..=VERSIONS {
            let wanted = [
                deployment(1, &number.to_string()),
                deployment(2, &"long ".repeat(300)),
            ];
            let head = publisher.publish(&client(OWNER), &wanted).await.unwrap();
            assert_eq!(head.version.get(), number);
        }
        let record = ClientRecord::new(client("press-2"), true);
        store.put_client(&record).await.unwrap();
        let open = (
            fs::read(&path).unwrap(),
            fs::read(beside(&path, "-wal")).unwrap(),
        );
        store.close().await;
        Self {
            closed: fs::read(&path).unwrap(),
            open,
        }
    }

    /// A folder with this file and log.
    fn restored(&self, file: &[u8], log: Option<&[u8]>) -> (TempDir, PathBuf) {
        // Hundreds of files are opened, and nobody waits for a disk in memory.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let path = folder.path().join(NAME);
        fs::write(&path, file).unwrap();
        if let Some(log) = log {
            fs::write(beside(&path, "-wal"), log).unwrap();
        }
        (folder, path)
    }

    async fn assert_complete(&self, store: SqliteStore) {
        let owner = client(OWNER);
        let head = store.head(&owner).await.unwrap().unwrap();
        assert_eq!(Some(head.version), ManifestVersion::new(VERSIONS));
        let (_, newest) = manifest(&store, &owner).await;
        assert_retrievable(&store, &owner, &newest).await;
        assert_eq!(store.clients().await.unwrap().len(), 1);
    }
}

fn assert_says_what_to_do(error: &StoreError, path: &Path) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    let advice = ["restore a backup", "name another", "use the program"];
    assert!(advice.iter().any(|it| text.contains(it)), "{text}");
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

const OWNER: &str = "press-1";
const NAME: &str = "fleet.db";
const VERSIONS: u64 = 8;
const PAGE: usize = 4096;
