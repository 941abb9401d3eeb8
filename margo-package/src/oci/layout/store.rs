//! The operations on a layout, wherever its files are.

use std::fmt;

use margo_types::Digest;
use margo_types::oci::Descriptor;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex, RwLock};

use super::files::{Folder, Members, Opened};
use super::names;
use crate::oci::blob::{BlobSource, copy_checked};
use crate::oci::error::{Failure, Misbehaviour, OciError, Place, Refusal};
use crate::oci::index::Entry;
use crate::oci::manifest::{MAX_MANIFEST, Manifest};
use crate::oci::reference::Reference;
use crate::oci::store::Pushed;
use crate::oci::transfer::{publish, temporary_beside, writer};

/// A layout in a folder. Blobs that are not there may be in an archive under it.
#[derive(Debug)]
pub(in crate::oci) struct Layout {
    pub(in crate::oci) folder: Folder,
    pub(in crate::oci) archive: Option<RwLock<Members>>,
    name: String,
    /// Held while the index is changed.
    editing: Mutex<()>,
}

impl Layout {
    pub(in crate::oci) fn new(
        folder: Folder,
        name: impl fmt::Display,
        archive: Option<Members>,
    ) -> Self {
        Self {
            folder,
            archive: archive.map(RwLock::new),
            name: format!("layout {name}"),
            editing: Mutex::new(()),
        }
    }

    pub(in crate::oci) fn place(&self, artefact: impl fmt::Display) -> Place {
        Place::new(artefact, &self.name)
    }

    /// What is in the index, by names that [`pull_manifest`](Self::pull_manifest) takes.
    pub(in crate::oci) async fn references(&self) -> Result<Vec<Reference>, OciError> {
        let index = self.folder.index(&self.place("layout")).await?;
        Ok(index
            .manifests
            .iter()
            .filter_map(names::reference_of)
            .collect())
    }

    pub(in crate::oci) async fn pull_manifest(
        &self,
        reference: &Reference,
    ) -> Result<Manifest, OciError> {
        let place = self.place(reference);
        let (digest, media_type) = match reference.digest() {
            Some(digest) => (digest, None),
            None => self.named(reference, &place).await?,
        };
        let bytes = self
            .open_blob(digest, &place)
            .await?
            .all("manifest", &place)
            .await?;
        let found = Digest::of(&bytes);
        if found != digest {
            let fault = Misbehaviour::Digest {
                expected: digest,
                found,
            };
            return Err(OciError::misbehaved(&place, fault));
        }
        Manifest::read(&bytes, media_type.as_deref()).map_err(|error| error.at(&place))
    }

    /// What the tag stands for in the index.
    async fn named(
        &self,
        reference: &Reference,
        place: &Place,
    ) -> Result<(Digest, Option<String>), OciError> {
        if reference.tag().is_none() {
            let problem = "there is neither a tag nor a digest";
            return Err(OciError::misused(place, problem, "add one, such as :1.0.0"));
        }
        let index = self.folder.index(place).await?;
        let entry = names::find(&index, reference).ok_or_else(|| {
            OciError::refused(
                place,
                Refusal::NotFound {
                    detail: String::new(),
                },
            )
        })?;
        let digest = entry.digest().ok_or_else(|| {
            OciError::malformed(place, "index.json", "a digest is not of SHA-256")
        })?;
        Ok((digest, Some(entry.media_type.clone())))
    }

    pub(in crate::oci) async fn pull_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<(), OciError> {
        let place = self.place(reference);
        let mut opened = self.open_blob(blob.digest, &place).await?;
        copy_checked(&mut opened.reader, blob, sink, &place).await
    }

