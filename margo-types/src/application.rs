//! The application description: what an application supplier publishes (rc3.md section 1, `margo.yaml`).

mod configuration;
mod constraints;
mod metadata;
mod parameter;
mod profile;

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use configuration::{Configuration, DataType, Schema, SchemaClass, Section, Setting};
pub use constraints::{
    Architecture, CapacityRequirements, CpuRequirement, DeviceConstraints, EligibilityRule,
    MatchExpression, Operator, Selector,
};
pub use metadata::{ApplicationMetadata, Author, Catalog, Metadata, Organization};
pub use parameter::{Parameter, Target};
pub use profile::{Component, ComponentProperties, DeploymentProfile, DeploymentType};

use crate::extra::Extra;
use crate::id::ApplicationId;

/// Describes an application: who offers it, how it can be deployed, what it needs and what can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(extend("patternProperties" = crate::schema::extensions())))]
#[non_exhaustive]
pub struct ApplicationDescription {
    /// The version of this document's form: [`ApplicationDescription::API_VERSION`].
    #[cfg_attr(feature = "schema", schemars(extend("const" = "v1")))]
    pub api_version: String,
    /// Identifies the application; the same in all its versions.
    pub id: ApplicationId,
    /// Name, version and catalogue data.
    pub metadata: Metadata,
    /// The ways the application can be deployed; one is chosen for each device.
    pub deployment_profiles: Vec<DeploymentProfile>,
    /// What can be set, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// How the parameters are presented to a person, and the rules their values obey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
    /// Extensions for the fleet manager, never passed on to devices, and unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl ApplicationDescription {
    /// The only `apiVersion` of the newest generation.
    pub const API_VERSION: &str = "v1";

    /// A description with what every description has.
    pub fn new(
        id: ApplicationId,
        metadata: Metadata,
        deployment_profiles: Vec<DeploymentProfile>,
    ) -> Self {
        Self {
            api_version: Self::API_VERSION.to_owned(),
            id,
            metadata,
            deployment_profiles,
            parameters: BTreeMap::new(),
            configuration: None,
            extra: Extra::default(),
        }
    }

    /// The deployment profile with this id.
    pub fn profile(&self, id: &str) -> Option<&DeploymentProfile> {
        self.deployment_profiles
            .iter()
            .find(|profile| profile.id == id)
    }
}
