//! The file that keeps what a fleet manager answered.

use std::collections::BTreeSet;
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use margo_types::Digest;
use margo_types::id::ClientId;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::files;
use crate::identity::Material;

/// A fleet manager and what this device is to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    format: u32,
    /// The fleet manager's base URL.
    pub(super) url: String,
    /// The keys that it was recognised by: as long as one of them is trusted, it is the same fleet manager.
    trusted_keys: BTreeSet<String>,
    /// The id of the key that this device had when it first turned to the fleet manager.
    pub(super) first_key: String,
    /// What the fleet manager answered.
    client: Option<RecordedClient>,
}

/// A client of the fleet manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordedClient {
    pub(super) id: ClientId,
    /// The id of the key that it was given to.
    key: String,
    /// The digest of the certificate.
    pub(super) certificate: Digest,
}

impl Record {
    /// What is kept of this fleet manager; a new record where there is nothing. What is kept of another one stays in the
    /// file until this one has answered.
    pub(super) async fn open(
        path: PathBuf,
        url: String,
        material: Arc<Material>,
    ) -> Result<Self, Error> {
        blocking(move || match files::read_regular(&path) {
            Ok(bytes) => {
                let found = Self::read(&path, &bytes)?;
                Ok(found.of(url, &material))
            }
            Err(error) if error.kind() == Io::NotFound => {
                let fresh = Self::new(url, material.key_id().to_owned(), &material);
                fresh.write(&path)?;
                Ok(fresh)
            }
            Err(error) => Err(no_access(&path, error)),
        })
        .await
    }

    /// Whether the fleet manager that is trusted now is the one of this record.
    pub(super) fn is_of(&self, material: &Material) -> bool {
        !self.trusted_keys.is_disjoint(&material.trusted_keys)
    }

    /// The client that this key is to the fleet manager that is trusted now.
    pub(super) fn client_of(&self, material: &Material) -> Option<&RecordedClient> {
        let client = self.client.as_ref().filter(|_| self.is_of(material));
        client.filter(|client| client.key == material.key_id())
    }

    /// The id that the fleet manager that is trusted now gave last, to whichever key.
    pub(super) fn last_id(&self, material: &Material) -> Option<&ClientId> {
        let client = self.client.as_ref().filter(|_| self.is_of(material));
        client.map(|client| &client.id)
    }

    /// Follows a trust that changes key by key; `true` when there is something to be written.
    pub(super) fn follow(&mut self, material: &Material) -> bool {
        let is_moved = self.is_of(material) && self.trusted_keys != material.trusted_keys;
        if is_moved {
            self.trusted_keys.clone_from(&material.trusted_keys);
        }
        is_moved
    }

    /// Notes what the fleet manager answered.
    pub(super) fn enrolled(&mut self, id: ClientId, material: &Material) {
        self.trusted_keys.clone_from(&material.trusted_keys);
        self.client = Some(RecordedClient {
            id,
            key: material.key_id().to_owned(),
            certificate: material.digest(),
        });
    }

    /// Writes the record; when this returns, it survives a power cut.
    pub(super) async fn save(&self, path: PathBuf) -> Result<(), Error> {
        let record = self.clone();
        blocking(move || record.write(&path)).await
    }

    fn new(url: String, first_key: String, material: &Material) -> Self {
        Self {
            format: FORMAT,
            url,
            trusted_keys: material.trusted_keys.clone(),
            first_key,
            client: None,
        }
    }

    fn read(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let path = path.display();
        let damaged = |error| {
            let message = format!(
                "{path} is not the record of an enrolment, or is damaged; move it away, and the device asks the fleet manager again"
            );
            Error::new(ErrorKind::State, message).because(error)
        };
        let record: Self = serde_json::from_slice(bytes).map_err(damaged)?;
        if record.format != FORMAT {
            let message = format!(
                "the record of the enrolment {path} has format {}, newer than {FORMAT}; use the version of the agent that wrote it",
                record.format
            );
            return Err(Error::new(ErrorKind::State, message));
        }
        Ok(record)
    }

    /// The record as one of the fleet manager that is configured now.
    fn of(self, url: String, material: &Material) -> Self {
        if self.url != url {
            return Self::new(url, material.key_id().to_owned(), material);
        }
        if !self.is_of(material) {
            // Whose state it is does not change with the authority behind a URL; what the other one answered is worth
            // nothing.
            return Self::new(url, self.first_key, material);
        }
        self
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from);
        text.and_then(|text| files::write_durably(path, &text))
            .map_err(|error| no_access(path, error))
    }
}

fn no_access(path: &Path, error: std::io::Error) -> Error {
    let message = format!(
        "the record of the enrolment {} cannot be read or written; check that its folder exists, the disk and the permissions",
        path.display()
    );
    Error::new(ErrorKind::State, message).because(error)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|ended| {
            let message =
                "the record of the enrolment was not read or written, because the program ends";
            Err(Error::new(ErrorKind::State, message).because(ended))
        })
}

const FORMAT: u32 = 1;
