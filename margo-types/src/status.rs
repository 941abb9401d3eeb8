//! The deployment status a client reports (rc3.md section 5).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extra::Extra;
use crate::id::{ComponentName, DeploymentId, DeviceId};
use crate::manifest::ManifestVersion;
use crate::open_enum::open_enum;

/// How a deployment fares on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(transform = crate::schema::also_required("adoptedManifestVersion"))
)]
#[non_exhaustive]
pub struct DeploymentStatus {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// The device, with its whole hierarchy; required when it is behind a gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The newest manifest that was adopted *for this deployment*: held, and begun to be applied.
    ///
    /// Required in the newest generation; older ones do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "ManifestVersion"))]
    pub adopted_manifest_version: Option<ManifestVersion>,
    /// The state of the whole: the most severe of the components'.
    pub status: OverallStatus,
    /// One entry for every component of the deployment.
    pub components: Vec<ComponentStatus>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl DeploymentStatus {
    /// A report on these components; the overall state is the most severe of theirs.
    ///
    /// Without components the state is `pending`.
    pub fn new(
        deployment_id: DeploymentId,
        adopted_manifest_version: ManifestVersion,
        components: Vec<ComponentStatus>,
    ) -> Self {
        let state = worst_of(components.iter().map(|component| &component.state))
            .unwrap_or(DeploymentState::Pending);
        Self {
            deployment_id,
            device_id: None,
            adopted_manifest_version: Some(adopted_manifest_version),
            status: OverallStatus::new(state),
            components,
            extra: Extra::default(),
        }
    }
}

/// The state of a whole deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct OverallStatus {
    /// The most severe state of the components.
    pub state: DeploymentState,
    /// What went wrong. Published examples carry an object of empty strings, which means no error
    /// (rc3.md ambiguity 22).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StatusError>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl OverallStatus {
    /// A state without error.
    pub fn new(state: DeploymentState) -> Self {
        Self {
            state,
            error: None,
            extra: Extra::default(),
        }
    }
}

/// The state of one component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct ComponentStatus {
    /// The component.
    pub name: ComponentName,
    /// Its state.
    pub state: DeploymentState,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StatusError>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl ComponentStatus {
    /// A component in this state, without error.
    pub fn new(name: ComponentName, state: DeploymentState) -> Self {
        Self {
            name,
            state,
            error: None,
            extra: Extra::default(),
        }
    }
}

open_enum! {
    /// The state of a deployment or component.
    pub enum DeploymentState {
        /// Accepted, not begun.
        Pending = "pending",
        /// Being installed or updated.
        Installing = "installing",
        /// Running as desired.
        Installed = "installed",
        /// Gone wrong.
        Failed = "failed",
        /// Being removed.
        Removing = "removing",
        /// Gone.
        Removed = "removed",
    }
}

impl DeploymentState {
    /// How severe the state is; greater is worse.
    ///
    /// The specification prints failed > removing > installing > pending > *removing* > installed; the
    /// second "removing" is read as "removed" (rc3.md ambiguity 20). Unknown states are least severe.
    pub fn severity(&self) -> u8 {
        match self {
            Self::Failed => 6,
            Self::Removing => 5,
            Self::Installing => 4,
            Self::Pending => 3,
            Self::Removed => 2,
            Self::Installed => 1,
            Self::_Unknown(_) => 0,
        }
    }
}

/// The most severe of these states; `None` of none.
pub fn worst_of<'a>(
    states: impl IntoIterator<Item = &'a DeploymentState>,
) -> Option<DeploymentState> {
    states
        .into_iter()
        .max_by_key(|state| state.severity())
        .cloned()
}

/// What went wrong with a deployment or component.
///
/// All members are required by the specification's text and optional in its schema (rc3.md ambiguity 10);
/// strict validation follows the text unless all are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct StatusError {
    /// A code: reserved ([`ReservedCode`]) or the reporter's own.
    #[serde(default)]
    pub code: String,
    /// Who the error comes from: the gateway's device id, the deployment's `metadata.name`, or the
    /// component's name.
    #[serde(default)]
    pub source: String,
    /// What happened, for a person.
    #[serde(default)]
    pub message: String,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl StatusError {
    /// An error with all its members.
    pub fn new(
        code: impl Into<String>,
        source: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            source: source.into(),
            message: message.into(),
            extra: Extra::default(),
        }
    }

    /// Whether code, source and message are empty, which means no error.
    pub fn is_empty(&self) -> bool {
        self.code.is_empty() && self.source.is_empty() && self.message.is_empty()
    }

    /// The reserved meaning of the code, if it has one.
    pub fn reserved_code(&self) -> Option<ReservedCode> {
        ReservedCode::ALL
            .into_iter()
            .find(|code| code.as_str() == self.code)
    }
}

/// Error codes that only a see-thru gateway may use, as `source` of its own errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ReservedCode {
    /// The child device id is unknown.
    UnknownChildDevice,
    /// The child device cannot be reached.
    ChildUnreachable,
    /// The gateway does not choose children by itself.
    AutonomousPlacementNotSupported,
}

impl ReservedCode {
    /// All reserved codes.
    pub const ALL: [Self; 3] = [
        Self::UnknownChildDevice,
        Self::ChildUnreachable,
        Self::AutonomousPlacementNotSupported,
    ];

    /// The code as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownChildDevice => "101",
            Self::ChildUnreachable => "102",
            Self::AutonomousPlacementNotSupported => "103",
        }
    }
}
