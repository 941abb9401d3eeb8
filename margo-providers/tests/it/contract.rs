//! The contract holds for the simulated provider, and finds providers that break it.

use std::time::Duration;

use async_trait::async_trait;
use margo_providers::contract::{self, Abilities, CHECKS, Fixture, Sample};
use margo_providers::simulated::{Fault, SimulatedProvider};
use margo_providers::{Engine, Observation, Progress, Provider, ProviderError, Silent, Trouble};
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;

use crate::support::{deployment, name, with_timeout};

#[tokio::test(start_paused = true)]
async fn simulated_provider_keeps_the_contract() {
    let provider = SimulatedProvider::new();
    let left_out = contract::run(&provider, &Simulation::new(&provider)).await;
    assert!(left_out.is_empty(), "{left_out:?}");
}

#[tokio::test(start_paused = true)]
async fn simulated_provider_in_files_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let provider = SimulatedProvider::in_directory(directory.path()).unwrap();
    let left_out = contract::run(&provider, &Simulation::new(&provider)).await;
    assert!(left_out.is_empty(), "{left_out:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_left_out() {
    let provider = SimulatedProvider::new();
    let mut simulation = Simulation::new(&provider);
    simulation.abilities = Abilities::NONE;
    let left_out = contract::run(&provider, &simulation).await;
    assert!(left_out.contains(&"update_keeps_data"), "{left_out:?}");
    assert!(!left_out.contains(&"installed_and_listed"), "{left_out:?}");
}

#[tokio::test(start_paused = true)]
async fn broken_providers_are_found() {
    let breaches = [
        (Broken::LosesData, "update_keeps_data"),
        (
            Broken::ForgetsToRemove,
            "removal_is_complete_and_repeatable",
        ),
        (Broken::KeepsDataForEver, "removal_takes_data_along"),
        (Broken::LeavesFailures, "failed_installation_leaves_nothing"),
        (Broken::RefusesToRemoveNothing, "absent_is_removed"),
        (Broken::ListsNothing, "installed_and_listed"),
        (Broken::TellsNothing, "components_come_up_in_order"),
        (Broken::SeesNoFailure, "broken_workload_is_seen_and_mended"),
        (Broken::DisturbsOthers, "different_deployments_overlap"),
    ];
    for (fault, expected) in breaches {
        let check = CHECKS.iter().find(|check| check.name() == expected);
        let check = *check.unwrap();
        let breaks = |fault| {
            let checked = async move {
                let provider = BrokenProvider::new(fault);
                check.run(&provider, &provider).await;
            };
            async { tokio::spawn(checked).await.is_err() }
        };
        assert!(breaks(fault).await, "{expected} does not find {fault:?}");
        assert!(
            !breaks(Broken::Nothing).await,
            "{expected} finds what is not there"
        );
    }
}

/// The environment of a simulated provider.
struct Simulation<'a> {
    provider: &'a SimulatedProvider,
    abilities: Abilities,
}

impl<'a> Simulation<'a> {
    fn new(provider: &'a SimulatedProvider) -> Self {
        script(provider);
        Self {
            provider,
            abilities: Abilities::ALL,
        }
    }
}

#[async_trait]
impl Fixture for Simulation<'_> {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn deployment(&self, id: DeploymentId, sample: Sample) -> ApplicationDeployment {
        match sample {
            Sample::Healthy => deployment(id, &[("app", "1.0.0")]),
            Sample::Update => deployment(id, &[("app", "2.0.0")]),
            Sample::Failing => deployment(id, &[("failing", "1.0.0")]),
            Sample::Slow => deployment(id, &[("slow", "1.0.0")]),
            Sample::TooSlow => with_timeout(id, &[("slow", "1.0.0")], "1s"),
            Sample::Several => deployment(
                id,
                &[("one", "1.0.0"), ("two", "1.0.0"), ("three", "1.0.0")],
            ),
            other => panic!("{other:?} is not known here"),
        }
    }

    async fn write_data(&self, deployment: &ApplicationDeployment, text: &str) {
        self.provider.set_data(deployment.id, text).unwrap();
    }

    async fn read_data(&self, deployment: &ApplicationDeployment) -> Option<String> {
        self.provider.data(deployment.id)
    }

    async fn sabotage(&self, deployment: &ApplicationDeployment) {
        let component = &deployment.spec.deployment_profile.components[0].name;
        let broken = self
            .provider
            .break_component(deployment.id, component, "killed");
        broken.unwrap();
    }

    async fn leftovers(&self, id: DeploymentId) -> Vec<String> {
        let list = self.provider.list().await.unwrap();
        list.iter()
            .filter(|own| **own == id)
            .map(ToString::to_string)
            .collect()
    }
}

