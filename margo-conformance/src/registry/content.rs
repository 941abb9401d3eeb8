//! What a registry holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use margo_types::Digest;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::route::Wanted;
use super::uploads::Uploads;

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Content {
    repositories: BTreeMap<String, Repository>,
    pub(super) uploads: Uploads,
}

/// One repository. It exists from the first push on.
#[derive(Debug, Default)]
pub(super) struct Repository {
    blobs: BTreeMap<Digest, Bytes>,
    manifests: BTreeMap<Digest, StoredManifest>,
    tags: BTreeMap<String, Digest>,
}

/// A manifest as it was pushed.
#[derive(Clone, Debug)]
pub(super) struct StoredManifest {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
    document: Value,
}

impl Content {
    /// The repository of this name.
    pub(super) fn repository(&mut self, name: &str) -> Result<&mut Repository, Refusal> {
        self.repositories
            .get_mut(name)
            .ok_or_else(|| Refusal::new(404, "NAME_UNKNOWN", "there is no such repository"))
    }

    pub(super) fn put_blob(&mut self, name: &str, digest: Digest, bytes: Bytes) {
        let repository = self.repositories.entry(name.to_owned()).or_default();
        repository.blobs.insert(digest, bytes);
    }

    /// Puts a blob of another repository, of any one if none is named, into this one; whether it was found.
    pub(super) fn mount(&mut self, name: &str, digest: Digest, from: Option<&str>) -> bool {
        let found = self
            .repositories
            .iter()
            .filter(|(name, _)| from.is_none_or(|from| from == *name))
            .find_map(|(_, repository)| repository.blobs.get(&digest).cloned());
        if let Some(bytes) = found {
            self.put_blob(name, digest, bytes);
            return true;
        }
        false
    }

    /// Keeps a manifest, and gives its digest and that of its subject.
    pub(super) fn put_manifest(
        &mut self,
        name: &str,
        wanted: Wanted<'_>,
        content_type: Option<&str>,
        bytes: &Bytes,
    ) -> Result<(Digest, Option<String>), Refusal> {
        let manifest = StoredManifest::read(content_type, bytes)?;
        let digest = Digest::of(bytes);
        if let Wanted::Digest(wanted) = wanted
            && wanted != digest
        {
            return Err(Refusal::new(
                400,
                "DIGEST_INVALID",
                format!("the manifest has the digest {digest}"),
            ));
        }
        let repository = self.repositories.entry(name.to_owned()).or_default();
        repository.check_parts(&manifest.document)?;
        let subject = manifest.subject().map(ToOwned::to_owned);
        repository.manifests.insert(digest, manifest);
        if let Wanted::Tag(tag) = wanted {
            repository.tags.insert(tag.to_owned(), digest);
        }
        Ok((digest, subject))
    }
}

impl Repository {
    pub(super) fn blob(&self, digest: &Digest) -> Result<&Bytes, Refusal> {
        self.blobs
            .get(digest)
            .ok_or_else(|| Refusal::new(404, "BLOB_UNKNOWN", "there is no such blob"))
    }

    pub(super) fn delete_blob(&mut self, digest: &Digest) -> Result<(), Refusal> {
        self.blob(digest)?;
        self.blobs.remove(digest);
        Ok(())
    }

    pub(super) fn manifest(
        &self,
        wanted: Wanted<'_>,
    ) -> Result<(Digest, &StoredManifest), Refusal> {
        let digest = match wanted {
            Wanted::Digest(digest) => Some(digest),
            Wanted::Tag(tag) => self.tags.get(tag).copied(),
        };
        digest
            .and_then(|digest| Some((digest, self.manifests.get(&digest)?)))
            .ok_or_else(|| Refusal::new(404, "MANIFEST_UNKNOWN", "there is no such manifest"))
    }

    /// Removes a tag, or a manifest with all its tags.
    pub(super) fn delete_manifest(&mut self, wanted: Wanted<'_>) -> Result<(), Refusal> {
        self.manifest(wanted)?;
        match wanted {
            Wanted::Tag(tag) => drop(self.tags.remove(tag)),
            Wanted::Digest(digest) => {
                self.manifests.remove(&digest);
                self.tags.retain(|_, tagged| *tagged != digest);
            }
        }
        Ok(())
    }

    /// The tags after `last`, in order.
    pub(super) fn tags_after(&self, last: Option<&str>) -> Vec<&str> {
        let after = |tag: &&str| last.is_none_or(|last| *tag > last);
        self.tags.keys().map(String::as_str).filter(after).collect()
    }

    /// Descriptors of the manifests that have this subject.
    pub(super) fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Vec<Value> {
        let subject = subject.to_string();
        self.manifests
            .iter()
            .filter(|(_, manifest)| manifest.subject() == Some(&subject))
            .filter(|(_, manifest)| {
                artifact_type.is_none_or(|wanted| manifest.artifact_type() == Some(wanted))
            })
            .map(|(digest, manifest)| manifest.descriptor(digest))
            .collect()
    }

    /// Everything a manifest refers to must be here already.
    fn check_parts(&self, document: &Value) -> Result<(), Refusal> {
        let digest = |part: &Value| part["digest"].as_str()?.parse::<Digest>().ok();
        let list = |key: &str| document[key].as_array().into_iter().flatten();
        let blobs = document.get("config").into_iter().chain(list("layers"));
        // What has URLs may be elsewhere.
        let here = |part: &&Value| part.get("urls").is_none();
        let mut missing = blobs
            .filter(here)
            .filter(|part| digest(part).is_none_or(|digest| !self.blobs.contains_key(&digest)))
            .chain(list("manifests").filter(|part| {
                digest(part).is_none_or(|digest| !self.manifests.contains_key(&digest))
            }));
        match missing.next() {
            None => Ok(()),
            Some(part) => Err(Refusal::new(
                404,
                "MANIFEST_BLOB_UNKNOWN",
                format!("{} is not here; push it first", part["digest"]),
            )),
        }
    }
}

impl StoredManifest {
    fn read(content_type: Option<&str>, bytes: &Bytes) -> Result<Self, Refusal> {
        let invalid = |why: &str| Refusal::new(400, "MANIFEST_INVALID", why);
        let document: Value = serde_json::from_slice(bytes)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| invalid("the manifest is not a JSON object"))?;
        let own = document["mediaType"].as_str();
        let media_type = content_type
            .or(own)
            .ok_or_else(|| invalid("the manifest has no media type"))?;
        if own.is_some_and(|own| own != media_type) {
            return Err(invalid(
                "Content-Type differs from the manifest's mediaType",
            ));
        }
        Ok(Self {
            media_type: media_type.to_owned(),
            bytes: bytes.clone(),
            document,
        })
    }

    fn subject(&self) -> Option<&str> {
        self.document["subject"]["digest"].as_str()
    }

    fn artifact_type(&self) -> Option<&str> {
        self.document["artifactType"]
            .as_str()
            .or_else(|| self.document["config"]["mediaType"].as_str())
    }

    fn descriptor(&self, digest: &Digest) -> Value {
        let mut descriptor = json!({
            "mediaType": self.media_type,
            "digest": digest.to_string(),
            "size": self.bytes.len(),
        });
        if let Some(artifact_type) = self.artifact_type() {
            descriptor["artifactType"] = json!(artifact_type);
        }
        if let Some(annotations) = self.document.get("annotations") {
            descriptor["annotations"] = annotations.clone();
        }
        descriptor
    }
}
