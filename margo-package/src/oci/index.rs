//! An OCI image index, as far as lists of referrers and layouts need it.

use std::collections::BTreeMap;

use margo_types::Digest;
use margo_types::oci::Descriptor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::manifest::{Manifest, OCI_INDEX};

/// A list of manifests.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    pub(crate) manifests: Vec<Entry>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

/// One manifest in the list. Its digest may be of an algorithm that we do not know.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl Index {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("it is not an image index ({error})"))
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    pub(crate) fn has(&self, digest: Digest) -> bool {
        let digest = digest.to_string();
        self.manifests.iter().any(|entry| entry.digest == digest)
    }
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(OCI_INDEX.to_owned()),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
            extra: Map::new(),
        }
    }
}

impl Entry {
    /// The entry of a manifest, without annotations.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self {
            media_type: manifest.media_type().to_owned(),
            digest: manifest.digest().to_string(),
            size: manifest.bytes().len() as u64,
            artifact_type: manifest.artifact_type().map(str::to_owned),
            annotations: BTreeMap::new(),
            extra: Map::new(),
        }
    }

    pub(crate) fn digest(&self) -> Option<Digest> {
        Digest::parse(&self.digest).ok()
    }

    pub(crate) fn descriptor(&self) -> Option<Descriptor> {
        let mut descriptor = Descriptor::of(self.media_type.as_str(), b"");
        descriptor.digest = self.digest()?;
        descriptor.size = self.size;
        descriptor.annotations.clone_from(&self.annotations);
        if let Some(artifact_type) = &self.artifact_type {
            let value = Value::String(artifact_type.clone());
            descriptor.extra.0.insert("artifactType".to_owned(), value);
        }
        Some(descriptor)
    }
}
