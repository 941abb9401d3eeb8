//! The file of a store that a power cut or a failing disk has spoilt.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use margo_server_traits::publish::Publisher;
use margo_server_traits::store::{SqliteStore, Store as _, StoreError};
use margo_types::manifest::StateManifest;
use margo_types::{Digest, read};

use super::plant::{Answer, deployment, id, over, peer, runtime, service};

/// What happened to the files, one line each:
///
/// ```text
/// live               as they were when the power failed; otherwise the fleet manager was stopped
/// db cut 4096        the file ends there
/// db flip 4100 3     a bit
/// wal set 64 255     a byte, of the write-ahead log
/// wal zero 32 512    so many bytes are zero
/// ```
///
/// The store is refused, naming the file, or every client gets what was published for it, or an error.
pub fn database(bytes: &[u8]) {
    let Ok(script) = std::str::from_utf8(bytes) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fleet.db");
    HISTORY.spoil(script, &path);
    runtime().block_on(async {
        let store = match SqliteStore::open(&path).await {
            Ok(store) => Arc::new(store),
            Err(error @ (StoreError::Unopened { .. } | StoreError::Damaged(_))) => {
                let text = error.to_string();
                return assert!(text.contains("fleet.db"), "{text} does not name the file");
            }
            Err(error) => panic!("{error:?}"),
        };
        let service = over(store.clone());
        for client in ["press-1", "press-2"] {
            let get = |path: String| {
                let mut request = Request::new(Full::<Bytes>::default());
                *request.uri_mut() = path.parse().expect("a path");
                request.extensions_mut().insert(peer("plant-1", client));
                request
            };
            let answer = Answer::of(&service, get("/api/v1/deployments".to_owned())).await;
            if answer.status != 200 {
                continue;
            }
            let manifest = read::<StateManifest>(&answer.body)
                .expect("a manifest")
                .into_value();
            let was_published = HISTORY
                .published
                .contains(&(client, Digest::of(&answer.body)));
            assert!(
                was_published || manifest.deployments.is_empty(),
                "{manifest:?}"
            );
            let documents = manifest.deployments.iter().map(|it| (&it.url, it.digest));
            let bundle = manifest.bundle.iter().map(|it| (&it.url, it.digest));
            for (url, digest) in documents.chain(bundle) {
                let answer = Answer::of(&service, get(url.clone())).await;
                if answer.status == 200 {
                    assert_eq!(Digest::of(&answer.body), digest, "{url} has other bytes");
                }
            }
        }
        store.close().await;
    });
}

/// The files of a store in which things were published twice.
struct History {
    /// The file and its log when the power failed, and the file after the fleet manager was stopped.
    live: [Vec<u8>; 2],
    stopped: Vec<u8>,
    /// The digests of all manifests, by client.
    published: Vec<(&'static str, Digest)>,
}

impl History {
    fn spoil(&self, script: &str, path: &Path) {
        let is_live = script.lines().any(|line| line == "live");
        let [mut db, mut wal] = if is_live {
            self.live.clone()
        } else {
            [self.stopped.clone(), Vec::new()]
        };
        for line in script.lines().take(MOST_FAULTS) {
            let mut words = line.split(' ');
            let file = match words.next() {
                Some("db") => &mut db,
                Some("wal") => &mut wal,
                _ => continue,
            };
            let name = words.next().unwrap_or_default();
            let numbers: Vec<usize> = words.map_while(|word| word.parse().ok()).collect();
            match (name, &*numbers) {
                ("cut", [length]) => file.truncate(*length),
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
                ("zero", [at, count]) => {
                    for byte in file.iter_mut().skip(*at).take(*count) {
                        *byte = 0;
                    }
                }
                _ => {}
            }
        }
        fs::write(path, db).expect("written");
        if is_live {
            fs::write(path.with_extension("db-wal"), wal).expect("written");
        }
    }
}

static HISTORY: LazyLock<History> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fleet.db");
    runtime().block_on(async {
        let store = Arc::new(SqliteStore::open(&path).await.expect("a new store"));
        service(store.clone()).await;
        let mut published = Vec::new();
        for is_last in [false, true] {
            for (client, number) in [("press-1", 3), ("press-2", 4)] {
                if is_last {
                    let publisher = Publisher::new(store.clone());
                    let more = [deployment(number, "again")];
                    publisher
                        .publish(&id(client), &more)
                        .await
                        .expect("published");
                }
                let head = store
                    .head(&id(client))
                    .await
                    .expect("read")
                    .expect("a head");
                published.push((client, head.digest));
            }
        }
        let wal = path.with_extension("db-wal");
        let live = [&path, &wal].map(|path| fs::read(path).expect("a file"));
        store.close().await;
        History {
            live,
            stopped: fs::read(&path).expect("a file"),
            published,
        }
    })
});

const MOST_FAULTS: usize = 32;
