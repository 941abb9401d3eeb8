//! The state file: whole, damaged, of somebody else.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use margo_client::state::{Change, FileStore, StateStore};
use margo_client::{Error, ErrorKind};
use margo_types::Digest;
use margo_types::id::SpiffeId;
use margo_types::manifest::ManifestVersion;

use super::rig::{Rig, Running, deployment, id};
use crate::state::open_when_free;

fn client_of(wfm: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://margo.test/margo/wfm/{wfm}/client/edge")).unwrap()
}

async fn refused(path: &Path) -> Error {
    let error = FileStore::open(path, &client_of("one")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
    error
}

#[tokio::test(start_paused = true)]
async fn everything_survives_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut rig = Rig::new();
    rig.state = Arc::new(FileStore::open(&path, &client_of("one")).await.unwrap());
    rig.wfm
        .publish(1, &[deployment(1, "1.0"), deployment(2, "1.0")]);
    let agent = Running::start(rig.agent()).await;
    agent.until_installed(&[id(1), id(2)]).await;
    agent.kill().await;
    let before = rig.state.load().await.unwrap();
    assert_eq!(
        before.accepted.as_ref().unwrap().version,
        ManifestVersion::FIRST
    );
    assert_eq!(
        (
            before.documents.len(),
            before.current.len(),
            before.capabilities.len()
        ),
        (2, 2, 1)
    );

    let busy = refused(&path).await;
    assert!(busy.to_string().contains("another process"), "{busy}");
    let busy = FileStore::set_aside(&path).unwrap_err();
    assert!(busy.to_string().contains("another process"), "{busy}");
    assert!(path.exists());
    rig.state = Arc::new(margo_client::state::MemoryState::new());
    let reopened = open_when_free(&path, &client_of("one")).await;
    assert_eq!(reopened.load().await.unwrap(), before);
}

#[tokio::test]
async fn a_file_of_another_client_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    drop(FileStore::open(&path, &client_of("other")).await.unwrap());
    let error = refused(&path).await;
    assert!(
        error
            .to_string()
            .contains("the WFM client spiffe://margo.test/margo/wfm/other/client/edge"),
        "{error}"
    );
    assert!(error.to_string().contains("decommission"), "{error}");
}

#[tokio::test]
async fn damage_is_said_and_never_an_empty_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = FileStore::open(&path, &client_of("one")).await.unwrap();
    let document: Arc<[u8]> = vec![b'x'; 100_000].into();
    store
        .commit(&[Change::Store(Digest::of(&document), document)])
        .await
        .unwrap();
    drop(store);
    let whole = fs::read(&path).unwrap();
    let mut found = 0;
    for length in [0, 1, 100, 4096, whole.len() / 2] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = refused(&path).await;
        assert!(
            error.to_string().contains("damaged"),
            "{length} bytes: {error}"
        );
        assert_eq!(fs::read(&path).unwrap().len(), length, "it was changed");
        found += 1;
    }
    fs::write(&path, b"this is no state at all, but some text\n").unwrap();
    refused(&path).await;
    assert_eq!(found, 5);

    // Only a person starts anew; what was there is kept.
    let aside = FileStore::set_aside(&path).unwrap();
    assert!(aside.exists() && !path.exists());
    let store = FileStore::open(&path, &client_of("one")).await.unwrap();
    assert!(store.load().await.unwrap().documents.is_empty());
}

#[tokio::test]
async fn a_flipped_bit_in_a_document_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = FileStore::open(&path, &client_of("one")).await.unwrap();
    let document: Arc<[u8]> = b"the-document-that-will-be-damaged".as_slice().into();
    store
        .commit(&[Change::Store(Digest::of(&document), document)])
        .await
        .unwrap();
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes
        .windows(12)
        .position(|it| it == b"the-document")
        .unwrap();
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    refused(&path).await;
}
