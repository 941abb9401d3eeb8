//! A provider without containers, whose delays and failures are scripted.
//!
//! It is for devices without an engine, for many devices in one process, and for tests of what uses a provider.
//!
//! ```
//! # use std::time::Duration;
//! # use margo_providers::simulated::{Fault, SimulatedProvider};
//! # use margo_providers::Trouble;
//! # fn test(component: &margo_types::id::ComponentName) {
//! let provider = SimulatedProvider::new();
//! provider.script(Fault::delay(Duration::from_secs(2)));
//! provider.script(Fault::fail(Trouble::Workload, "it ended with status 1").of_component(component).times(2));
//! # }
//! ```

mod fault;
mod record;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use margo_types::application::{Component, DeploymentType};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ComponentName, DeploymentId};
use margo_types::status::DeploymentState;
use tokio::sync::watch;

use self::fault::{Effect, Script};
pub use self::fault::{Fault, Step};
use self::record::{Workloads, content_of};
use crate::{Engine, Observation, Progress, Provider, ProviderError, Trouble};

/// Runs deployments in name only.
///
/// Components come up at once and one after the other, unless the script says otherwise. Workloads keep a text as their
/// data, which updates leave alone.
#[derive(Debug)]
pub struct SimulatedProvider {
    deployment_type: DeploymentType,
    state: Mutex<State>,
    /// Counts the times that hanging steps were let go.
    released: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    workloads: Workloads,
    script: Script,
    calls: VecDeque<Call>,
}

/// A call that a provider got.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// [`Provider::apply`] of this deployment.
    Apply(DeploymentId),
    /// [`Provider::remove`] of this deployment.
    Remove(DeploymentId),
    /// [`Provider::observe`] of this deployment.
    Observe(DeploymentId),
    /// [`Provider::list`].
    List,
}

impl SimulatedProvider {
    /// A provider of Compose deployments whose workloads are in memory.
    pub fn new() -> Self {
        Self {
            deployment_type: DeploymentType::Compose,
            state: Mutex::default(),
            released: watch::Sender::new(0),
        }
    }

    /// A provider whose workloads are in this directory, one file each, so that they outlive the process.
    ///
    /// # Errors
    /// When the directory cannot be made or read, or a file in it is not one of ours; the error names it.
    pub fn in_directory(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let provider = Self::new();
        provider.state().workloads = Workloads::in_directory(directory.into())?;
        Ok(provider)
    }

    /// The same provider for another type of deployment.
    #[must_use]
    pub fn of_type(mut self, deployment_type: DeploymentType) -> Self {
        self.deployment_type = deployment_type;
        self
    }

    /// Adds to what shall go wrong. For every step, the oldest fault that concerns it and is not used up counts.
    pub fn script(&self, fault: Fault) {
        self.state().script.add(fault);
    }

    /// Forgets the script, and lets go what hangs.
    pub fn recover(&self) {
        self.state().script = Script::default();
        self.released.send_modify(|count| *count += 1);
    }

