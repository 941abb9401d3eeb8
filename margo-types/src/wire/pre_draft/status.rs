//! The deployment status of the pre-draft (rc1-and-pre-draft.md section 17).
//!
//! Its API page has the states `Pending`, `Installing`, `Installed` and `Failed`, its lifecycle page says
//! `Success` and `Failure` for the last two, and its example writes lower case; all are read and the API
//! page's are written. The device is named by the route, but no text closes the document, so `deviceId`,
//! `adoptedManifestVersion` and an error's `source` are written as in rc.1 rather than lost.

use crate::status::{DeploymentState, DeploymentStatus};
use crate::version::SpecVersion;
use crate::wire::drift::{Enveloped, no_clash};
use crate::wire::rc1::status::{Report, read_with, write_with};
use crate::write::Unrepresentable;

/// The document as the model has it.
pub(in crate::wire) fn read(report: Report) -> DeploymentStatus {
    read_with(report, &SYNONYMS)
}

/// The document as the pre-draft has it.
pub(in crate::wire) fn write(
    status: &DeploymentStatus,
) -> Result<Enveloped<Report>, Unrepresentable> {
    let names = ["apiVersion", "kind"];
    no_clash(&status.extra, "", &names, SpecVersion::PreDraft)?;
    let written = write_with(status, &SYNONYMS, spell)?;
    Ok(Enveloped::new(
        "deployment.margo/v1",
        "DeploymentStatus",
        written,
    ))
}

/// How the lifecycle page calls two states.
const SYNONYMS: [(&str, DeploymentState); 2] = [
    ("success", DeploymentState::Installed),
    ("failure", DeploymentState::Failed),
];

/// States are written with a capital, which no state of the model has.
fn spell(state: &DeploymentState, field: &str) -> Result<DeploymentState, Unrepresentable> {
    Ok(match state {
        DeploymentState::Pending => "Pending".into(),
        DeploymentState::Installing => "Installing".into(),
        DeploymentState::Installed => "Installed".into(),
        DeploymentState::Failed => "Failed".into(),
        DeploymentState::Removing | DeploymentState::Removed => {
            let why = "removal has no state; report nothing for a deployment that is removed";
            return Err(Unrepresentable::new(field, SpecVersion::PreDraft, why));
        }
        unknown @ DeploymentState::_Unknown(_) => unknown.clone(),
    })
}
