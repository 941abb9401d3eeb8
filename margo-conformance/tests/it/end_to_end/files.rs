//! A trust domain, and what its operator puts into folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use margo_conformance::authority::{Authority, Lifetime};
use margo_conformance::wfm::FakeWfm;
use margo_types::SpecVersion;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::trust::TrustBundle;
use tempfile::TempDir;

use super::station::Station;

/// A trust domain, and a folder for everybody in it.
#[derive(Debug)]
pub(super) struct Plant {
    pub(super) authority: Authority,
    folder: TempDir,
}

impl Plant {
    pub(super) fn new() -> Self {
        Self {
            authority: Authority::new(&domain()),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// The fleet manager of this plant, which fails and lies as told.
    pub(super) async fn fake_wfm(&self) -> FakeWfm {
        FakeWfm::start(&self.authority, &wfm_id()).await
    }

    /// A machine with the identity of a client of the fleet manager.
    pub(super) fn station(&self, client: &str) -> Station {
        let station = Station::at(&self.folder(client), client);
        station.keys.issue(&self.authority, Lifetime::default());
        station.keys.trust(&self.authority.bundle());
        station
    }

    /// What the fleet manager identifies itself with.
    pub(super) fn wfm_keys(&self) -> Keys {
        let keys = Keys::at(&self.folder("wfm"), wfm_id());
        keys.issue(&self.authority, Lifetime::default());
        keys.trust(&self.authority.bundle());
        keys.issue_tls(&self.authority);
        keys
    }
}

/// SVID, private key and trust bundle in files.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    folder: PathBuf,
    id: SpiffeId,
}

impl Keys {
    pub(super) fn at(folder: &Path, id: SpiffeId) -> Self {
        Self {
            folder: folder.to_owned(),
            id,
        }
    }

    pub(super) const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// SVID, key and bundle.
    pub(super) fn paths(&self) -> [PathBuf; 3] {
        ["svid.pem", "key.pem", "bundle.json"].map(|name| self.folder.join(name))
    }

    /// Writes a new SVID and its key, one after the other: for a moment they do not belong together.
    pub(super) fn issue(&self, authority: &Authority, lifetime: Lifetime) {
        let issued = authority.issue(&self.id, lifetime);
        let [svid, key, _] = self.paths();
        fs::write(svid, issued.chain_pem).unwrap();
        fs::write(key, issued.key_pem).unwrap();
    }

    /// Certificate, key and root of a server that clients of the signed generation connect to.
    pub(super) fn tls_paths(&self) -> [PathBuf; 3] {
        ["tls.pem", "tls-key.pem", "tls-root.pem"].map(|name| self.folder.join(name))
    }

    fn issue_tls(&self, authority: &Authority) {
        let issued =
            authority.issue_server(&["127.0.0.1", "wfm.example.test"], Lifetime::default());
        let [certificate, key, root] = self.tls_paths();
        fs::write(certificate, issued.chain_pem).unwrap();
        fs::write(key, issued.key_pem).unwrap();
        fs::write(root, authority.to_pem().0).unwrap();
    }

    pub(super) fn trust(&self, bundle: &TrustBundle) {
        let [_, _, path] = self.paths();
        fs::write(
            path,
            margo_types::write(bundle, SpecVersion::NEWEST).unwrap(),
        )
        .unwrap();
    }
}

pub(super) fn domain() -> TrustDomain {
    TrustDomain::parse("plant.example").unwrap()
}

pub(super) fn wfm_id() -> SpiffeId {
    SpiffeId::wfm(&domain(), "wfm-1").unwrap()
}

pub(super) fn client_id(client: &str) -> ClientId {
    ClientId::parse(client).unwrap()
}

/// Looks again and again until there is something, and gives it.
pub(super) async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never {what}");
        tokio::time::sleep(GLANCE).await;
    }
}

/// Long enough for whatever has to happen on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
pub(super) const GLANCE: Duration = Duration::from_millis(10);
