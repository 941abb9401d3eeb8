//! The application deployment: what a fleet manager wants on a device (rc3.md section 2).

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::{Component, DeploymentType, DeviceConstraints, Target};
use crate::extra::Extra;
use crate::id::{ApplicationId, DeploymentId, DeviceTarget};

/// An application with chosen profile and parameter values, for a device.
///
/// When the fleet manager changes the content, the `id` stays and the digest changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct ApplicationDeployment {
    /// Identifies the deployment; equals `deploymentId` in the state manifest.
    pub id: DeploymentId,
    /// Name, namespace and target device.
    pub metadata: DeploymentMetadata,
    /// What to deploy.
    pub spec: DeploymentSpec,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl ApplicationDeployment {
    /// A deployment with what every deployment has.
    pub fn new(id: DeploymentId, metadata: DeploymentMetadata, spec: DeploymentSpec) -> Self {
        Self {
            id,
            metadata,
            spec,
            extra: Extra::default(),
        }
    }
}

/// Name, namespace and target of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(transform = crate::schema::also_required("namespace deviceId"))
)]
#[non_exhaustive]
pub struct DeploymentMetadata {
    /// A Kubernetes name chosen by the fleet manager; the `source` of errors of the whole deployment.
    pub name: String,
    /// A Kubernetes namespace chosen by the fleet manager. Required in the newest generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub namespace: Option<String>,
    /// Where the deployment goes. Required in the newest generation; older ones have one device a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "DeviceTarget"))]
    pub device_id: Option<DeviceTarget>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Unknown members; the schema is open. `annotations` may be here: the published schema requires it
    /// without saying what it is (rc3.md ambiguity 2).
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl DeploymentMetadata {
    /// Metadata with what the newest generation requires.
    pub fn new(
        name: impl Into<String>,
        namespace: impl Into<String>,
        device_id: DeviceTarget,
    ) -> Self {
        Self {
            name: name.into(),
            namespace: Some(namespace.into()),
            device_id: Some(device_id),
            ..Self::default()
        }
    }
}

/// What to deploy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(
        extend("patternProperties" = crate::schema::extensions(), "additionalProperties" = false),
        transform = crate::schema::also_required("applicationId")
    )
)]
#[non_exhaustive]
pub struct DeploymentSpec {
    /// The `id` of the application description. Required in the newest generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "ApplicationId"))]
    pub application_id: Option<ApplicationId>,
    /// The chosen profile.
    pub deployment_profile: DeployedProfile,
    /// The values, by parameter name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, ParameterValue>,
    /// Extensions of the fleet manager for the device, and unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl DeploymentSpec {
    /// A specification without parameters.
    pub fn new(application_id: ApplicationId, deployment_profile: DeployedProfile) -> Self {
        Self {
            application_id: Some(application_id),
            deployment_profile,
            parameters: BTreeMap::new(),
            extra: Extra::default(),
        }
    }
}

/// The profile of a deployment. Unlike in the description it has no id and no description of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(extend("patternProperties" = crate::schema::extensions(), "additionalProperties" = false))
)]
#[non_exhaustive]
pub struct DeployedProfile {
    /// The technology the components are made for.
    #[serde(rename = "type")]
    pub deployment_type: DeploymentType,
    /// The components, in the order they are installed.
    pub components: Vec<Component>,
    /// What the device must offer, copied from the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_constraints: Option<DeviceConstraints>,
    /// Extensions forwarded from the description, and unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl DeployedProfile {
    /// A profile without constraints.
    pub fn new(deployment_type: DeploymentType, components: Vec<Component>) -> Self {
        Self {
            deployment_type,
            components,
            device_constraints: None,
            extra: Extra::default(),
        }
    }
}

/// The value of a parameter and the places it is written to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct ParameterValue {
    /// The value; any type.
    #[serde(deserialize_with = "Value::deserialize")]
    pub value: Value,
    /// Where the value goes.
    pub targets: Vec<Target>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl ParameterValue {
    /// This value at these places.
    pub fn new(value: impl Into<Value>, targets: Vec<Target>) -> Self {
        Self {
            value: value.into(),
            targets,
            extra: Extra::default(),
        }
    }
}
