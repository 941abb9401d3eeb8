//! Looking how a deployment fares.

use margo_types::application::Component;
use margo_types::deployment::ApplicationDeployment;
use margo_types::status::{ComponentStatus, DeploymentState};

use super::ComposeProvider;
use super::container::{Condition, Snapshot};
use super::home::{Kept, Record};
use super::names::Project;
use crate::{Observation, ProviderError, Trouble};

impl ComposeProvider {
    pub(super) async fn observe_deployment(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        let record = self.home(deployment).recall().await?;
        let record = record.unwrap_or(Record::new(false));
        let mut components = Vec::new();
        for component in &deployment.spec.deployment_profile.components {
            let name = &component.name;
            let project = Project::new(&self.options.prefix, &deployment.id, name);
            let snapshot = self.installed.snapshot(&project).await?;
            components.push(status(component, &snapshot, record.components.get(name)));
        }
        Ok(Observation::new(components))
    }
}

/// The state of a component whose containers are these, and whose services were these when it was complete.
fn status(component: &Component, snapshot: &Snapshot, kept: Option<&Kept>) -> ComponentStatus {
    let status = |state| ComponentStatus::new(component.name.clone(), state);
    let failed = |why: String| {
        let error = ProviderError::new(Trouble::Workload, why).of(&component.name);
        let mut failed = status(DeploymentState::Failed);
        failed.error = Some(error.to_status(component.name.as_str()));
        failed
    };
    if snapshot.is_empty() {
        return status(DeploymentState::Removed);
    }
    let mut is_coming = false;
    for container in &snapshot.0 {
        match container.condition() {
            Condition::Running | Condition::Done => {}
            Condition::Coming(_) => is_coming = true,
            condition @ (Condition::Failed(_) | Condition::Unhealthy(_)) => {
                return failed(format!("the service {} {condition}", container.service()));
            }
        }
    }
    let complete = kept.and_then(|kept| kept.complete.as_ref());
    let there = snapshot.tallies();
    let services = complete
        .into_iter()
        .flat_map(|complete| complete.services.keys());
    let mut missing = services.filter(|service| !there.contains_key(*service));
    if let Some(service) = missing.next() {
        return failed(format!("the service {service} has no container any more"));
    }
    let is_coming = is_coming || complete.is_none();
    status(if is_coming {
        DeploymentState::Installing
    } else {
        DeploymentState::Installed
    })
}
