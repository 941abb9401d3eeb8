//! A state file that is sound, with rows that make no sense: of a newer agent, or of somebody who edited it.

use jiff::Timestamp;
use margo_client::outbox;
use margo_client::state::{Change, FileStore, StateStore as _};
use margo_types::Digest;
use margo_types::id::DeploymentId;
use margo_types::manifest::ManifestVersion;
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus};
use redb::{Database, TableDefinition};

use super::answers::runtime;
use super::state::{owner, refused};

/// Rows, one line each: the table, the key, and the value, as in
///
/// ```text
/// texts accepted {"version":1,"digest":"sha256:…","tag":null,"deployments":{}}
/// documents {digest} the text of a document, under its digest
/// outbox 7 {"at":"2026-12-01T00:00:00Z","status":{…}}
/// ```
///
/// They are loaded, and can be worked with, or refused.
pub fn rows(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    runtime().block_on(async {
        drop(FileStore::open(&path, &owner()).await.expect("a new state"));
        let database = Database::open(&path).expect("a sound file");
        insert(&database, text).expect("it takes anything");
        drop(database);
        let store = match FileStore::open(&path, &owner()).await {
            Ok(store) => store,
            Err(error) => return refused(&error, &path),
        };
        let mut state = match store.load().await {
            Ok(state) => state,
            Err(error) => return refused(&error, &path),
        };
        let _ = (state.check(), outbox::due(&state));
        let number = state.outbox.len();
        for change in outbox::enqueue(&state, report(), Timestamp::UNIX_EPOCH) {
            state.apply(change);
        }
        assert!(state.outbox.len() <= number + 1);
        let last = state
            .outbox
            .values()
            .next_back()
            .map(|report| &report.status);
        assert!(
            last == Some(&report()) || state.last.get(&report().deployment_id) == Some(&report()),
            "a report was lost"
        );
        let change = Change::Forget(report().deployment_id);
        store
            .commit(std::slice::from_ref(&change))
            .await
            .expect("committed");
    });
}

fn insert(database: &Database, text: &str) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for line in text.lines().take(MOST_ROWS) {
        let mut words = line.splitn(3, ' ');
        let [Some(table), Some(key), Some(value)] = [words.next(), words.next(), words.next()]
        else {
            continue;
        };
        match table {
            "numbers" => {
                let table = TableDefinition::<&str, u64>::new("numbers");
                let value = value.parse::<u64>().unwrap_or_default();
                transaction.open_table(table)?.insert(key, value)?;
            }
            "outbox" => {
                let table = TableDefinition::<u64, &str>::new("outbox");
                let key = key.parse::<u64>().unwrap_or_default();
                transaction.open_table(table)?.insert(key, value)?;
            }
            "documents" => {
                let table = TableDefinition::<&[u8], &[u8]>::new("documents");
                let digest = Digest::of(value.as_bytes());
                let named = key == "{digest}";
                let key: &[u8] = if named {
                    digest.as_bytes()
                } else {
                    key.as_bytes()
                };
                transaction
                    .open_table(table)?
                    .insert(key, value.as_bytes())?;
            }
            "texts" | "current" | "last" | "capabilities" => {
                let table = TableDefinition::<&str, &str>::new(table);
                transaction.open_table(table)?.insert(key, value)?;
            }
            _ => {}
        }
    }
    transaction.commit()?;
    Ok(())
}

fn report() -> DeploymentStatus {
    let name = "hello".parse().expect("a name");
    let component = ComponentStatus::new(name, DeploymentState::Installed);
    let id = DeploymentId::from_uuid_bytes([7; 16]);
    DeploymentStatus::new(id, ManifestVersion::FIRST, vec![component])
}

const MOST_ROWS: usize = 32;