    /// The calls so far, in the order of their arrival; the last 16,384 of them.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.iter().cloned().collect()
    }

    /// Makes an installed component fail, as if its workload had ended by itself.
    ///
    /// # Errors
    /// When the workloads are in a directory and cannot be written.
    pub fn break_component(
        &self,
        id: DeploymentId,
        component: &ComponentName,
        message: &str,
    ) -> Result<(), ProviderError> {
        let error = ProviderError::new(Trouble::Workload, message).of(component);
        self.state()
            .workloads
            .change(id, |record| record.fail(component, &error))
    }

    /// What the workload keeps.
    pub fn data(&self, id: DeploymentId) -> Option<String> {
        self.state().workloads.get(id)?.data.clone()
    }

    /// Has an installed workload keep this.
    ///
    /// # Errors
    /// When the workloads are in a directory and cannot be written.
    pub fn set_data(&self, id: DeploymentId, text: &str) -> Result<(), ProviderError> {
        let text = Some(text.to_owned());
        self.state()
            .workloads
            .change(id, |record| record.data = text)
    }

    /// Brings up one component, if it is not up already.
    async fn bring_up(
        &self,
        deployment: &ApplicationDeployment,
        component: &Component,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let (id, name) = (deployment.id, &component.name);
        let content = content_of(deployment, component);
        let is_up = self
            .state()
            .workloads
            .get(id)
            .is_some_and(|record| record.is_up(name, &content));
        if is_up {
            return Ok(());
        }
        let state = |state: DeploymentState| {
            let content = content.clone();
            move |record: &mut record::Record| record.set(name, state, content)
        };
        self.state()
            .workloads
            .change_or_begin(id, state(DeploymentState::Installing))?;
        progress.component(name, DeploymentState::Installing);
        let step = self.step(Step::Install, id, name);
        let finished = match &component.properties.timeout {
            Some(limit) => tokio::time::timeout(limit.duration(), step)
                .await
                .unwrap_or_else(|_| Err(timed_out(name, limit))),
            None => step.await,
        };
        match finished {
            Ok(()) => {
                self.state()
                    .workloads
                    .change(id, state(DeploymentState::Installed))?;
                progress.component(name, DeploymentState::Installed);
                Ok(())
            }
            Err(error) => {
                self.state()
                    .workloads
                    .change(id, |record| record.fail(name, &error))?;
                Err(error)
            }
        }
    }

    /// Takes down the components of a deployment that are not to be kept, the last first.
    async fn take_down(
        &self,
        id: DeploymentId,
        kept: &[ComponentName],
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let present = self.state().workloads.get(id).map(record::Record::names);
        for name in present.unwrap_or_default().iter().rev() {
            if kept.contains(name) {
                continue;
            }
            progress.component(name, DeploymentState::Removing);
            self.step(Step::Remove, id, name).await?;
            self.state()
                .workloads
                .change(id, |record| record.forget(name))?;
            progress.component(name, DeploymentState::Removed);
        }
        Ok(())
    }

    /// Lets happen to a component what the script says.
    async fn step(
        &self,
        step: Step,
        id: DeploymentId,
        name: &ComponentName,
    ) -> Result<(), ProviderError> {
        let mut released = self.released.subscribe();
        let effect = self.state().script.next(step, id, name);
        match effect {
            None => {}
            Some(Effect::Delay(duration)) => tokio::time::sleep(duration).await,
            Some(Effect::Hang) => {
                // The sender lives as long as this value.
                let _ = released.changed().await;
            }
            Some(Effect::Fail(trouble, message)) => {
                return Err(ProviderError::new(trouble, message).of(name));
            }
        }
        // Also without a script, an operation can be cancelled between its steps.
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Nobody panics while holding it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called(&self, call: Call) {
        let calls = &mut self.state().calls;
        if calls.len() == MOST_CALLS {
            calls.pop_front();
        }
        calls.push_back(call);
    }
}

impl Default for SimulatedProvider {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Provider for SimulatedProvider {
    fn deployment_type(&self) -> DeploymentType {
        self.deployment_type.clone()
    }

    async fn engine(&self) -> Result<Engine, ProviderError> {
        Ok(Engine::new("simulated", env!("CARGO_PKG_VERSION")))
    }

    async fn apply(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let id = deployment.id;
        self.called(Call::Apply(id));
        let components = &deployment.spec.deployment_profile.components;
        for component in components {
            if let Err(error) = self.bring_up(deployment, component, progress).await {
                self.state().workloads.end_if_never_installed(id)?;
                return Err(error);
            }
        }
        let names: Vec<_> = components
            .iter()
            .map(|component| component.name.clone())
            .collect();
        self.take_down(id, &names, progress).await?;
        self.state()
            .workloads
            .change_or_begin(id, |record| record.complete(&names))
    }

    async fn remove(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let id = deployment.id;
        self.called(Call::Remove(id));
        self.take_down(id, &[], progress).await?;
        self.state().workloads.end(id)
    }

    async fn observe(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        self.called(Call::Observe(deployment.id));
        let mut observed = Observation::uniform(deployment, &DeploymentState::Removed);
        if let Some(record) = self.state().workloads.get(deployment.id) {
            for component in &mut observed.components {
                if let Some(status) = record.status(&component.name) {
                    component.clone_from(status);
                }
            }
        }
        Ok(observed)
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        self.called(Call::List);
        Ok(self.state().workloads.ids())
    }
}

/// A device looks at its workloads every minute, for years.
const MOST_CALLS: usize = 16_384;

fn timed_out(name: &ComponentName, limit: &margo_types::scalar::Timeout) -> ProviderError {
    let message = format!("it was not complete within {limit}");
    ProviderError::new(Trouble::Timeout, message).of(name)
}
