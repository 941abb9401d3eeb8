//! Publishing and fetching whole packages and components, through any [`ArtifactStore`] (rc3.md sections 1.4 and 8).
//!
//! | what | push | pull |
//! |---|---|---|
//! | application package | [`push_package`] | [`pull_package`] |
//! | Compose component | [`push_compose`] | [`pull_component`] |
//! | Helm chart | [`push_chart`] | [`pull_component`] |
//! | component beside a package | [`find_components`], [`push_component`] | |
//! | Compose component of rc.1, behind a URL | | [`fetch_archive`] |
//!
//! Blobs go before their manifest, so a store never shows half an artefact. What is pulled is a file only when it is
//! complete and its digest is right. The manifests we write depend on the content alone: the same content has
//! the same digest everywhere. Give an [`Observed`](crate::oci::Observed) store to see how far a transfer is.

mod beside;
mod chart;
mod component;
mod compose;
mod error;
mod fetch;
mod package;
mod packed;

use bytes::Bytes;
use margo_types::oci::{Descriptor, PackageManifest};
use margo_types::{Digest, SpecVersion};

pub use self::beside::{ComponentPlace, FoundComponent, find_components, push_component};
pub use self::chart::push_chart;
pub use self::component::{ComponentKind, PulledComponent, component_reference, pull_component};
pub use self::compose::{ComponentInfo, push_compose};
pub use self::error::PublishError;
pub use self::fetch::{FetchOptions, Fetched, fetch_archive};
pub use self::package::{PulledPackage, pull_package, push_package};
pub use self::packed::Packed;
use crate::oci::{ArtifactStore, BlobSource, Manifest, OciError, Reference};

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// Where it is, with its tag.
    pub reference: Reference,
    /// The digest of its manifest.
    pub digest: Digest,
}

/// Puts blobs and then the manifest that lists them under the reference's tag.
async fn push(
    store: &dyn ArtifactStore,
    target: Reference,
    manifest: &[u8],
    blobs: &[(&Descriptor, &dyn BlobSource)],
) -> Result<Pushed, PublishError> {
    let failed = |source| PublishError::transfer(&target, source);
    let manifest = Manifest::read(manifest, None)
        .map_err(|error| PublishError::manifest(&target, error.to_string()))?;
    for (descriptor, source) in blobs {
        store
            .push_blob(&target, descriptor, *source)
            .await
            .map_err(failed)?;
    }
    store
        .push_manifest(&target, &manifest)
        .await
        .map_err(failed)?;
    Ok(Pushed {
        digest: manifest.digest(),
        reference: target,
    })
}

/// The bytes of a manifest; the same manifest has the same.
fn write_manifest(target: &Reference, manifest: &PackageManifest) -> Result<Vec<u8>, PublishError> {
    margo_types::write(manifest, SpecVersion::NEWEST)
        .map_err(|error| PublishError::manifest(target, error.to_string()))
}

/// The reference with this version as its tag: which it has already, or no tag at all.
fn tagged(reference: &Reference, version: &str) -> Result<Reference, PublishError> {
    if reference.digest().is_some() {
        return Err(PublishError::Reference {
            artefact: reference.to_string(),
            why: "what is pushed gets a digest and cannot be given one; remove it".to_owned(),
        });
    }
    if reference.tag().is_some_and(|tag| tag != version) {
        return Err(PublishError::Tag {
            artefact: reference.to_string(),
            version: version.to_owned(),
        });
    }
    reference
        .with_tag(version)
        .map_err(|error| PublishError::Reference {
            artefact: reference.name(),
            why: error.to_string(),
        })
}

impl PublishError {
    fn transfer(reference: &Reference, source: OciError) -> Self {
        Self::Transfer {
            artefact: reference.to_string(),
            source,
        }
    }

    fn manifest(reference: &Reference, why: impl Into<String>) -> Self {
        Self::Manifest {
            artefact: reference.to_string(),
            why: why.into(),
        }
    }

    fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File {
            artefact: path.display().to_string(),
            source,
        }
    }
}

/// Runs what reads files or compresses where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, PublishError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(PublishError::File {
                artefact: "the work".to_owned(),
                source: std::io::Error::other("the program is shutting down"),
            }),
        },
    }
}

/// The bytes of the OCI empty blob.
const EMPTY: Bytes = Bytes::from_static(b"{}");