/// Makes the samples what they are.
fn script(provider: &SimulatedProvider) {
    let failure = Fault::fail(Trouble::Workload, "it ended with status 1");
    provider.script(failure.of_component(&name("failing")));
    let delay = Fault::delay(Duration::from_mins(1));
    provider.script(delay.of_component(&name("slow")));
}

/// What a provider does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    LosesData,
    ForgetsToRemove,
    KeepsDataForEver,
    LeavesFailures,
    RefusesToRemoveNothing,
    ListsNothing,
    TellsNothing,
    SeesNoFailure,
    DisturbsOthers,
}

/// A simulated provider with a fault on top, and its environment.
#[derive(Debug)]
struct BrokenProvider {
    inner: SimulatedProvider,
    fault: Broken,
    data: std::sync::Mutex<Option<String>>,
}

impl BrokenProvider {
    fn new(fault: Broken) -> Self {
        let inner = SimulatedProvider::new();
        script(&inner);
        Self {
            inner,
            fault,
            data: std::sync::Mutex::default(),
        }
    }

    fn is(&self, fault: Broken) -> bool {
        self.fault == fault
    }
}

#[async_trait]
impl Provider for BrokenProvider {
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
        let component = &deployment.spec.deployment_profile.components[0];
        if self.is(Broken::DisturbsOthers) {
            for id in self.inner.list().await? {
                if id != deployment.id {
                    let other = crate::support::deployment(id, &[]);
                    self.inner.remove(&other, &Silent).await?;
                }
            }
        }
        if self.is(Broken::LosesData) && self.inner.data(deployment.id).is_some() {
            self.inner.remove(deployment, &Silent).await?;
        }
        if self.is(Broken::LeavesFailures) && component.name.as_str() == "failing" {
            let half = crate::support::deployment(deployment.id, &[("app", "1.0.0")]);
            self.inner.apply(&half, progress).await?;
        }
        if self.is(Broken::TellsNothing) {
            return self.inner.apply(deployment, &Silent).await;
        }
        self.inner.apply(deployment, progress).await
    }

    async fn remove(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        if self.is(Broken::ForgetsToRemove) {
            return Ok(());
        }
        if self.is(Broken::RefusesToRemoveNothing) && self.inner.list().await?.is_empty() {
            return Err(ProviderError::new(
                Trouble::Engine,
                "there is no such project",
            ));
        }
        self.inner.remove(deployment, progress).await
    }

    async fn observe(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        let observed = self.inner.observe(deployment).await?;
        let is_listed = self.inner.list().await?.contains(&deployment.id);
        if self.is(Broken::SeesNoFailure) && is_listed {
            let state = margo_types::status::DeploymentState::Installed;
            return Ok(Observation::uniform(deployment, &state));
        }
        Ok(observed)
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        if self.is(Broken::ListsNothing) {
            return Ok(Vec::new());
        }
        self.inner.list().await
    }
}

#[async_trait]
impl Fixture for BrokenProvider {
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    fn deployment(&self, id: DeploymentId, sample: Sample) -> ApplicationDeployment {
        let simulation = Simulation {
            provider: &self.inner,
            abilities: Abilities::ALL,
        };
        simulation.deployment(id, sample)
    }

    async fn write_data(&self, deployment: &ApplicationDeployment, text: &str) {
        *self.data.lock().unwrap() = Some(text.to_owned());
        self.inner.set_data(deployment.id, text).unwrap();
    }

    async fn read_data(&self, deployment: &ApplicationDeployment) -> Option<String> {
        if self.is(Broken::KeepsDataForEver) {
            return self.data.lock().unwrap().clone();
        }
        self.inner.data(deployment.id)
    }

    async fn sabotage(&self, deployment: &ApplicationDeployment) {
        let component = &deployment.spec.deployment_profile.components[0].name;
        self.inner
            .break_component(deployment.id, component, "killed")
            .unwrap();
    }
}
