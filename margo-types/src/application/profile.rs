//! Deployment profiles and their components (rc3.md sections 1.3 and 1.4).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DeviceConstraints;
use crate::extra::Extra;
use crate::id::ComponentName;
use crate::open_enum::open_enum;
use crate::scalar::{Repository, Revision, Timeout};

/// One way to deploy an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(extend("patternProperties" = crate::schema::extensions())))]
#[non_exhaustive]
pub struct DeploymentProfile {
    /// The technology the components are made for.
    #[serde(rename = "type")]
    pub deployment_type: DeploymentType,
    /// Unique in the description.
    pub id: String,
    /// What this profile is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The components, in the order they are installed.
    pub components: Vec<Component>,
    /// What a device must offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_constraints: Option<DeviceConstraints>,
    /// Extensions for the device, passed on unchanged, and unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl DeploymentProfile {
    /// A profile without constraints.
    pub fn new(
        deployment_type: DeploymentType,
        id: impl Into<String>,
        components: Vec<Component>,
    ) -> Self {
        Self {
            deployment_type,
            id: id.into(),
            description: None,
            components,
            device_constraints: None,
            extra: Extra::default(),
        }
    }
}

open_enum! {
    /// The technology that the components of a profile are made for.
    pub enum DeploymentType {
        /// Helm 3 or 4 charts with chart API version v2, for Kubernetes.
        Helm = "helm",
        /// Compose archives, for an OCI runtime with Compose.
        Compose = "compose",
        /// A format agreed between suppliers and selected by labels.
        Custom = "custom",
    }
}

/// One separately installed part of an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(extend("patternProperties" = crate::schema::extensions(), "additionalProperties" = false))
)]
#[non_exhaustive]
pub struct Component {
    /// Unique in its profile; for Helm it also names the release or chart.
    pub name: ComponentName,
    /// Where the artefact is and how it is installed.
    pub properties: ComponentProperties,
    /// Extensions for the device, passed on unchanged, and unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Component {
    /// A component without extensions.
    pub fn new(name: ComponentName, properties: ComponentProperties) -> Self {
        Self {
            name,
            properties,
            extra: Extra::default(),
        }
    }
}

/// Where the artefact of a component is and how it is installed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(transform = crate::schema::also_required("repository revision"))
)]
#[non_exhaustive]
pub struct ComponentProperties {
    /// The OCI repository. Required in the newest generation; older Compose components have
    /// [`package_location`](Self::package_location) instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Repository"))]
    pub repository: Option<Repository>,
    /// The tag in that repository. Required in the newest generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Revision"))]
    pub revision: Option<Revision>,
    /// Whether to wait for this component before the next; see [`waits`](Self::waits) for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<bool>,
    /// After which time the installation has failed. The specification gives no default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// URL of a Compose archive, in generations before the newest; written as `packageLocation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub package_location: Option<String>,
    /// URL of the key that signed that archive, in generations before the newest; written as `keyLocation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub key_location: Option<String>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl ComponentProperties {
    /// The properties of an artefact in an OCI registry.
    pub fn oci(repository: Repository, revision: Revision) -> Self {
        Self {
            repository: Some(repository),
            revision: Some(revision),
            ..Self::default()
        }
    }

    /// Whether the next component waits for this one: true unless said otherwise.
    pub fn waits(&self) -> bool {
        self.wait.unwrap_or(true)
    }
}
