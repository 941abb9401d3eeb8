//! Removing.

use std::collections::BTreeSet;

use margo_types::deployment::ApplicationDeployment;
use margo_types::status::DeploymentState;

use super::ComposeProvider;
use super::names::Project;
use crate::files::{blocking, device_trouble};
use crate::{Progress, ProviderError, Trouble};

impl ComposeProvider {
    /// Removes everything of the deployment, also what it does not mention and what nobody remembers.
    pub(super) async fn remove_deployment(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let mut there = self.projects_of(deployment).await?;
        let components = &deployment.spec.deployment_profile.components;
        let named: Vec<_> = components
            .iter()
            .map(|one| {
                let project = Project::new(&self.options.prefix, &deployment.id, &one.name);
                (&one.name, project)
            })
            .collect();
        let mentioned: BTreeSet<&Project> = named.iter().map(|(_, project)| project).collect();
        for project in there.iter().rev().filter(|one| !mentioned.contains(one)) {
            self.installed.sweep(project, true).await?;
        }
        for (name, project) in named.iter().rev() {
            if there.remove(project) {
                progress.component(name, DeploymentState::Removing);
                let swept = self.installed.sweep(project, true).await;
                swept.map_err(|error| error.of(name))?;
            }
            progress.component(name, DeploymentState::Removed);
        }
        let home = self.home(deployment);
        blocking(move || home.remove().map_err(device_trouble)).await?;
        let left = self.projects_of(deployment).await?;
        if left.is_empty() {
            return Ok(());
        }
        let left: Vec<&str> = left.iter().map(Project::as_str).collect();
        let message = format!(
            "containers, networks or volumes of {} are left; remove the deployment again",
            left.join(", ")
        );
        Err(ProviderError::new(Trouble::Workload, message))
    }

    /// The projects of the deployment of which anything is on the engine.
    pub(super) async fn projects_of(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<BTreeSet<Project>, ProviderError> {
        let names = self.installed.projects().await?;
        let prefix = &self.options.prefix;
        let ours = |name: &String| Project::of_deployment(prefix, &deployment.id, name);
        Ok(names.iter().filter_map(ours).collect())
    }
}
