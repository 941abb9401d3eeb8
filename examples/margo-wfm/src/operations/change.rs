//! Changing and removing what is deployed.

use margo_package::instantiate::Instantiation;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId};
use margo_types::manifest::ManifestVersion;
use serde::{Deserialize, Serialize};

use super::{Operation, Settings};
use crate::failure::{Failure, Kind};
use crate::journal::{Action, Record};
use crate::library::Wanted;
use crate::manager::Manager;
use crate::origin::Origin;
use crate::placement::{KnownFleet, Placement};

/// Brings a deployment to another version of its application. Its values stay where none are given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Update {
    /// Its id, a unique beginning of it, or its name.
    pub deployment: String,
    /// The version; the one that was imported last when `None`.
    pub version: Option<String>,
    /// The deployment profile; the deployed one when `None`.
    pub profile: Option<String>,
    /// Values that change, too.
    pub settings: Settings,
}

impl Update {
    /// To the version that was imported last.
    pub fn new(deployment: impl Into<String>) -> Self {
        Self {
            deployment: deployment.into(),
            version: None,
            profile: None,
            settings: Settings::default(),
        }
    }

    /// To this version.
    #[must_use]
    pub fn to(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }
}

/// Changes values of a deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reconfigure {
    /// Its id, a unique beginning of it, or its name.
    pub deployment: String,
    /// The values that change; at least one.
    pub settings: Settings,
}

impl Reconfigure {
    /// With these values.
    pub fn new(deployment: impl Into<String>, settings: Settings) -> Self {
        Self {
            deployment: deployment.into(),
            settings,
        }
    }
}

/// Takes a deployment away. It stays in the status until the device has reported its removal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Remove {
    /// Its id, a unique beginning of it, or its name.
    pub deployment: String,
}

impl Remove {
    /// This one.
    pub fn new(deployment: impl Into<String>) -> Self {
        Self {
            deployment: deployment.into(),
        }
    }
}

/// A deployment that was changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Changed {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its name.
    pub name: String,
    /// The client that has it.
    pub client: ClientId,
    /// What was done.
    pub action: Action,
    /// Whether anything was; the deployment may have been like this already.
    pub changed: bool,
    /// The version of the application.
    pub version: String,
    /// The manifest that has the change.
    pub manifest: ManifestVersion,
}

impl Operation for Update {
    const NAME: &'static str = "update";
    type Output = Changed;

    async fn run(self, manager: &Manager) -> Result<Changed, Failure> {
        let record = manager.journal().find(&self.deployment)?;
        let wanted = Wanted::version(record.application.as_str(), self.version.as_deref());
        let entry = manager.library().find(wanted)?;
        let description = entry.package.description().value();
        let fleet = manager.fleet().await?;
        let update = |deployed: &ApplicationDeployment| {
            let profile = match &self.profile {
                Some(profile) => profile.clone(),
                None => Origin::of(deployed)?.profile,
            };
            let origin = Origin::new(entry.package.version(), &profile);
            let mut updated = Instantiation::new(description, &profile)?
                .update(deployed, self.settings.to_answers(description)?)?;
            origin.write_to(&mut updated, fleet.generation(&record.client));
            Ok(updated)
        };
        replace(manager, &record, Action::Updated, &fleet, update).await
    }
}

impl Operation for Reconfigure {
    const NAME: &'static str = "reconfigure";
    type Output = Changed;

    async fn run(self, manager: &Manager) -> Result<Changed, Failure> {
        if self.settings.is_empty() {
            let message =
                "there is no value to change; give one with --set NAME=VALUE or --answers FILE";
            return Err(Failure::new(Kind::Usage, message));
        }
        let record = manager.journal().find(&self.deployment)?;
        let fleet = manager.fleet().await?;
        let reconfigure = |deployed: &ApplicationDeployment| {
            let origin = Origin::of(deployed)?;
            let wanted = Wanted::version(record.application.as_str(), Some(&origin.version));
            let entry = manager.library().find(wanted)?;
            let description = entry.package.description().value();
            let mut updated = Instantiation::new(description, &origin.profile)?
                .update(deployed, self.settings.to_answers(description)?)?;
            origin.write_to(&mut updated, fleet.generation(&record.client));
            Ok(updated)
        };
        replace(manager, &record, Action::Reconfigured, &fleet, reconfigure).await
    }
}

impl Operation for Remove {
    const NAME: &'static str = "remove";
    type Output = Changed;

    async fn run(self, manager: &Manager) -> Result<Changed, Failure> {
        let record = manager.journal().find(&self.deployment)?;
        let id = record.deployment;
        manager
            .change(&record.client, Action::Removed, id, |deployments| {
                deployments.remove(&id);
                Ok(())
            })
            .await
    }
}

/// Puts what `change` makes of a deployment in its place.
async fn replace(
    manager: &Manager,
    record: &Record,
    action: Action,
    fleet: &KnownFleet,
    change: impl Fn(&ApplicationDeployment) -> Result<ApplicationDeployment, Failure> + Send + Sync,
) -> Result<Changed, Failure> {
    let id = record.deployment;
    manager
        .change(&record.client, action, id, |deployments| {
            let Some(deployed) = deployments.get(&id) else {
                let message = format!("deployment {} was removed; deploy it again", record.name);
                return Err(Failure::new(Kind::Refused, message));
            };
            let changed = change(deployed)?;
            Placement::check(fleet, &record.client, &changed)?;
            deployments.insert(id, changed);
            Ok(())
        })
        .await
}
