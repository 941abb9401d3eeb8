//! What a registry holds of a package: manifest and tags (rc3.md section 8).

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::extra::Extra;

/// The OCI image manifest of an application package or a Compose component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct PackageManifest {
    /// 2, as the OCI image specification has it.
    #[cfg_attr(feature = "schema", schemars(extend("const" = 2)))]
    pub schema_version: u32,
    /// [`crate::media_type::OCI_MANIFEST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// [`crate::media_type::PACKAGE`] or [`crate::media_type::COMPOSE_COMPONENT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The OCI empty descriptor, for an application package.
    pub config: Descriptor,
    /// The files.
    pub layers: Vec<Descriptor>,
    /// Annotations of the whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl PackageManifest {
    /// A manifest of an artefact of this type.
    pub fn new(
        artifact_type: impl Into<String>,
        config: Descriptor,
        layers: Vec<Descriptor>,
    ) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(crate::media_type::OCI_MANIFEST.to_owned()),
            artifact_type: Some(artifact_type.into()),
            config,
            layers,
            annotations: BTreeMap::new(),
            extra: Extra::default(),
        }
    }
}

/// A blob in a registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// The digest of the blob.
    pub digest: Digest,
    /// The length of the blob in bytes.
    pub size: u64,
    /// The blob itself, in base64, when it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Descriptor {
    /// The descriptor of these bytes.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.into(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            data: None,
            annotations: BTreeMap::new(),
            extra: Extra::default(),
        }
    }

    /// The OCI empty descriptor: `{}`.
    pub fn empty() -> Self {
        Self {
            data: Some("e30=".to_owned()),
            ..Self::of(crate::media_type::OCI_EMPTY, b"{}")
        }
    }
}

/// The tags of a repository: the versions of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct TagList {
    /// The repository's name.
    pub name: String,
    /// The tags.
    pub tags: Vec<String>,
}

/// The key of the annotation that marks a resource layer (rc3.md ambiguity 63).
pub const RESOURCE_ANNOTATION: &str = "org.margo.app.resource";
/// The key of the annotation with a layer's path in the package.
pub const TITLE_ANNOTATION: &str = "org.opencontainers.image.title";
/// The key of the annotation with a component's type, on the layer of a Compose component.
pub const COMPONENT_TYPE_ANNOTATION: &str = "org.margo.component.type";
/// The key of the annotation with a component's version, on the layer of a Compose component.
pub const COMPONENT_VERSION_ANNOTATION: &str = "org.margo.component.version";
