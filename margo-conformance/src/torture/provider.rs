//! The provider of a device, watched.

use std::sync::Arc;

use async_trait::async_trait;
use margo_providers::simulated::SimulatedProvider;
use margo_providers::{Engine, Observation, Progress, Provider, ProviderError, Trouble};
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId};

use super::power::{Dead, Power};
use super::witness::Witness;

/// A provider that shows the witness what it is told, and dies with the power.
#[derive(Debug)]
pub(super) struct WatchedProvider {
    pub(super) inner: Arc<SimulatedProvider>,
    pub(super) power: Arc<Power>,
    pub(super) witness: Arc<Witness>,
    pub(super) client: ClientId,
}

#[async_trait]
impl Provider for WatchedProvider {
    fn deployment_type(&self) -> DeploymentType {
        self.inner.deployment_type()
    }

    async fn engine(&self) -> Result<Engine, ProviderError> {
        self.inner.engine().await
    }

    async fn apply(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        self.power.point("before apply").await?;
        self.witness.told(&self.client, "apply", deployment);
        let outcome = self.inner.apply(deployment, progress).await;
        self.power.point("after apply").await?;
        outcome
    }

    async fn remove(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        self.power.point("before remove").await?;
        self.witness.told(&self.client, "remove", deployment);
        let outcome = self.inner.remove(deployment, progress).await;
        self.power.point("after remove").await?;
        outcome
    }

    async fn observe(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        self.power.point("before observe").await?;
        let outcome = self.inner.observe(deployment).await;
        self.power.point("after observe").await?;
        outcome
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        self.inner.list().await
    }
}

impl From<Dead> for ProviderError {
    fn from(dead: Dead) -> Self {
        Self::new(Trouble::Device, dead.to_string())
    }
}

/// A broken agent between: what is applied is not what was verified, or what is to go stays.
#[derive(Debug)]
pub(super) struct Tampering {
    pub(super) inner: Arc<WatchedProvider>,
    pub(super) what: Tamper,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Tamper {
    Documents,
    Removals,
}

#[async_trait]
impl Provider for Tampering {
    fn deployment_type(&self) -> DeploymentType {
        self.inner.deployment_type()
    }

    async fn engine(&self) -> Result<Engine, ProviderError> {
        self.inner.engine().await
    }

    async fn apply(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let mut deployment = deployment.clone();
        if matches!(self.what, Tamper::Documents) {
            deployment.metadata.name.push_str("-tampered");
        }
        self.inner.apply(&deployment, progress).await
    }

    async fn remove(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        match self.what {
            Tamper::Removals => Ok(()),
            Tamper::Documents => self.inner.remove(deployment, progress).await,
        }
    }

    async fn observe(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        self.inner.observe(deployment).await
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        self.inner.list().await
    }
}
