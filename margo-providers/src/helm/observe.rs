//! Looking how a deployment fares, in both modes.

use margo_types::deployment::ApplicationDeployment;
use margo_types::status::{ComponentStatus, DeploymentState};

use super::HelmProvider;
use super::delivery::{Health, Standing};
use super::prepare::{Kept, Record};
use crate::{Observation, ProviderError, Trouble};

impl HelmProvider {
    pub(super) async fn observe_deployment(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        let record = self.recall(deployment, &self.home(deployment)).await?;
        let record = record.unwrap_or(Record::new(false));
        let mut components = Vec::new();
        for component in &deployment.spec.deployment_profile.components {
            let name = &component.name;
            let status = match record.components.get(name) {
                None => ComponentStatus::new(name.clone(), DeploymentState::Removed),
                Some(kept) => {
                    let standing = self.delivery.standing(&kept.release).await;
                    let standing = standing.map_err(|error| error.of(name))?;
                    let (state, why) = state(kept, standing);
                    let mut status = ComponentStatus::new(name.clone(), state);
                    status.error = why.map(|why| {
                        let error = ProviderError::new(Trouble::Workload, why).of(name);
                        error.to_status(name.as_str())
                    });
                    status
                }
            };
            components.push(status);
        }
        Ok(Observation::new(components))
    }
}

/// The state of a component that was remembered like this and stands like that, and why it failed.
fn state(kept: &Kept, standing: Standing) -> (DeploymentState, Option<String>) {
    let complete = kept.complete.map(|inputs| super::wanted::mark(&inputs));
    match standing.health {
        Health::Absent => (DeploymentState::Removed, None),
        Health::Failed(why) => (DeploymentState::Failed, Some(why)),
        Health::Coming(_) => (DeploymentState::Installing, None),
        Health::Ready if complete.is_none() => (DeploymentState::Installing, None),
        Health::Ready if standing.mark == complete => (DeploymentState::Installed, None),
        Health::Ready => {
            let why = format!(
                "the release {} was changed by somebody else; apply the deployment again",
                kept.release
            );
            (DeploymentState::Failed, Some(why))
        }
    }
}
