//! A state file of which a crash or a bad disk has left something else.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use margo_client::state::{Accepted, Change, Current, FileStore, Phase, Report, State, StateStore};
use margo_client::{Error, ErrorKind};
use margo_types::Digest;
use margo_types::id::SpiffeId;
use margo_types::manifest::ManifestVersion;
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus};
use tempfile::TempDir;

use super::rig::id;

#[tokio::test]
async fn a_file_that_is_cut_holds_everything_or_is_refused() {
    let remembered = Remembered::new().await;
    for (how, whole) in [
        ("closed", &remembered.closed),
        ("killed", &remembered.killed),
    ] {
        fs::write(&remembered.path, whole).unwrap();
        let file = OpenOptions::new()
            .write(true)
            .open(&remembered.path)
            .unwrap();
        let mut refused = 0;
        for length in cuts(whole.len()) {
            file.set_len(length as u64).unwrap();
            match remembered.look().await {
                Ok(state) => {
                    assert_eq!(state, remembered.last, "{how} and cut at {length}");
                    fs::write(&remembered.path, whole).unwrap();
                }
                Err(error) => {
                    assert_says_what_to_do(&error, &remembered.path);
                    let now = fs::metadata(&remembered.path).unwrap().len();
                    assert_eq!(now, length as u64, "{how}: it was changed");
                    if length.is_multiple_of(PAGE) {
                        let left = fs::read(&remembered.path).unwrap();
                        assert!(
                            left == whole[..length],
                            "{how} and cut at {length}: changed"
                        );
                    }
                    refused += 1;
                }
            }
        }
        assert!(refused > 1000, "{how}: {refused}");
    }
}

#[tokio::test]
async fn a_file_with_a_wrong_byte_holds_a_committed_state_or_is_refused() {
    let remembered = Remembered::new().await;
    for (how, whole) in [
        ("closed", &remembered.closed),
        ("killed", &remembered.killed),
    ] {
        let (mut opened, mut refused) = (0, 0);
        for offset in flips(whole) {
            let mut flipped = whole.clone();
            flipped[offset] ^= 1 << (offset % 8);
            fs::write(&remembered.path, &flipped).unwrap();
            match remembered.look().await {
                Ok(state) => {
                    // A header that is damaged may bring back the commit before; see `FileStore`.
                    let is_known = state == remembered.last || state == remembered.before;
                    assert!(is_known, "{how}, byte {offset}: {state:#?}");
                    opened += 1;
                }
                Err(error) => {
                    assert_says_what_to_do(&error, &remembered.path);
                    let left = fs::read(&remembered.path).unwrap();
                    assert!(left == flipped, "{how}, byte {offset}: it was changed");
                    refused += 1;
                }
            }
        }
        assert!(
            opened > 10 && refused > 10,
            "{how}: {opened} opened, {refused} refused"
        );
    }
}

#[tokio::test]
async fn a_file_of_somebody_else_stays_as_it_is() {
    let remembered = Remembered::new().await;
    fs::write(&remembered.path, &remembered.killed).unwrap();
    let other = SpiffeId::parse("spiffe://margo.test/margo/wfm/one/client/other").unwrap();
    FileStore::open(&remembered.path, &other).await.unwrap_err();
    assert!(fs::read(&remembered.path).unwrap() == remembered.killed);
    assert_eq!(remembered.look().await.unwrap(), remembered.last);
}

/// What a client remembers after a few commits.
struct Remembered {
    path: std::path::PathBuf,
    /// The file as it is after the agent has ended.
    closed: Vec<u8>,
    /// The file as a kill leaves it.
    killed: Vec<u8>,
    last: State,
    /// The state before the last commit.
    before: State,
    _folder: TempDir,
}

impl Remembered {
    async fn new() -> Self {
        // Thousands of files are opened, and nobody waits for a disk in memory.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let path = folder.path().join("state");
        let store = FileStore::open(&path, &owner()).await.unwrap();
        let mut last = store.load().await.unwrap();
        let mut before = last.clone();
        for number in 1..=6 {
            before = last.clone();
            let changes = commit(number);
            store.commit(&changes).await.unwrap();
            for change in changes {
                last.apply(change);
            }
        }
        let killed = fs::read(&path).unwrap();
        drop(store);
        let closed = fs::read(&path).unwrap();
        assert!(closed != killed, "closing leaves a mark");
        Self {
            path,
            closed,
            killed,
            last,
            before,
            _folder: folder,
        }
    }

    async fn look(&self) -> Result<State, Error> {
        FileStore::open(&self.path, &owner()).await?.load().await
    }
}

/// What is written when the manifest of this version is accepted and its deployment applied.
fn commit(number: u8) -> Vec<Change> {
    let document: Arc<[u8]> = format!("the document of deployment {number}\n")
        .repeat(40)
        .into_bytes()
        .into();
    let (digest, deployment) = (Digest::of(&document), id(number));
    let version = ManifestVersion::new(number.into()).unwrap();
    let component = ComponentStatus::new("web".parse().unwrap(), DeploymentState::Installed);
    let status = DeploymentStatus::new(deployment, version, vec![component]);
    let accepted = Accepted::new(
        version,
        Digest::of(&[number]),
        Some(format!("\"{}\"", Digest::of(&[number]))),
        BTreeMap::from([(deployment, digest)]),
    );
    let current = Current::new(digest, version, Some(digest), None, Phase::Installed);
    vec![
        Change::Store(digest, document),
        Change::Accept(accepted),
        Change::Current(deployment, current),
        Change::Report(number.into(), Report::new(Timestamp::UNIX_EPOCH, status)),
    ]
}

fn owner() -> SpiffeId {
    SpiffeId::parse("spiffe://margo.test/margo/wfm/one/client/edge").unwrap()
}

fn assert_says_what_to_do(error: &Error, path: &Path) {
    assert_eq!(error.kind(), ErrorKind::State);
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(
        text.contains("setting it aside") || text.contains("check the disk"),
        "{text}"
    );
}

/// The lengths to cut a file of this length to, from the longest to none: all of them when `MARGO_EVERY_BYTE` is set, or
/// else all at the beginning and the end and around every page.
fn cuts(length: usize) -> Vec<usize> {
    let is_chosen = |cut: &usize| {
        let in_page = cut % PAGE;
        *cut < PAGE || *cut > length - PAGE || !(2..PAGE - 2).contains(&in_page)
    };
    let all = (0..length).rev();
    if std::env::var_os("MARGO_EVERY_BYTE").is_some() {
        return all.collect();
    }
    all.filter(is_chosen).collect()
}

/// The bytes to damage: those of the header, and some of everything that has something in it.
fn flips(whole: &[u8]) -> Vec<usize> {
    let header = (0..HEADER).step_by(5);
    let filled = (HEADER..whole.len()).filter(|offset| whole[*offset] != 0);
    header.chain(filled.step_by(131)).collect()
}

const PAGE: usize = 4096;
/// What is used of the first page.
const HEADER: usize = 320;
