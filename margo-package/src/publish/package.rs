//! Application packages in stores (rc3.md section 8).

use std::collections::BTreeMap;

use bytes::Bytes;
use margo_types::media_type;

use super::{PublishError, Pushed, push, tagged};
use crate::oci::{ArtifactStore, BlobSource, Manifest, Reference, transfer};
use crate::package::{ApplicationPackage, PackageError, PackageLimits};

/// Pushes a package under its version, which is its tag; a reference without tag gets it.
///
/// # Errors
/// [`PublishError::Tag`] when the reference has another tag; [`PublishError::Transfer`].
pub async fn push_package(
    store: &dyn ArtifactStore,
    reference: &Reference,
    package: &ApplicationPackage,
) -> Result<Pushed, PublishError> {
    let target = tagged(reference, package.version())?;
    let artifact = package
        .to_artifact()
        .map_err(|source| unusable(&target, source))?;
    let sources: Vec<Bytes> = artifact
        .blobs
        .iter()
        .map(|blob| Bytes::from_owner(blob.bytes.clone()))
        .collect();
    let blobs: Vec<_> = artifact
        .blobs
        .iter()
        .zip(&sources)
        .map(|(blob, source)| (&blob.descriptor, source as &dyn BlobSource))
        .collect();
    push(store, target, &artifact.manifest, &blobs).await
}

/// A package as it came out of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PulledPackage {
    /// The package.
    pub package: ApplicationPackage,
    /// Its manifest.
    pub manifest: Manifest,
    /// The tag it was asked for by; [`ApplicationPackage::validate`] compares it with the version.
    pub tag: Option<String>,
}

/// Pulls a package. Layers that are no part of a package are left alone.
///
/// # Errors
/// [`PublishError::Type`] when it is another kind of artefact, [`PublishError::Package`] when it holds no readable
/// package within the limits, and [`PublishError::Transfer`].
pub async fn pull_package(
    store: &dyn ArtifactStore,
    reference: &Reference,
    limits: &PackageLimits,
) -> Result<PulledPackage, PublishError> {
    let failed = |source| PublishError::transfer(reference, source);
    let unusable = |source| unusable(reference, source);
    let manifest = store.pull_manifest(reference).await.map_err(failed)?;
    let found = manifest.artifact_type().unwrap_or_default();
    if found != media_type::PACKAGE {
        return Err(PublishError::Type {
            artefact: reference.to_string(),
            found: found.to_owned(),
            expected: media_type::PACKAGE,
        });
    }
    let place = reference.to_string();
    let mut blobs = BTreeMap::new();
    for layer in
        ApplicationPackage::wanted_blobs(&place, manifest.content(), limits).map_err(unusable)?
    {
        let bytes = transfer::blob_to_memory(store, reference, layer, layer.size)
            .await
            .map_err(failed)?;
        blobs.insert(layer.digest, bytes.as_ref().into());
    }
    let package = ApplicationPackage::from_blobs(&place, manifest.content(), &blobs, limits)
        .map_err(unusable)?;
    Ok(PulledPackage {
        package,
        manifest,
        tag: reference.tag().map(str::to_owned),
    })
}

fn unusable(reference: &Reference, source: PackageError) -> PublishError {
    PublishError::Package {
        artefact: reference.to_string(),
        source: Box::new(source),
    }
}
