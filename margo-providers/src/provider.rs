//! What a provider can do.

use std::fmt;

use async_trait::async_trait;
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ComponentName, DeploymentId};
use margo_types::status::{ComponentStatus, DeploymentState};

use crate::{Progress, ProviderError};

/// Runs deployments of one type on one device.
///
/// Every method may be called again after it failed, was cancelled by dropping its future, or the process was killed in
/// the middle of it: it then carries on from what is there. Two calls for the same deployment never overlap; calls for
/// different deployments may.
///
/// `contract::run` (feature `contract`) checks an implementation.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// The type of deployment it runs.
    fn deployment_type(&self) -> DeploymentType;

    /// The engine behind it, found and asked for its version now.
    ///
    /// # Errors
    /// [`Trouble::Engine`](crate::Trouble::Engine) when there is none or it does not answer.
    async fn engine(&self) -> Result<Engine, ProviderError>;

    /// Brings the device to what the deployment says: installs it, or updates what an earlier call left there without
    /// losing its data.
    ///
    /// Components are brought up in their order. With `wait` true, the default, a component is complete before the next is
    /// begun; `timeout` bounds each. Progress is told as it happens. Doing nothing, because everything is as it should be,
    /// is success.
    ///
    /// # Errors
    /// [`ProviderError`] names the component. A failed first installation leaves nothing behind; a failed update leaves what
    /// the engine made of it, data included.
    async fn apply(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError>;

    /// Takes the deployment off the device, with its containers, networks and volumes, in the reverse order of its
    /// components, and verifies that it is gone.
    ///
    /// The deployment is the one that was last applied. Removing what is not there is success.
    ///
    /// # Errors
    /// [`ProviderError`] when something is left.
    async fn remove(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError>;

    /// Looks how the components of the deployment fare now. Changes nothing.
    ///
    /// # Errors
    /// [`ProviderError`] when the engine cannot be asked; a failed workload is an observation, not an error.
    async fn observe(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError>;

    /// The deployments of which anything is on the device, whoever remembers them.
    ///
    /// # Errors
    /// [`ProviderError`] when the engine cannot be asked.
    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError>;
}

/// The program or service that runs the workloads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Engine {
    /// Its name, such as `docker compose`.
    pub name: String,
    /// Its version, such as `2.29.7`.
    pub version: String,
}

impl Engine {
    /// An engine.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.version)
    }
}

/// How the components of a deployment fare.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Observation {
    /// One entry for every component of the deployment, in its order. What is not on the device is `removed`.
    pub components: Vec<ComponentStatus>,
}

impl Observation {
    /// An observation of these components.
    pub const fn new(components: Vec<ComponentStatus>) -> Self {
        Self { components }
    }

    /// All components of the deployment in the same state.
    pub fn uniform(deployment: &ApplicationDeployment, state: &DeploymentState) -> Self {
        let components = &deployment.spec.deployment_profile.components;
        let status = |name: &ComponentName| ComponentStatus::new(name.clone(), state.clone());
        Self::new(
            components
                .iter()
                .map(|component| status(&component.name))
                .collect(),
        )
    }

    /// Whether every component runs as desired.
    pub fn is_installed(&self) -> bool {
        self.components
            .iter()
            .all(|component| component.state == DeploymentState::Installed)
    }
}
