//! What every place that holds artefacts can do.

use std::fmt;

use async_trait::async_trait;
use margo_types::Digest;
use margo_types::oci::Descriptor;
use tokio::io::AsyncWrite;

use super::blob::BlobSource;
use super::error::OciError;
use super::manifest::Manifest;
use super::reference::Reference;

/// A place that holds artefacts: a registry, a layout directory or a layout archive.
///
/// A store never hands out bytes that do not have the digest and size they were asked for by; a sink may
/// have received some of them before that shows, so nothing in it counts until the call returned `Ok`.
#[async_trait]
pub trait ArtifactStore: fmt::Debug + Send + Sync {
    /// The digest that the reference stands for now.
    async fn resolve(&self, reference: &Reference) -> Result<Digest, OciError> {
        Ok(self.pull_manifest(reference).await?.digest())
    }

    /// The manifest that the reference names, at most 4 MiB.
    async fn pull_manifest(&self, reference: &Reference) -> Result<Manifest, OciError>;

    /// Writes a blob of the reference's repository into `sink`, checking size and digest on the way.
    async fn pull_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<(), OciError>;

    /// Puts a blob into the reference's repository, unless it is there.
    ///
    /// The source must give exactly the bytes of the descriptor.
    async fn push_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        source: &dyn BlobSource,
    ) -> Result<Pushed, OciError>;

    /// Puts a manifest under the reference's tag or digest, after all its blobs.
    async fn push_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<(), OciError>;

    /// The tags of the reference's repository, sorted, each once.
    async fn tags(&self, reference: &Reference) -> Result<Vec<String>, OciError>;

    /// The manifests in the reference's repository whose `subject` is this digest, such as signatures.
    async fn referrers(
        &self,
        reference: &Reference,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, OciError>;

    /// Makes everything that was pushed durable; only an archive has to do something here.
    async fn commit(&self) -> Result<(), OciError> {
        Ok(())
    }
}

/// What pushing a blob did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The bytes were sent.
    Sent,
    /// The store had them already.
    Existed,
}
