//! OCI image layouts in a folder: `oci-layout`, `index.json` and `blobs/sha256/*`
//! (OCI image specification 1.1, "OCI Image Layout Specification").

pub(super) mod files;
mod names;
mod store;

pub(super) use self::files::{Folder, Members};
pub(super) use self::store::Layout;

use std::path::Path;

use async_trait::async_trait;
use margo_types::Digest;
use margo_types::oci::Descriptor;
use tokio::io::AsyncWrite;

use super::blob::BlobSource;
use super::error::{OciError, Place};
use super::manifest::Manifest;
use super::reference::Reference;
use super::store::{ArtifactStore, Pushed};

/// A folder with artefacts of any number of repositories.
///
/// A tag is kept twice: as `org.opencontainers.image.ref.name`, which is what `skopeo` reads, and with
/// registry and repository as `io.containerd.image.name`, so that equal tags of several repositories do
/// not meet. A layout of another tool that has only tags answers for every repository.
///
/// One process at a time may push; any number may pull.
#[derive(Debug)]
pub struct LayoutDirectory(Layout);

impl LayoutDirectory {
    /// An existing layout.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OciError> {
        let place = Place::new("layout", path.as_ref().display());
        let folder = Folder::new(path.as_ref());
        folder.check_version(&place).await?;
        Ok(Self(Layout::new(folder, path.as_ref().display(), None)))
    }

    /// A layout that is made if it is not there; so is its folder.
    pub async fn create(path: impl AsRef<Path>) -> Result<Self, OciError> {
        let place = Place::new("layout", path.as_ref().display());
        Folder::new(path.as_ref()).initialise(None, &place).await?;
        Self::open(path).await
    }

    /// The references of all artefacts in it, signatures among them.
    pub async fn references(&self) -> Result<Vec<Reference>, OciError> {
        self.0.references().await
    }
}

/// Both kinds of layout do the same.
macro_rules! artifact_store {
    ($type:ty $(, commit: $commit:ident)?) => {
        #[async_trait]
        impl ArtifactStore for $type {
            async fn pull_manifest(&self, reference: &Reference) -> Result<Manifest, OciError> {
                self.0.pull_manifest(reference).await
            }

            async fn pull_blob(
                &self,
                reference: &Reference,
                blob: &Descriptor,
                sink: &mut (dyn AsyncWrite + Send + Unpin),
            ) -> Result<(), OciError> {
                self.0.pull_blob(reference, blob, sink).await
            }

            async fn push_blob(
                &self,
                reference: &Reference,
                blob: &Descriptor,
                source: &dyn BlobSource,
            ) -> Result<Pushed, OciError> {
                self.0.push_blob(reference, blob, source).await
            }

            async fn push_manifest(
                &self,
                reference: &Reference,
                manifest: &Manifest,
            ) -> Result<(), OciError> {
                self.0.push_manifest(reference, manifest).await
            }

            async fn tags(&self, reference: &Reference) -> Result<Vec<String>, OciError> {
                self.0.tags(reference).await
            }

            async fn referrers(
                &self,
                reference: &Reference,
                subject: Digest,
                artifact_type: Option<&str>,
            ) -> Result<Vec<Descriptor>, OciError> {
                self.0.referrers(reference, subject, artifact_type).await
            }
            $(
                async fn commit(&self) -> Result<(), OciError> {
                    self.$commit().await
                }
            )?
        }
    };
}
pub(super) use artifact_store;

artifact_store!(LayoutDirectory);
