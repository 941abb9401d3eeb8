//! The state manifest: everything a client should run, by digest (rc3.md section 3).

use std::fmt;
use std::num::NonZeroU64;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::extra::Extra;
use crate::id::DeploymentId;
use crate::media_type;

/// The desired state of one client, over all its devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(transform = crate::schema::also_required("bundle"))
)]
#[non_exhaustive]
pub struct StateManifest {
    /// Rises strictly with every manifest of a client.
    pub manifest_version: ManifestVersion,
    /// All deployments in one archive; null if and only if there are none. Never omitted.
    #[serde(deserialize_with = "Option::deserialize")]
    pub bundle: Option<BundleReference>,
    /// Every deployment of the client.
    pub deployments: Vec<DeploymentReference>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl StateManifest {
    /// A manifest of these deployments; `bundle` must be given if and only if there are some.
    pub fn new(
        manifest_version: ManifestVersion,
        bundle: Option<BundleReference>,
        deployments: Vec<DeploymentReference>,
    ) -> Self {
        Self {
            manifest_version,
            bundle,
            deployments,
            extra: Extra::default(),
        }
    }

    /// The reference to this deployment.
    pub fn deployment(&self, id: &DeploymentId) -> Option<&DeploymentReference> {
        self.deployments
            .iter()
            .find(|reference| reference.deployment_id == *id)
    }
}

/// The version of a state manifest: 1 to 2^64 - 1, exact, never a float.
///
/// One sequence per client, over all its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ManifestVersion(NonZeroU64);

impl ManifestVersion {
    /// The version of a client's first manifest.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The version with this number; `None` for 0.
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The version after this one; `None` after 2^64 - 1.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

#[cfg(feature = "schema")]
impl JsonSchema for ManifestVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ManifestVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": u64::MAX })
    }
}

impl fmt::Display for ManifestVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Refers to the archive with all deployments of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct BundleReference {
    /// [`media_type::BUNDLE`].
    #[cfg_attr(feature = "schema", schemars(extend("const" = media_type::BUNDLE)))]
    pub media_type: String,
    /// The digest of the archive.
    pub digest: Digest,
    /// Its length in bytes; advisory, never used for integrity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Where it is, relative to the fleet manager's root.
    pub url: String,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl BundleReference {
    /// A reference to an archive with this digest and length.
    pub fn new(digest: Digest, size_bytes: u64, url: impl Into<String>) -> Self {
        Self {
            media_type: media_type::BUNDLE.to_owned(),
            digest,
            size_bytes: Some(size_bytes),
            url: url.into(),
            extra: Extra::default(),
        }
    }
}

/// Refers to one deployment of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct DeploymentReference {
    /// The `id` in the deployment document.
    pub deployment_id: DeploymentId,
    /// The digest of the deployment document.
    pub digest: Digest,
    /// Its length in bytes; advisory, never used for integrity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Where it is, relative to the fleet manager's root.
    pub url: String,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl DeploymentReference {
    /// A reference to a document with this digest and length.
    pub fn new(
        deployment_id: DeploymentId,
        digest: Digest,
        size_bytes: u64,
        url: impl Into<String>,
    ) -> Self {
        Self {
            deployment_id,
            digest,
            size_bytes: Some(size_bytes),
            url: url.into(),
            extra: Extra::default(),
        }
    }
}
