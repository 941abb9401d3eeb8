//! A state file that a power cut or a failing disk has spoilt.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use margo_client::state::{Accepted, Change, Current, FileStore, Phase, State, StateStore as _};
use margo_client::{Error, ErrorKind};
use margo_types::Digest;
use margo_types::id::{DeploymentId, DeviceId, SpiffeId};
use margo_types::manifest::ManifestVersion;

use super::answers::runtime;

/// What happened to the file, one line each:
///
/// ```text
/// open             as it was when the power failed; otherwise the agent was stopped
/// cut 4096         it ends there
/// grow 100         so many zeros follow it
/// flip 4100 3      a bit
/// set 64 255       a byte
/// zero 4096 512    so many bytes are zero
/// old 4096 512     so many bytes are as they were before the last commit
/// ```
///
/// What is loaded is the state after one of the commits, whole, or nothing is, and then the file is left alone.
pub fn state(bytes: &[u8]) {
    let Ok(script) = std::str::from_utf8(bytes) else {
        return;
    };
    let spoilt = HISTORY.spoil(script);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    fs::write(&path, &spoilt).expect("written");
    runtime().block_on(async {
        let store = match FileStore::open(&path, &owner()).await {
            Ok(store) => store,
            Err(error) => {
                refused(&error, &path);
                let found = fs::read(&path).expect("it is still there");
                assert!(found == spoilt, "a file that is refused was changed");
                return;
            }
        };
        let mut loaded = match store.load().await {
            Ok(loaded) => loaded,
            Err(error) => return refused(&error, &path),
        };
        assert!(
            HISTORY.states.contains(&loaded),
            "a state that never was: {loaded:?}"
        );
        loaded.check().expect("its documents are there");

        let change = Change::Reported(device(), Digest::of(b"later"));
        if let Err(error) = store.commit(std::slice::from_ref(&change)).await {
            return refused(&error, &path);
        }
        loaded.apply(change);
        drop(store);
        let store = FileStore::open(&path, &owner())
            .await
            .expect("it was fine before");
        assert_eq!(store.load().await.expect("it was fine before"), loaded);
    });
}

/// The error of a file that cannot be used.
pub(super) fn refused(error: &Error, path: &Path) {
    assert_eq!(error.kind(), ErrorKind::State, "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(!text.contains("program ends"), "{error:?}: a panic");
    assert!(
        !text.chars().any(char::is_control),
        "{text:?} is not one line"
    );
}

/// The file of a client that accepted two manifests.
struct History {
    states: Vec<State>,
    /// The file after the first commit, after the second, and after the end of the agent.
    images: [Vec<u8>; 3],
}

impl History {
    fn spoil(&self, script: &str) -> Vec<u8> {
        let [old, open, closed] = &self.images;
        let is_open = script.lines().any(|line| line == "open");
        let mut file = if is_open { open } else { closed }.clone();
        for line in script.lines().take(MOST_FAULTS) {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            let numbers: Vec<usize> = words.map_while(|word| word.parse().ok()).collect();
            match (name, &*numbers) {
                ("cut", [length]) => file.truncate(*length),
                ("grow", [count]) => file.resize(file.len() + count % MOST_GROWN, 0),
                ("flip", [at, bit]) => {
                    if let Some(byte) = file.get_mut(*at) {
                        *byte ^= 1 << (bit % 8);
                    }
                }
                ("set", [at, value]) => {
                    if let Some(byte) = file.get_mut(*at) {
                        *byte = value.to_le_bytes()[0];
                    }
                }
                ("zero" | "old", [at, count]) => {
                    for at in (*at..file.len()).take(*count) {
                        let before = old.get(at).copied().unwrap_or_default();
                        file[at] = if name == "old" { before } else { 0 };
                    }
                }
                _ => {}
            }
        }
        file
    }
}

static HISTORY: LazyLock<History> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    runtime().block_on(async {
        let store = FileStore::open(&path, &owner()).await.expect("a new state");
        let mut states = vec![State::default()];
        let mut images = Vec::new();
        for number in 1..=2 {
            let changes = commit(number);
            store.commit(&changes).await.expect("committed");
            let mut state = states.last().cloned().unwrap_or_default();
            for change in changes {
                state.apply(change);
            }
            states.push(state);
            images.push(fs::read(&path).expect("a file"));
        }
        drop(store);
        images.push(fs::read(&path).expect("a file"));
        let images = images.try_into().expect("three of them");
        History { states, images }
    })
});

/// One deployment more, and everything that comes with it.
fn commit(number: u8) -> Vec<Change> {
    let document: Arc<[u8]> = [number; 3000].into();
    let digest = Digest::of(&document);
    let version = ManifestVersion::new(number.into()).expect("not zero");
    let id = DeploymentId::from_uuid_bytes([number; 16]);
    let tag = Some(digest.to_etag());
    let current = Current::new(
        digest,
        version,
        Some(digest),
        Some(device()),
        Phase::Installed,
    );
    vec![
        Change::Store(digest, document),
        Change::Accept(Accepted::new(version, digest, tag, [(id, digest)].into())),
        Change::Current(id, current),
        Change::Reported(device(), digest),
    ]
}

pub(super) fn owner() -> SpiffeId {
    SpiffeId::parse("spiffe://factory.example/margo/wfm/wfm-1/client/line-4").expect("an id")
}

fn device() -> DeviceId {
    DeviceId::parse("edge-1").expect("an id")
}

const MOST_FAULTS: usize = 32;
const MOST_GROWN: usize = 1 << 16;
