//! Helm charts on a Kubernetes cluster (rc3.md sections 1.3, 1.4, 1.6 and 10).
//!
//! ```no_run
//! use margo_package::oci::Client;
//! use margo_providers::helm::{HelmProvider, Options};
//! use margo_providers::{Provider, Silent};
//! # use margo_types::deployment::ApplicationDeployment;
//!
//! # async fn run(deployment: ApplicationDeployment) -> Result<(), Box<dyn std::error::Error>> {
//! let mut options = Options::new("/var/lib/margo/helm", Client::builder().build()?);
//! options.kubeconfig = Some("/etc/rancher/k3s/k3s.yaml".into());
//! let provider = HelmProvider::detect(options).await?;
//! println!("using {}", provider.found());
//! provider.apply(&deployment, &Silent).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Two modes.** [`Mode::Install`] has `helm` install releases. [`Mode::Template`] has it render only, without any
//! access to the cluster, and applies the objects itself.
//!
//! **Names.** Each component of each deployment is a release of its own in the deployment's namespace, called
//! `<component>-<ten hexadecimal digits>`; the digits stand for the deployment. Services that charts name after their release are
//! thus called after the component. The specification does not say whether a component's name is that of the chart or of the
//! release (rc3.md ambiguity 60), so it may be either: the chart's own name is not compared with it.
//!
//! **Updates.** First everything is fetched, read and checked, for all components, with nothing changed; then
//! the components are brought up in their order, then those that a new revision dropped are removed. What has not
//! changed is not touched at all. A component whose update fails is taken back: its earlier revision runs on, and those after it and
//! those dropped are not touched. Those before it are complete and stay; the error says which.
//! Only a dropped component that has what another one takes (the name of an object, a node port, a host port), as after renaming,
//! goes before that.
//!
//! **Parameters** are values of the chart, at the places that `helm --set` would write them to, with the types that the deployment
//! gives them. They are handed over in a file for this user alone, but for whole numbers of seven digits or more: those are on
//! the command line of `helm`, where every user of the device can see them. Secrets belong in strings.
//!
//! **Offline.** Charts are kept by digest; a revision that was pulled once is not asked for again until the deployment is
//! removed, and never becomes another chart.

mod apply;
mod cluster;
mod delivery;
mod diagnosis;
mod drift;
mod install;
mod json;
mod names;
mod observe;
mod options;
mod pods;
mod prepare;
mod program;
mod readiness;
mod remove;
mod stuck;
mod telemetry;
mod template;
mod values;
mod wanted;

use std::collections::BTreeSet;

use async_trait::async_trait;
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;

use self::delivery::Delivery;
use self::install::Installer;
pub use self::options::{Mode, Options, TemplateOptions};
use self::program::Helm;
use self::template::Applier;
use crate::files::{blocking, create_private, device_trouble};
use crate::home::Home;
use crate::turn::Turns;
use crate::{Engine, Observation, Progress, Provider, ProviderError};

/// Runs Helm deployments on a Kubernetes cluster; see the [module](self).
#[derive(Debug)]
pub struct HelmProvider {
    options: Options,
    helm: Helm,
    delivery: Box<dyn Delivery>,
    turns: Turns,
}

impl HelmProvider {
    /// Finds `helm`, version 3.13 or newer or 4, and reads how the cluster is reached. The cluster itself is not needed yet.
    ///
    /// # Errors
    /// [`Trouble::Engine`](crate::Trouble::Engine) when `helm` is missing or of another version, or there is no usable kubeconfig;
    /// [`Trouble::Device`](crate::Trouble::Device) when the options cannot be used.
    pub async fn detect(options: Options) -> Result<Self, ProviderError> {
        let mut options = options;
        // Helm is run in other directories.
        options.state = std::path::absolute(&options.state).map_err(device_trouble)?;
        options.check()?;
        let state = options.state.clone();
        blocking(move || create_private(&state).map_err(device_trouble)).await?;
        let helm = Helm::detect(&options).await?;
        let delivery: Box<dyn Delivery> = match &options.mode {
            Mode::Install => Box::new(Installer::new(&options, helm.clone()).await?),
            Mode::Template(template) => {
                Box::new(Applier::new(&options, template, helm.clone()).await?)
            }
        };
        Ok(Self {
            options,
            helm,
            delivery,
            turns: Turns::default(),
        })
    }

    /// The `helm` that was found.
    pub const fn found(&self) -> &Engine {
        self.helm.engine()
    }

    fn home(&self, deployment: &ApplicationDeployment) -> Home {
        Home::of(&self.options.state, &deployment.id)
    }
}

#[async_trait]
impl Provider for HelmProvider {
    fn deployment_type(&self) -> DeploymentType {
        DeploymentType::Helm
    }

    async fn engine(&self) -> Result<Engine, ProviderError> {
        let helm = Helm::detect(&self.options).await?;
        self.delivery.answers().await?;
        Ok(helm.engine().clone())
    }

    async fn apply(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let apply = Box::pin(self.apply_deployment(deployment, progress));
        self.turns.take(&deployment.id, apply).await
    }

    async fn remove(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let remove = Box::pin(self.remove_deployment(deployment, progress));
        self.turns.take(&deployment.id, remove).await
    }

    async fn observe(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        self.observe_deployment(deployment).await
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        let state = self.options.state.clone();
        let mut found: BTreeSet<DeploymentId> =
            blocking(move || Home::all(&state).map_err(device_trouble)).await?;
        let delivered = self.delivery.list(None).await?;
        found.extend(delivered.into_iter().map(|owned| owned.deployment));
        Ok(found.into_iter().collect())
    }
}
