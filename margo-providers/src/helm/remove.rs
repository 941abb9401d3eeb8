//! Removing, in both modes.

use std::collections::BTreeSet;

use margo_types::deployment::ApplicationDeployment;
use margo_types::status::DeploymentState;

use super::HelmProvider;
use super::names::Owned;
use super::prepare::Record;
use crate::files::{blocking, device_trouble};
use crate::{Progress, ProviderError, Trouble};

impl HelmProvider {
    /// Removes everything of the deployment, also what it does not mention and what nobody remembers.
    pub(super) async fn remove_deployment(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let home = self.home(deployment);
        let record = self.remembered(&home).await?;
        let known = record.unwrap_or(Record::new(false)).components.into_iter();
        let mut there: BTreeSet<Owned> = known
            .map(|(component, kept)| Owned {
                deployment: deployment.id,
                component,
                release: kept.release,
            })
            .collect();
        there.extend(self.delivery.list(Some(&deployment.id)).await?);
        let components = &deployment.spec.deployment_profile.components;
        let is_named = |owned: &&Owned| components.iter().any(|one| one.name == owned.component);
        for owned in there.iter().rev().filter(|owned| !is_named(owned)) {
            self.remove_component(owned).await?;
        }
        for component in components.iter().rev() {
            let name = &component.name;
            let mut is_told = false;
            for owned in there.iter().filter(|owned| owned.component == *name) {
                if !is_told {
                    progress.component(name, DeploymentState::Removing);
                    is_told = true;
                }
                self.remove_component(owned).await?;
            }
            progress.component(name, DeploymentState::Removed);
        }
        let left = if there.is_empty() {
            Vec::new()
        } else {
            self.delivery.list(Some(&deployment.id)).await?
        };
        if left.is_empty() {
            return blocking(move || home.remove().map_err(device_trouble)).await;
        }
        let left: Vec<String> = left.iter().map(|owned| owned.release.to_string()).collect();
        let message = format!(
            "something of {} is left; remove the deployment again",
            left.join(", ")
        );
        Err(ProviderError::new(Trouble::Workload, message))
    }

    async fn remove_component(&self, owned: &Owned) -> Result<(), ProviderError> {
        let removed = self.delivery.remove(owned).await;
        removed.map_err(|error| error.of(&owned.component))
    }
}
