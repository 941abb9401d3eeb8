//! The deployment status of rc.1 (rc1-and-pre-draft.md section 9, ambiguities 24 to 27).
//!
//! Read: with or without `apiVersion` and `kind`, states in any letter case, `Updating` and `Updated` of the
//! first OpenAPI (the model's `installing` and `installed`, which include updates), `status` as an object or
//! a list of one, errors absent, empty or partial.
//!
//! Written: the aligned OpenAPI's `DeploymentStatusManifest` with lower-case states, since the text and two of
//! three OpenAPI files agree on them. `adoptedManifestVersion` is written although rc.1 has no such member:
//! its schema is open, so a server has to ignore what it does not know, while leaving it out would lose it
//! and refusing it would keep every device from reporting.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::extra::Extra;
use crate::id::{ComponentName, DeploymentId, DeviceId};
use crate::manifest::ManifestVersion;
use crate::status::{
    ComponentStatus, DeploymentState, DeploymentStatus, OverallStatus, StatusError,
};
use crate::version::SpecVersion;
use crate::wire::drift::{Enveloped, OneInList, no_clash, respell};
use crate::write::Unrepresentable;

/// The document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::wire) struct Report {
    #[serde(rename = "apiVersion", default, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    _api_version: IgnoredAny,
    #[serde(rename = "kind", default, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    _kind: IgnoredAny,
    deployment_id: DeploymentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adopted_manifest_version: Option<ManifestVersion>,
    status: OneInList<Overall>,
    components: Vec<Component>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Overall {
    state: DeploymentState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Component {
    name: ComponentName,
    state: DeploymentState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

/// An error. Late snapshots add `source`; without one the member is left out.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Failure {
    #[serde(default)]
    code: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    source: String,
    #[serde(default)]
    message: String,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

/// The document as the model has it.
pub(in crate::wire) fn read(report: Report) -> DeploymentStatus {
    read_with(report, &SYNONYMS)
}

/// States of early rc.1 that say of an update what the later ones say of an installation.
const SYNONYMS: [(&str, DeploymentState); 2] = [
    ("updating", DeploymentState::Installing),
    ("updated", DeploymentState::Installed),
];

/// The document as the model has it, where these lower-case words are states as well.
pub(in crate::wire) fn read_with(
    report: Report,
    synonyms: &[(&str, DeploymentState)],
) -> DeploymentStatus {
    let known = |mut state: DeploymentState| {
        respell(&mut state, DeploymentState::KNOWN, synonyms);
        state
    };
    let OneInList(overall) = report.status;
    DeploymentStatus {
        deployment_id: report.deployment_id,
        device_id: report.device_id,
        adopted_manifest_version: report.adopted_manifest_version,
        status: OverallStatus {
            state: known(overall.state),
            error: overall.error.map(Into::into),
            extra: overall.extra,
        },
        components: report
            .components
            .into_iter()
            .map(|component| ComponentStatus {
                name: component.name,
                state: known(component.state),
                error: component.error.map(Into::into),
                extra: component.extra,
            })
            .collect(),
        extra: report.extra,
    }
}

/// The document as rc.1 has it.
pub(in crate::wire) fn write(
    status: &DeploymentStatus,
) -> Result<Enveloped<Report>, Unrepresentable> {
    no_clash(&status.extra, "", &["apiVersion", "kind"], SpecVersion::Rc1)?;
    let written = write_with(status, &SYNONYMS, |state, _| Ok(state.clone()))?;
    Ok(Enveloped::new(
        "deployment.margo.org/v1alpha1",
        "DeploymentStatusManifest",
        written,
    ))
}

/// The document with each state spelled by `spell`, which is told the state's field. A state in another
/// spelling that the generation reads as a known one is that state.
pub(in crate::wire) fn write_with(
    status: &DeploymentStatus,
    synonyms: &[(&str, DeploymentState)],
    spell: impl Fn(&DeploymentState, &str) -> Result<DeploymentState, Unrepresentable>,
) -> Result<Report, Unrepresentable> {
    let spell = |state: &DeploymentState, field: &str| {
        let mut state = state.clone();
        respell(&mut state, DeploymentState::KNOWN, synonyms);
        spell(&state, field)
    };
    let component = |(index, component): (usize, &ComponentStatus)| {
        Ok(Component {
            name: component.name.clone(),
            state: spell(&component.state, &format!("components[{index}].state"))?,
            error: component.error.clone().map(Into::into),
            extra: component.extra.clone(),
        })
    };
    Ok(Report {
        _api_version: IgnoredAny,
        _kind: IgnoredAny,
        deployment_id: status.deployment_id,
        device_id: status.device_id.clone(),
        adopted_manifest_version: status.adopted_manifest_version,
        status: OneInList(Overall {
            state: spell(&status.status.state, "status.state")?,
            error: status.status.error.clone().map(Into::into),
            extra: status.status.extra.clone(),
        }),
        components: status
            .components
            .iter()
            .enumerate()
            .map(component)
            .collect::<Result<_, Unrepresentable>>()?,
        extra: status.extra.clone(),
    })
}

impl From<Failure> for StatusError {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            source: failure.source,
            message: failure.message,
            extra: failure.extra,
        }
    }
}

impl From<StatusError> for Failure {
    fn from(error: StatusError) -> Self {
        Self {
            code: error.code,
            source: error.source,
            message: error.message,
            extra: error.extra,
        }
    }
}
