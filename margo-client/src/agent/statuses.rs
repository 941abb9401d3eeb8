//! Status reports in the specification's words (rc3.md sections 5 to 5.2; D51 to D60).

use std::sync::Arc;

use margo_providers::{ProviderError, Trouble};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ComponentName, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::status::{
    ComponentStatus, DeploymentState, DeploymentStatus, ReservedCode, StatusError,
};

use crate::gateway::{Devices, Refusal};

/// What reports about one revision of a deployment have in common.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    deployment: Arc<ApplicationDeployment>,
    adopted: ManifestVersion,
    device: Option<DeviceId>,
    /// The gateway, when the deployment is on a child of it.
    gateway: Option<DeviceId>,
}

impl Subject {
    /// A deployment on this device.
    pub(super) fn on(
        devices: &Devices,
        host: Option<&DeviceId>,
        deployment: Arc<ApplicationDeployment>,
        adopted: ManifestVersion,
    ) -> Self {
        let device = host.and_then(|host| devices.reported_id(host));
        Self {
            deployment,
            adopted,
            gateway: device.as_ref().map(|_| devices.root.id().clone()),
            device,
        }
    }

    /// All components in one state.
    pub(super) fn all(&self, state: &DeploymentState) -> DeploymentStatus {
        let mut status = self.with(self.uniform(state));
        status.status.state = state.clone();
        status
    }

    /// These components; the state of the whole is the worst of theirs.
    pub(super) fn with(&self, components: Vec<ComponentStatus>) -> DeploymentStatus {
        let mut status = DeploymentStatus::new(self.deployment.id, self.adopted, components);
        status.device_id.clone_from(&self.device);
        status
    }

    /// Components in one state each.
    pub(super) fn uniform(&self, state: &DeploymentState) -> Vec<ComponentStatus> {
        let components = &self.deployment.spec.deployment_profile.components;
        let status = |name: &ComponentName| ComponentStatus::new(name.clone(), state.clone());
        components.iter().map(|it| status(&it.name)).collect()
    }

    /// A failure of a provider, while the components were in these states.
    ///
    /// Only the component that failed carries the error. When none is to blame alone, all that were not complete have
    /// failed, without an error of their own.
    pub(super) fn failed(
        &self,
        mut components: Vec<ComponentStatus>,
        error: &ProviderError,
    ) -> (DeploymentStatus, StatusError) {
        let culprit = error.component.as_ref();
        let is_complete = |it: &ComponentStatus| {
            matches!(
                it.state,
                DeploymentState::Installed | DeploymentState::Removed
            )
        };
        let all_complete = components.iter().all(is_complete);
        for component in &mut components {
            if culprit == Some(&component.name) {
                component.state = DeploymentState::Failed;
                component.error = Some(error.to_status(component.name.as_str()));
            } else if culprit.is_none() && (all_complete || !is_complete(component)) {
                component.state = DeploymentState::Failed;
            }
        }
        let mut status = self.with(components);
        let whole = self.error_of_whole(error);
        status.status.state = DeploymentState::Failed;
        status.status.error = Some(whole.clone());
        (status, whole)
    }

    /// The source of an error of the whole is the deployment's name (D56), but for a child that cannot be reached (D58).
    fn error_of_whole(&self, error: &ProviderError) -> StatusError {
        if let (Some(gateway), Trouble::Engine) = (&self.gateway, error.trouble) {
            let code = ReservedCode::ChildUnreachable.as_str();
            return StatusError::new(code, gateway.as_str(), &error.message);
        }
        let name = &self.deployment.metadata.name;
        StatusError::new(error.trouble.code(), name, error.to_string())
    }

    /// Drift: components that are not as desired have failed, also those that are gone. `removed` is never said of what is
    /// desired: a fleet manager might take it for the end of the deployment.
    pub(super) fn drifted(&self, seen: Vec<ComponentStatus>) -> (DeploymentStatus, StatusError) {
        let components = seen.into_iter().map(|mut component| {
            if component.state == DeploymentState::Installed {
                return component;
            }
            let found = component.state.clone();
            component.state = DeploymentState::Failed;
            component.error.get_or_insert_with(|| {
                let message = format!("the component was installed and is {found} now");
                StatusError::new(DRIFTED, component.name.as_str(), message)
            });
            component
        });
        let mut status = self.with(components.collect());
        let culprits = status.components.iter().filter(|it| it.error.is_some());
        let names: Vec<&str> = culprits.map(|it| it.name.as_str()).collect();
        let message = format!("no longer as installed: {}", names.join(", "));
        let error = StatusError::new(DRIFTED, &self.deployment.metadata.name, message);
        status.status.state = DeploymentState::Failed;
        status.status.error = Some(error.clone());
        (status, error)
    }

    /// No device takes it.
    pub(super) fn refused(&self, refusal: &Refusal) -> DeploymentStatus {
        let mut status = self.all(&DeploymentState::Failed);
        status.device_id.clone_from(&refusal.device);
        status.status.error = Some(refusal.error.clone());
        status
    }
}

const DRIFTED: &str = "DRIFTED";
