//! The state of an agent that was killed.

use std::path::Path;
use std::time::{Duration, Instant};

use margo_client::state::{FileStore, Owner};

/// Opens it as soon as it is free: what the agent had begun to write is written to its end.
pub(crate) async fn open_when_free(path: &Path, owner: impl Into<Owner>) -> FileStore {
    let owner = owner.into();
    // The clock of the runtime may be stopped.
    let begun = Instant::now();
    loop {
        match FileStore::open(path, owner.clone()).await {
            Ok(store) => return store,
            Err(error) => assert!(
                error.to_string().contains("in use") && begun.elapsed() < PATIENCE,
                "{error}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const PATIENCE: Duration = Duration::from_mins(1);