    pub(in crate::oci) async fn push_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        source: &dyn BlobSource,
    ) -> Result<Pushed, OciError> {
        let place = self.place(reference);
        let existing = self.find_blob(blob.digest, &place).await?;
        if existing.is_some_and(|existing| existing.length == blob.size) {
            return Ok(Pushed::Existed);
        }
        let path = self.folder.blob_path(blob.digest);
        let failed = |error| OciError::file(&place, path.display(), error);
        let temporary = temporary_beside(&path).map_err(failed)?;
        let mut file = writer(&temporary).map_err(failed)?;
        let mut reader = source
            .open()
            .await
            .map_err(|error| OciError::environment(&place, Failure::LocalEnd, error))?;
        copy_checked(&mut reader, blob, &mut file, &place)
            .await
            .map_err(|error| match error {
                OciError::PeerMisbehaved { fault, .. } => OciError::misused(
                    &place,
                    format!("the source is not what the descriptor says: {fault}"),
                    "make the descriptor from the same bytes",
                ),
                other => other,
            })?;
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        publish(temporary, &path).map_err(failed)?;
        Ok(Pushed::Sent)
    }

    pub(in crate::oci) async fn push_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<(), OciError> {
        let place = self.place(reference);
        let digest = manifest.digest();
        if reference.digest().is_some_and(|pinned| pinned != digest) {
            let problem = format!("the manifest has the digest {digest}");
            return Err(OciError::misused(
                &place,
                problem,
                "push it under a tag or its own digest",
            ));
        }
        for blob in manifest.blobs() {
            if self.find_blob(blob.digest, &place).await?.is_none() {
                let problem = format!("its blob {} is not there", blob.digest);
                return Err(OciError::misused(
                    &place,
                    problem,
                    "push the blobs before the manifest",
                ));
            }
        }
        let _editing = self.editing.lock().await;
        let path = self.folder.blob_path(digest);
        self.folder.replace(&path, manifest.bytes(), &place).await?;
        let mut index = self.folder.index(&place).await?;
        names::insert(&mut index, Entry::of(manifest), reference);
        self.folder.write_index(&index, &place).await
    }

    pub(in crate::oci) async fn tags(
        &self,
        reference: &Reference,
    ) -> Result<Vec<String>, OciError> {
        let index = self.folder.index(&self.place(reference)).await?;
        let tags = index
            .manifests
            .iter()
            .filter_map(|entry| names::tag_of(entry, reference));
        let sorted: std::collections::BTreeSet<_> = tags.collect();
        Ok(sorted.into_iter().collect())
    }

    pub(in crate::oci) async fn referrers(
        &self,
        reference: &Reference,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, OciError> {
        let place = self.place(reference);
        let index = self.folder.index(&place).await?;
        if index.manifests.len() > MAX_MANIFESTS {
            let fault = Misbehaviour::TooMany {
                what: "manifests",
                limit: MAX_MANIFESTS,
            };
            return Err(OciError::misbehaved(&place, fault));
        }
        let mut found = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for entry in &index.manifests {
            let Some(digest) = entry.digest().filter(|digest| seen.insert(*digest)) else {
                continue;
            };
            if entry.size > MAX_MANIFEST {
                continue;
            }
            let bytes = self
                .open_blob(digest, &place)
                .await?
                .all("manifest", &place)
                .await?;
            // An index or a broken manifest refers to nothing that we could use.
            let Ok(manifest) = Manifest::read(&bytes, Some(&entry.media_type)) else {
                continue;
            };
            let is_wanted = manifest.digest() == digest
                && manifest.subject() == Some(subject)
                && artifact_type.is_none_or(|wanted| manifest.artifact_type() == Some(wanted));
            if is_wanted {
                found.extend(Entry::of(&manifest).descriptor());
            }
        }
        Ok(found)
    }

    async fn open_blob(&self, digest: Digest, place: &Place) -> Result<Opened, OciError> {
        self.find_blob(digest, place).await?.ok_or_else(|| {
            let detail = format!("no blob {digest}");
            OciError::refused(place, Refusal::NotFound { detail })
        })
    }

    async fn find_blob(&self, digest: Digest, place: &Place) -> Result<Option<Opened>, OciError> {
        let failed = |error| OciError::file(place, digest, error);
        if let Some(opened) = self.folder.open_blob(digest).await.map_err(failed)? {
            return Ok(Some(opened));
        }
        match &self.archive {
            Some(archive) => archive.read().await.open_blob(digest).await.map_err(failed),
            None => Ok(None),
        }
    }
}

const MAX_MANIFESTS: usize = 10_000;
