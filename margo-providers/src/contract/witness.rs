//! What the checks share.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ComponentName, DeploymentId};
use margo_types::status::DeploymentState;
use tokio::sync::watch;

use super::{Fixture, Sample};
use crate::{Observation, Progress, Provider, Silent};

/// One provider in its environment, with a deployment ID that nobody else uses.
pub(super) struct Scene<'a> {
    pub(super) provider: &'a dyn Provider,
    pub(super) fixture: &'a dyn Fixture,
    pub(super) id: DeploymentId,
}

impl<'a> Scene<'a> {
    pub(super) fn new(provider: &'a dyn Provider, fixture: &'a dyn Fixture) -> Self {
        Self {
            provider,
            fixture,
            id: fresh_id(),
        }
    }

    pub(super) fn deployment(&self, sample: Sample) -> ApplicationDeployment {
        self.fixture.deployment(self.id, sample)
    }

    /// Applies a sample, which must succeed, and gives it.
    pub(super) async fn install(&self, sample: Sample) -> ApplicationDeployment {
        let deployment = self.deployment(sample);
        let applied = self.provider.apply(&deployment, &Silent).await;
        applied.unwrap_or_else(|error| panic!("{sample:?} was not installed: {error}"));
        let observed = self.observe(&deployment).await;
        assert!(
            observed.is_installed(),
            "{sample:?} was installed: {observed:?}"
        );
        deployment
    }

    pub(super) async fn observe(&self, deployment: &ApplicationDeployment) -> Observation {
        let observed = self.provider.observe(deployment).await;
        let observed = observed.unwrap_or_else(|error| panic!("it was not observed: {error}"));
        let components = &deployment.spec.deployment_profile.components;
        let expected: Vec<_> = components.iter().map(|component| &component.name).collect();
        let found: Vec<_> = observed
            .components
            .iter()
            .map(|status| &status.name)
            .collect();
        assert_eq!(found, expected, "one entry for every component, in order");
        observed
    }

    /// Removes the deployment, which must succeed, and checks that nothing is left.
    pub(super) async fn remove(&self, deployment: &ApplicationDeployment) {
        let removed = self.provider.remove(deployment, &Silent).await;
        removed.unwrap_or_else(|error| panic!("it was not removed: {error}"));
        self.assert_absent(deployment).await;
    }

    pub(super) async fn is_listed(&self) -> bool {
        let list = self.provider.list().await;
        list.unwrap_or_else(|error| panic!("there is no list: {error}"))
            .contains(&self.id)
    }

    pub(super) async fn assert_absent(&self, deployment: &ApplicationDeployment) {
        let observed = self.observe(deployment).await;
        let absent = Observation::uniform(deployment, &DeploymentState::Removed);
        assert_eq!(observed, absent, "it is not on the device");
        assert!(!self.is_listed().await, "it is not on the device");
        if self.fixture.abilities().leftovers {
            let left = self.fixture.leftovers(self.id).await;
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

/// Remembers what is told, and says when something new was.
#[derive(Debug)]
pub(super) struct Witness {
    told: Mutex<Vec<(ComponentName, DeploymentState)>>,
    count: watch::Sender<usize>,
}

impl Witness {
    pub(super) fn new() -> Self {
        Self {
            told: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }

    pub(super) fn told(&self) -> Vec<(ComponentName, DeploymentState)> {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until a component has come to this state.
    pub(super) async fn saw(&self, state: &DeploymentState) {
        let mut count = self.count.subscribe();
        while !self.told().iter().any(|(_, told)| told == state) {
            // The sender lives in this value.
            let _ = count.changed().await;
        }
    }
}

impl Progress for Witness {
    fn component(&self, name: &ComponentName, state: DeploymentState) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push((name.clone(), state));
        self.count.send_replace(told.len());
    }
}

/// An ID that no other check and no other process has.
fn fresh_id() -> DeploymentId {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let count = u128::from(COUNT.fetch_add(1, Ordering::Relaxed));
    let process = u128::from(std::process::id());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_nanos();
    DeploymentId::from_uuid_bytes(((now << 48) | (process << 16) | count).to_be_bytes())
}
