//! Transfers: blobs into files and memory, whole artefacts from one store to another.

mod relay;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use margo_types::Digest;
use margo_types::oci::Descriptor;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use self::relay::Relay;
use super::blob::CHUNK;
use super::error::{Misbehaviour, OciError, Place};
use super::reference::Reference;
use super::store::ArtifactStore;

/// Pulls a blob into a file.
///
/// The file appears under its name only when it is complete, checked and on the disk; after a failure
/// nothing is left. An existing file is replaced.
pub async fn blob_to_file(
    store: &dyn ArtifactStore,
    reference: &Reference,
    blob: &Descriptor,
    path: &Path,
) -> Result<(), OciError> {
    let place = Place::new(reference, path.display());
    let failed = |error| OciError::file(&place, path.display(), error);
    let temporary = temporary_beside(path).map_err(failed)?;
    let mut file = writer(&temporary).map_err(failed)?;
    store.pull_blob(reference, blob, &mut file).await?;
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    publish(temporary, path).map_err(failed)?;
    Ok(())
}

/// Pulls a blob of at most `limit` bytes into memory.
pub async fn blob_to_memory(
    store: &dyn ArtifactStore,
    reference: &Reference,
    blob: &Descriptor,
    limit: u64,
) -> Result<Bytes, OciError> {
    let place = Place::new(reference, blob.digest);
    if blob.size > limit {
        return Err(OciError::misbehaved(
            &place,
            Misbehaviour::TooLarge {
                what: "blob",
                limit,
            },
        ));
    }
    let mut bytes = Vec::new();
    store.pull_blob(reference, blob, &mut bytes).await?;
    Ok(bytes.into())
}

/// Copies an artefact, manifest and blobs, byte for byte, and says its digest.
///
/// With [`Signatures::Follow`] everything that refers to the artefact goes along: what an air-gapped
/// site needs to verify it. Blobs that the target has are not pulled; the others pass through a
/// temporary file. Call [`ArtifactStore::commit`] on the target when all artefacts are there.
pub async fn copy(
    from: &dyn ArtifactStore,
    source: &Reference,
    to: &dyn ArtifactStore,
    target: &Reference,
    signatures: Signatures,
) -> Result<Digest, OciError> {
    let digest = copy_one(from, source, to, target).await?;
    if signatures == Signatures::Leave {
        return Ok(digest);
    }
    let tag = signature_tag(digest);
    if let (Ok(source), Ok(target)) = (source.with_tag(&tag), target.with_tag(&tag)) {
        match copy_one(from, &source, to, &target).await {
            Err(error) if !error.is_not_found() => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    let untagged = |reference: &Reference, digest| {
        Reference::parse(&format!("{}@{digest}", reference.name()))
            .map_err(|error| misspelt(reference, &error.to_string()))
    };
    for referrer in from.referrers(source, digest, None).await? {
        let source = untagged(source, referrer.digest)?;
        let target = untagged(target, referrer.digest)?;
        copy_one(from, &source, to, &target).await?;
    }
    Ok(digest)
}

/// Whether signatures and other referrers are copied with an artefact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// They are.
    Follow,
    /// They are not.
    Leave,
}

async fn copy_one(
    from: &dyn ArtifactStore,
    source: &Reference,
    to: &dyn ArtifactStore,
    target: &Reference,
) -> Result<Digest, OciError> {
    let manifest = from.pull_manifest(source).await?;
    for blob in manifest.blobs() {
        let relay = Relay::new(from, source, blob);
        let pushed = to.push_blob(target, blob, &relay).await;
        pushed.map_err(|error| relay.fault().unwrap_or(error))?;
    }
    to.push_manifest(target, &manifest).await?;
    Ok(manifest.digest())
}

/// The tag under which cosign keeps the signatures of a manifest.
pub(crate) fn signature_tag(digest: Digest) -> String {
    format!("sha256-{}.sig", digest.to_hex())
}

pub(crate) fn misspelt(reference: &Reference, why: &str) -> OciError {
    OciError::misused(
        &Place::new(reference, "reference"),
        why,
        "correct the reference",
    )
}

/// A temporary file that can be renamed to `path`.
pub(crate) fn temporary_beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".incoming-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As if the file had been made under its final name: the process's mask decides.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Gives a complete temporary file its name, so that it also survives a power cut.
pub(crate) fn publish(temporary: NamedTempFile, path: &Path) -> std::io::Result<()> {
    temporary.persist(path).map_err(|error| error.error)?;
    #[cfg(unix)]
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        // Not every file system can do this; those that cannot need it not.
        let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

/// A second handle to a temporary file, to write it without blocking.
pub(crate) fn writer(temporary: &NamedTempFile) -> std::io::Result<tokio::fs::File> {
    let mut file = tokio::fs::File::from_std(temporary.reopen()?);
    file.set_max_buf_size(CHUNK);
    Ok(file)
}
