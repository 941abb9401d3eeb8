//! The SQLite store and its file.

mod migration;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use margo_server_traits::publish::Publisher;
use margo_server_traits::store::{
    ClientRecord, EnrolmentChange, EnrolmentRecord, SqliteStore, Store, StoreError,
};
use margo_server_traits::{DesiredState as _, FleetError, StoreFleet};
use margo_types::manifest::ManifestVersion;
use margo_types::onboarding::Certificate;
use tempfile::TempDir;

use crate::deployments::{assert_retrievable, client, deployment, manifest};
use crate::store_fleet::caller;

fn scratch() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    (directory, path)
}

/// The error of opening this file, in full.
async fn refusal(path: &Path) -> String {
    let error = SqliteStore::open(path).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, StoreError::Unopened { .. } | StoreError::Damaged(_)),
        "{error:?}"
    );
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(text.contains(name), "it names the file: {text}");
    text
}

#[tokio::test]
async fn a_second_opener_is_refused_by_name() {
    let (directory, path) = scratch();
    let store = SqliteStore::open(&path).await.unwrap();
    let text = refusal(&path).await;
    assert!(text.contains("another fleet manager has it open"), "{text}");
    #[cfg(unix)]
    {
        let link = directory.path().join("link-to-fleet.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let error = SqliteStore::open(&link).await.unwrap_err();
        assert!(
            error.to_string().contains("another fleet manager"),
            "{error}"
        );
    }
    store.close().await;
    drop(store);
    SqliteStore::open(&path).await.unwrap();
}

/// Until it runs, a program that another thread starts has all files of this process open: also those of a store that is closed.
#[tokio::test]
async fn a_store_can_be_opened_again_while_programs_are_started() {
    let (_directory, path) = scratch();
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let starting = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            let itself = std::env::current_exe().unwrap();
            let output = Command::new(itself).arg("--help").output();
            assert!(output.unwrap().status.success());
        }
    });
    let mut failed = None;
    for _ in 0..100 {
        match SqliteStore::open(&path).await {
            Ok(store) => store.close().await,
            Err(error) => failed = Some(error),
        }
    }
    is_over.store(true, Ordering::Relaxed);
    starting.join().unwrap();
    assert!(failed.is_none(), "{failed:?}");
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_leaves_no_stale_credentials() {
    let (_directory, path) = scratch();
    let store = SqliteStore::open(&path).await.unwrap();
    let owner = client("press-1");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default();
    let certificate = certificate.self_signed(&key).unwrap();
    let certificate = Certificate::from_der(certificate.der()).unwrap();
    let asked = EnrolmentRecord::new(&certificate, jiff::Timestamp::UNIX_EPOCH).unwrap();
    let accepted = asked.accepted_for(owner.clone());
    for patience in 0..200 {
        let known = store.enrolments(Some(&owner)).await.unwrap().pop();
        let toggled = known.is_none().then(|| accepted.clone());
        let change = EnrolmentChange::new(known, toggled);
        {
            let mut change = pin!(store.change_enrolment(&change));
            for _ in 0..patience % 50 {
                if change.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let answered = store.credentials(&owner).await.unwrap().len();
        let kept = store.enrolments(Some(&owner)).await.unwrap().len();
        assert_eq!(answered, kept, "given up after {patience} polls");
        assert_eq!(store.credentials(&owner).await.unwrap().len(), kept);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let (directory, path) = scratch();
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let publisher = Publisher::new(store.clone());
    publisher.head(&client("press-1")).await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(
        names,
        ["fleet.db", "fleet.db-shm", "fleet.db-wal", "fleet.db.lock"]
    );
}

#[tokio::test]
async fn a_missing_directory_is_not_made() {
    let (directory, _) = scratch();
    let path = directory.path().join("missing").join("fleet.db");
    let text = refusal(&path).await;
    assert!(text.contains("there is no directory"), "{text}");
    let text = refusal(directory.path()).await;
    assert!(text.contains("unable to open"), "{text}");
    assert!(!directory.path().join("missing").exists());
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_left_alone() {
    let (_directory, path) = scratch();
    for (content, why) in [
        (&b""[..], "it is empty"),
        (b"a file of something else altogether, longer than a header of SQLite, which has 100 bytes, is", "damaged"),
    ] {
        std::fs::write(&path, content).unwrap();
        let text = refusal(&path).await;
        assert!(text.contains(why), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn a_foreign_or_newer_database_is_refused() {
    let (_directory, path) = scratch();
    SqliteStore::open(&path).await.unwrap().close().await;
    let sound = std::fs::read(&path).unwrap();
    // The header has the schema's number at 60 and the program's at 68.
    for (offset, why) in [(63, "its schema is version"), (71, "of another program")] {
        let mut changed = sound.clone();
        changed[offset] ^= 0x40;
        std::fs::write(&path, &changed).unwrap();
        let text = refusal(&path).await;
        assert!(text.contains(why), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), changed);
    }
    std::fs::write(&path, &sound).unwrap();
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_named_as_such() {
    let (_directory, path) = scratch();
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let publisher = Publisher::new(store.clone());
    for number in 0..40 {
        let wanted = [deployment(number, &"long ".repeat(400))];
        publisher
            .publish(&client("press-1"), &wanted)
            .await
            .unwrap();
    }
    store.close().await;
    drop((store, publisher));
    let sound = std::fs::read(&path).unwrap();
    let mut overwritten = sound.clone();
    overwritten[8192..16384].fill(0xff);
    for damaged in [&sound[..sound.len() / 2], &overwritten[..]] {
        std::fs::write(&path, damaged).unwrap();
        let text = refusal(&path).await;
        assert!(
            text.contains("is damaged") && text.contains("restore a backup"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_interrupted_beginning_is_begun_again() {
    let (_directory, path) = scratch();
    std::fs::write(path.with_extension("db.new"), b"half a header").unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(!path.with_extension("db.new").exists());
    assert_eq!(store.clients().await.unwrap(), []);
}

#[tokio::test]
async fn an_unchanged_poll_does_not_touch_the_file() {
    let (_directory, path) = scratch();
    let owner = client("press-1");
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let publisher = Publisher::new(store.clone());
    let head = publisher
        .publish(&owner, &[deployment(1, "a")])
        .await
        .unwrap();
    store.close().await;
    assert_eq!(store.head(&owner).await.unwrap(), Some(head));
    let error = store.manifest(&owner).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    drop((store, publisher));
    let store = SqliteStore::open(&path).await.unwrap();
    store.close().await;
    assert_eq!(store.head(&owner).await.unwrap(), Some(head));
}

#[tokio::test]
async fn every_acknowledged_publication_survives_being_killed() {
    let (_directory, path) = scratch();
    let owner = client("press-1");
    let mut acknowledged = 0;
    for round in 0..4 {
        let mut child = Publishing::start(&path);
        for _ in 0..15 {
            acknowledged = child.next().expect("the child publishes");
        }
        let text = refusal(&path).await;
        assert!(text.contains("another fleet manager"), "{text}");
        acknowledged = child.kill().unwrap_or(acknowledged);

        let store = Arc::new(SqliteStore::open(&path).await.unwrap());
        let head = store.head(&owner).await.unwrap().unwrap();
        assert!(
            head.version.get() >= acknowledged,
            "round {round}: {head:?} after {acknowledged}"
        );
        let (_, newest) = manifest(&*store, &owner).await;
        assert_retrievable(&*store, &owner, &newest).await;
        store.close().await;
    }
    assert!(acknowledged >= 60);
}

/// A process that publishes until it is killed.
struct Publishing {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Publishing {
    fn start(path: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store_sqlite::publishes_until_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(STORE, path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next version it says that it has published.
    fn next(&mut self) -> Option<u64> {
        self.lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("published ")?.parse().ok())
    }

    /// Kills it, and gives the last version it said before.
    fn kill(mut self) -> Option<u64> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::iter::from_fn(|| self.next()).last()
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

const STORE: &str = "MARGO_TEST_STORE";

#[tokio::test]
#[ignore = "a process that the test above starts and kills"]
async fn publishes_until_killed() {
    let Some(path) = std::env::var_os(STORE) else {
        return;
    };
    let store = Arc::new(SqliteStore::open(path).await.unwrap());
    let publisher = Publisher::new(store.clone());
    let owner = client("press-1");
    let newest = store.head(&owner).await.unwrap().map(|head| head.version);
    let mut newest = newest.map_or(0, ManifestVersion::get);
    loop {
        newest += 1;
        let wanted = [deployment(1, &newest.to_string()), deployment(2, "same")];
        let head = publisher.publish(&owner, &wanted).await.unwrap();
        assert_eq!(head.version.get(), newest);
        let mut out = std::io::stdout();
        writeln!(out, "published {newest}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn an_unchanged_poll_needs_no_file() {
    let (_directory, path) = scratch();
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let [known, changed] = ["press-1", "press-2"].map(client);
    let mut record = ClientRecord::new(known.clone(), true);
    record.note = "line 4".to_owned();
    store.put_client(&record).await.unwrap();
    let head = Publisher::new(store.clone()).head(&known).await.unwrap();
    store.close().await;
    drop(store);
    let store = SqliteStore::open(&path).await.unwrap();
    for accepted in [true, false] {
        let record = ClientRecord::new(changed.clone(), accepted);
        store.put_client(&record).await.unwrap();
    }
    store.close().await;
    let standing = store.standing(&known).await.unwrap();
    assert_eq!(standing, Some(record.standing()));
    assert!(!store.standing(&changed).await.unwrap().unwrap().accepted);
    assert_eq!(store.standing(&client("nobody")).await.unwrap(), None);
    assert_eq!(store.head(&known).await.unwrap(), Some(head));
    // What could not be written is not pretended to be so.
    let refused = ClientRecord::new(known.clone(), false);
    assert!(store.put_client(&refused).await.is_err());
    assert!(store.standing(&known).await.unwrap().unwrap().accepted);
}

#[tokio::test]
async fn a_damaged_manifest_is_not_served() {
    let (_directory, path) = scratch();
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let publisher = Publisher::new(store.clone());
    publisher.head(&client("press-1")).await.unwrap();
    store.close().await;
    drop((store, publisher));
    let mut bytes = std::fs::read(&path).unwrap();
    let text = b"\"manifestVersion\":1";
    let at = bytes.windows(text.len()).position(|window| window == text);
    bytes[at.unwrap() + text.len() - 1] = b'7';
    std::fs::write(&path, bytes).unwrap();

    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let fleet = StoreFleet::new(store);
    match fleet.manifest(&caller("press-1")).await.unwrap_err() {
        FleetError::Internal(why) => assert!(why.to_string().contains("restore a backup")),
        other => panic!("{other:?}"),
    }
}

#[cfg(feature = "contract")]
#[tokio::test]
async fn a_signed_poll_needs_no_file() {
    use margo_server_traits::store::contract;

    let (_directory, path) = scratch();
    let store = SqliteStore::open(&path).await.unwrap();
    contract::fill(&store).await;
    store.close().await;
    drop(store);
    let store = SqliteStore::open(&path).await.unwrap();
    let owner = client("contract-durable");
    let first = store.credentials(&owner).await.unwrap();
    assert_eq!(first.len(), 1);
    store.close().await;
    let again = store.credentials(&owner).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again), "prepared once");
    let nobody = store.credentials(&client("nobody")).await.unwrap();
    assert!(nobody.is_empty());
}
