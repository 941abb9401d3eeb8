//! Compose applications through the installed container engine (rc3.md sections 1.4, 1.6, 8 and 10).
//!
//! ```no_run
//! use margo_package::oci::Client;
//! use margo_providers::compose::{ComposeProvider, Options};
//! use margo_providers::{Provider, Silent};
//! # use margo_types::deployment::ApplicationDeployment;
//!
//! # async fn run(deployment: ApplicationDeployment) -> Result<(), Box<dyn std::error::Error>> {
//! let mut options = Options::new("/var/lib/margo/compose", Client::builder().build()?);
//! options.docker_host = Some("unix:///run/docker.sock".to_owned());
//! let provider = ComposeProvider::detect(options).await?;
//! println!("using {}", provider.found());
//! provider.apply(&deployment, &Silent).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Isolation.** Each component of each deployment is a Compose project of its own, called
//! `margo-<deployment>-<component>`. Everything is found by the exact label that Compose puts on it, never by a part of
//! its name.
//!
//! **Updates in place.** First everything is fetched, validated and pulled, for all components, with nothing changed; then
//! Compose recreates what differs, then the components that a new revision dropped are removed. Volumes stay, and so do the files
//! of relative bind mounts. What has not changed is not touched at all. Only a dropped component that has what another one takes (a
//! port of the device, or the name of a container, a network or a volume), as when it is renamed, goes before that.
//!
//! **Parameters** are environment variables for the compose file (`${NAME}`), with names exactly as written.
//!
//! **Offline.** Archives are kept by digest; a revision that was pulled once is not asked for again until the
//! deployment is removed.

mod apply;
mod bring_up;
mod container;
mod engine;
mod home;
mod names;
mod observe;
mod options;
mod override_file;
mod prepare;
mod remove;
mod variables;

use std::collections::BTreeSet;

use async_trait::async_trait;
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;

use self::engine::Installed;
pub use self::options::Options;
use crate::files::{blocking, device_trouble};
use crate::home::Home;
use crate::turn::Turns;
use crate::{Engine, Observation, Progress, Provider, ProviderError, Trouble};

/// Runs Compose deployments with Docker or Podman; see the [module](self).
#[derive(Debug)]
pub struct ComposeProvider {
    options: Options,
    installed: Installed,
    turns: Turns,
}

impl ComposeProvider {
    /// Finds the engine: the configured command or the first usable of `docker compose`, `docker-compose`,
    /// `podman compose` and `podman-compose`.
    ///
    /// # Errors
    /// [`Trouble::Engine`] when there is none, with the reason for each; [`Trouble::Device`] when the options cannot be used.
    pub async fn detect(options: Options) -> Result<Self, ProviderError> {
        if !names::is_prefix(&options.prefix) {
            let message = format!(
                "the project prefix {:?} is not usable; write 1 to 20 lower-case letters and digits",
                options.prefix
            );
            return Err(ProviderError::new(Trouble::Device, message));
        }
        let mut options = options;
        // The engine resolves paths by itself.
        options.state = std::path::absolute(&options.state).map_err(device_trouble)?;
        let installed = Installed::detect(&options).await?;
        Ok(Self {
            options,
            installed,
            turns: Turns::default(),
        })
    }

    /// The engine that was found.
    pub const fn found(&self) -> &Engine {
        &self.installed.engine
    }

    fn home(&self, deployment: &ApplicationDeployment) -> Home {
        Home::of(&self.options.state, &deployment.id)
    }
}

#[async_trait]
impl Provider for ComposeProvider {
    fn deployment_type(&self) -> DeploymentType {
        DeploymentType::Compose
    }

    async fn engine(&self) -> Result<Engine, ProviderError> {
        Ok(Installed::detect(&self.options).await?.engine)
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
        let projects = self.installed.projects().await?;
        let prefix = &self.options.prefix;
        found.extend(
            projects
                .iter()
                .filter_map(|name| names::deployment_of(prefix, name)),
        );
        Ok(found.into_iter().collect())
    }
}
