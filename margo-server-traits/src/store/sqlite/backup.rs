//! Copying a store that is in use.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::SqliteStore;
use super::file::private;
use crate::store::StoreError;

impl SqliteStore {
    /// Copies everything into a new file, as of one instant. Reading goes on meanwhile; changes wait.
    ///
    /// # Errors
    /// [`StoreError::Unopened`] when there is a file already, or none can be made. Nothing is left behind then.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        let to = to.as_ref();
        let unopened = |error: io::Error| StoreError::Unopened {
            path: to.to_owned(),
            why: error.to_string(),
        };
        // SQLite fills an empty file, and leaves its mode alone.
        let file = private(OpenOptions::new().write(true).create_new(true))
            .open(to)
            .map_err(unopened)?;
        let copied = self.copy(to, &file).await;
        if copied.is_err() {
            // What is left is no backup; the first error says why.
            let _ = std::fs::remove_file(to);
        }
        copied
    }

    async fn copy(&self, to: &Path, file: &File) -> Result<(), StoreError> {
        let path = to.to_str().ok_or_else(|| StoreError::Unopened {
            path: to.to_owned(),
            why: "its name is not UTF-8; choose another".to_owned(),
        })?;
        let vacuum = sqlx::query("VACUUM INTO ?").bind(path);
        let done = vacuum.execute(&self.writer).await;
        done.map_err(|error| self.failed(error))?;
        file.sync_all().map_err(|error| StoreError::Unopened {
            path: to.to_owned(),
            why: error.to_string(),
        })
    }
}
