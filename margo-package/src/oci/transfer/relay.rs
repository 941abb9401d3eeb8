//! A blob of one store as the source for another.

use std::io;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use margo_types::oci::Descriptor;
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncWriteExt as _};
use tokio::sync::OnceCell;

use super::writer;
use crate::oci::blob::BlobSource;
use crate::oci::error::{OciError, Place};
use crate::oci::reference::Reference;
use crate::oci::store::ArtifactStore;

/// Pulls the blob into a temporary file when somebody wants its bytes, and not before: a target that has the
/// blob already never asks.
pub(super) struct Relay<'a> {
    from: &'a dyn ArtifactStore,
    reference: &'a Reference,
    blob: &'a Descriptor,
    file: OnceCell<NamedTempFile>,
    fault: Mutex<Option<OciError>>,
}

impl<'a> Relay<'a> {
    pub(super) fn new(
        from: &'a dyn ArtifactStore,
        reference: &'a Reference,
        blob: &'a Descriptor,
    ) -> Self {
        Self {
            from,
            reference,
            blob,
            file: OnceCell::new(),
            fault: Mutex::new(None),
        }
    }

    /// What went wrong at the side of the source, which the target could only call unreadable.
    pub(super) fn fault(&self) -> Option<OciError> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    async fn pull(&self) -> Result<NamedTempFile, OciError> {
        let place = Place::new(self.reference, "temporary folder");
        let failed = |error| OciError::file(&place, std::env::temp_dir().display(), error);
        let temporary = NamedTempFile::new().map_err(failed)?;
        let mut file = writer(&temporary).map_err(failed)?;
        self.from
            .pull_blob(self.reference, self.blob, &mut file)
            .await?;
        file.flush().await.map_err(failed)?;
        Ok(temporary)
    }
}

#[async_trait]
impl BlobSource for Relay<'_> {
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        let pulled = self.file.get_or_try_init(|| self.pull()).await;
        let file = pulled.map_err(|error| {
            *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            io::Error::other("the source store did not give the blob")
        })?;
        file.path().to_owned().open().await
    }
}
