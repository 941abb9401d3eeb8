//! How deployments fare.

use jiff::Timestamp;
use margo_server_traits::store::{StatusRecord, Store as _};
use margo_types::SpecVersion;
use margo_types::id::{
    ApplicationId, ClientId, ComponentName, DeploymentId, DeviceId, DeviceTarget,
};
use margo_types::manifest::ManifestVersion;
use margo_types::status::{DeploymentState, DeploymentStatus, StatusError};
use serde::{Deserialize, Serialize};

use super::{Listing, Operation};
use crate::failure::{Failure, Kind};
use crate::journal::Record;
use crate::manager::Manager;

/// Tells how deployments fare: those that devices should run, and those whose removal was not reported yet.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// Also those that were reported removed.
    pub all: bool,
}

impl Status {
    /// All deployments there ever were.
    pub const fn of_all() -> Self {
        Self { all: true }
    }
}

/// A deployment and the last report on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeploymentOverview {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its name.
    pub name: String,
    /// The application.
    pub application: ApplicationId,
    /// The client that has it.
    pub client: ClientId,
    /// The generation that the client speaks.
    pub generation: SpecVersion,
    /// The device it is for.
    pub target: DeviceTarget,
    /// The version that the device should run; the last one when the deployment was removed.
    pub version: String,
    /// The deployment profile.
    pub profile: String,
    /// Whether it was removed.
    pub removed: bool,
    /// The first manifest that has the present state.
    pub manifest: ManifestVersion,
    /// Whether the device has not reported on the present state yet: what it says is about an earlier one, or nothing.
    pub waiting: bool,
    /// The last report of each device on it; one at most, but for a gateway that moved it.
    pub reports: Vec<Report>,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The device behind the gateway, when the report names one.
    pub device: Option<DeviceId>,
    /// The state of the whole.
    pub state: DeploymentState,
    /// The version of the application that the report is about.
    pub version: Option<String>,
    /// The newest manifest that was adopted for the deployment; what it must have been when the report does not say.
    pub manifest: Option<ManifestVersion>,
    /// What went wrong with the whole.
    pub error: Option<StatusError>,
    /// Its components.
    pub components: Vec<Component>,
    /// What is wrong with the report itself, one line each.
    pub findings: Vec<String>,
    /// When it came.
    pub reported_at: Timestamp,
}

/// A component in a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Component {
    /// The component.
    pub name: ComponentName,
    /// Its state.
    pub state: DeploymentState,
    /// What went wrong.
    pub error: Option<StatusError>,
}

impl DeploymentOverview {
    /// Whether all reports say that it is gone.
    pub fn is_gone(&self) -> bool {
        let is_removed = |report: &Report| report.state == DeploymentState::Removed;
        self.removed && !self.reports.is_empty() && self.reports.iter().all(is_removed)
    }
}

impl Operation for Status {
    const NAME: &'static str = "status";
    type Output = Listing<DeploymentOverview>;

    async fn run(self, manager: &Manager) -> Result<Listing<DeploymentOverview>, Failure> {
        let statuses = manager.store().statuses(None).await?;
        let clients = manager.store().clients().await?;
        let mut overviews = Vec::new();
        let mut damaged = manager.journal().damaged();
        for record in manager.journal().all() {
            let mut reports = Vec::new();
            for status in &statuses {
                if status.client == record.client && status.deployment == record.deployment {
                    match Report::read(status, &record) {
                        Ok(report) => reports.push(report),
                        Err(failure) => damaged.push(failure),
                    }
                }
            }
            let client = clients.iter().find(|it| it.id == record.client);
            let generation = client.map_or(SpecVersion::NEWEST, |it| it.generation);
            let overview = overview(record, generation, reports)?;
            if self.all || !overview.is_gone() {
                overviews.push(overview);
            }
        }
        overviews.sort_by(|one, other| (&one.client, &one.name).cmp(&(&other.client, &other.name)));
        Ok(Listing {
            entries: overviews,
            damaged,
        })
    }
}

impl Report {
    /// What a report says, with the version that it is about.
    pub(super) fn read(status: &StatusRecord, record: &Record) -> Result<Self, Failure> {
        let read = margo_types::read::<DeploymentStatus>(&status.status).map_err(|error| {
            let message = format!(
                "a stored report on {} cannot be read; restore a backup",
                record.name
            );
            Failure::caused(Kind::Environment, message, &error)
        })?;
        let document = read.into_value();
        // Reports of the signed generation do not say what they are about; it is what was decided before they came.
        let about = match document.adopted_manifest_version {
            Some(manifest) => record.as_of(manifest),
            None => record.at(status.reported_at),
        };
        // Published examples carry an object of empty strings, which means no error (rc3.md ambiguity 22).
        let error = |error: Option<StatusError>| error.filter(|error| !error.is_empty());
        Ok(Self {
            device: document.device_id,
            state: document.status.state,
            version: about.map(|change| change.version.clone()),
            manifest: document
                .adopted_manifest_version
                .or(about.map(|change| change.manifest)),
            error: error(document.status.error),
            components: document
                .components
                .into_iter()
                .map(|component| Component {
                    name: component.name,
                    state: component.state,
                    error: error(component.error),
                })
                .collect(),
            findings: status.findings.clone(),
            reported_at: status.reported_at,
        })
    }
}

fn overview(
    record: Record,
    generation: SpecVersion,
    reports: Vec<Report>,
) -> Result<DeploymentOverview, Failure> {
    let removed = record.is_removed();
    let Some(present) = record.last().cloned() else {
        let message = format!("the journal of {} is empty; restore a backup", record.name);
        return Err(Failure::new(Kind::Environment, message));
    };
    let waiting = !reports
        .iter()
        .any(|report| report.manifest.is_some_and(|it| it >= present.manifest));
    Ok(DeploymentOverview {
        deployment: record.deployment,
        name: record.name,
        application: record.application,
        client: record.client,
        generation,
        target: record.target,
        version: present.version,
        profile: present.profile,
        removed,
        manifest: present.manifest,
        waiting,
        reports,
    })
}
