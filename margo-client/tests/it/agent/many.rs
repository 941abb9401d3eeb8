//! Devices with many deployments: a change of one costs what it would cost alone.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use margo_client::Error;
use margo_client::state::{Change, State, StateStore};
use margo_providers::{Engine, Observation, Progress, Provider, ProviderError};
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;
use margo_types::manifest::ManifestVersion;
use margo_types::status::{DeploymentState, DeploymentStatus};
use tokio::time::Instant;

use super::rig::{Fault, Machine, Rig, Running, deployment, host, id};

/// A store that notes what is written, and takes a while.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn StateStore>,
    commits: AtomicUsize,
    changes: Mutex<Vec<Change>>,
}

impl Watched {
    fn over(inner: &Arc<dyn StateStore>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            commits: AtomicUsize::new(0),
            changes: Mutex::default(),
        })
    }

    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap())
    }
}

#[async_trait]
impl StateStore for Watched {
    async fn load(&self) -> Result<State, Error> {
        self.inner.load().await
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.changes.lock().unwrap().extend_from_slice(changes);
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.inner.commit(changes).await
    }
}

fn all(revision_of_seven: &str) -> Vec<ApplicationDeployment> {
    let revision = |number| {
        if number == 7 {
            revision_of_seven
        } else {
            "1.0"
        }
    };
    let numbers = 1..=MANY;
    numbers
        .map(|number| deployment(number, revision(number)))
        .collect()
}

fn ids() -> Vec<DeploymentId> {
    (1..=MANY).map(id).collect()
}

const MANY: u8 = 100;

#[tokio::test(start_paused = true)]
async fn a_change_of_one_touches_no_other() {
    let mut rig = Rig::new();
    let store = Watched::over(&rig.state);
    rig.state = store.clone();
    rig.wfm.publish(1, &all("1.0"));
    let agent = rig.start().await;
    agent.until_installed(&ids()).await;

    store.take();
    rig.wfm.script().statuses.clear();
    let (fetched, seen) = (rig.log.count("api deployment"), rig.log.all().len());
    rig.wfm.publish(2, &all("2.0"));
    let updated = |_: &_| rig.machine.runs(id(7)).as_deref() == Some("2.0");
    agent.until("updated", updated).await;
    agent.until_installed(&ids()).await;
    tokio::time::sleep(Duration::from_hours(1)).await;

    assert_eq!(rig.log.count("api deployment"), fetched + 1);
    let log = rig.log.all();
    let applied: Vec<_> = log[seen..]
        .iter()
        .filter(|it| it.starts_with("apply"))
        .collect();
    assert_eq!(applied, ["apply app-7 2.0"]);
    for change in store.take() {
        match change {
            Change::Current(of, _) | Change::Forget(of) => assert_eq!(of, id(7)),
            Change::Report(_, report) => assert_eq!(report.status.deployment_id, id(7)),
            _ => {}
        }
    }
    let reported = |it: &DeploymentStatus| it.deployment_id;
    let reported: BTreeSet<_> = rig.wfm.script().statuses.iter().map(reported).collect();
    assert_eq!(
        reported,
        BTreeSet::from([id(7)]),
        "nothing was to be said of others"
    );

    // All the same they were adopted from the newer manifest.
    let snapshot = agent.handle.snapshot();
    let newest = ManifestVersion::new(2);
    assert!(snapshot.deployments.values().all(|it| it.adopted == newest));
    let state = rig.state.load().await.unwrap();
    assert_eq!(state.adopted(id(1)), newest);
}

#[tokio::test(start_paused = true)]
async fn what_is_withdrawn_was_adopted_from_the_last_manifest_that_had_it() {
    let rig = Rig::new();
    for version in 1..=3 {
        rig.wfm.publish(version, &[deployment(1, "1.0")]);
        let agent = rig.start().await;
        agent
            .until("accepted", |it| {
                it.manifest == ManifestVersion::new(version)
            })
            .await;
        agent.until_installed(&[id(1)]).await;
        agent.kill().await;
    }
    rig.wfm.publish(4, &[]);
    let agent = rig.start().await;
    let newest = ManifestVersion::new(4);
    agent
        .until("removed", |it| {
            it.manifest == newest && it.deployments.is_empty() && it.outbox == 0
        })
        .await;
    let script = rig.wfm.script();
    let last = script.statuses.last().unwrap();
    assert_eq!(last.status.state, DeploymentState::Removed);
    assert_eq!(last.adopted_manifest_version, ManifestVersion::new(3));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_together_is_written_together() {
    let mut rig = Rig::new();
    let store = Watched::over(&rig.state);
    rig.state = store.clone();
    rig.wfm.publish(1, &all("1.0"));
    let agent = rig.start().await;
    agent.until_installed(&ids()).await;
    let commits = store.commits.load(Ordering::SeqCst);
    // Each deployment begins, ends, and has its reports delivered.
    assert!(commits < 2 * usize::from(MANY), "{commits} commits");
}

/// An engine that takes long to say how its workloads fare.
#[derive(Debug, Default)]
struct Pensive {
    machine: Machine,
    looking: AtomicBool,
}

#[async_trait]
impl Provider for Pensive {
    fn deployment_type(&self) -> DeploymentType {
        self.machine.deployment_type()
    }

    async fn engine(&self) -> Result<Engine, ProviderError> {
        self.machine.engine().await
    }

    async fn apply(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        self.machine.apply(deployment, progress).await
    }

    async fn remove(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        self.machine.remove(deployment, progress).await
    }

    async fn observe(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        self.looking.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(40)).await;
        self.machine.observe(deployment).await
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        self.machine.list().await
    }
}

#[tokio::test(start_paused = true)]
async fn no_step_waits_for_observations() {
    let rig = Rig::new();
    let engine = Arc::new(Pensive::default());
    rig.wfm.publish(1, &all("1.0"));
    let agent = margo_client::Agent::builder(rig.wfm.clone(), Arc::clone(&rig.state))
        .clock(rig.clock.clone())
        .device(host("edge"), [engine.clone() as Arc<dyn Provider>]);
    let agent = Running::start(agent).await;
    agent.until_installed(&ids()).await;
    while !engine.looking.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let begun = Instant::now();
    rig.wfm.publish(2, &all("2.0"));
    agent.handle.poll_now();
    let updated = |_: &_| engine.machine.runs(id(7)).as_deref() == Some("2.0");
    agent.until("updated", updated).await;
    assert!(begun.elapsed() < Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn refused_capabilities_are_told_again_some_time() {
    let rig = Rig::new();
    rig.wfm.fail("capabilities", &[Fault::Refused(422, None)]);
    let agent = rig.start().await;
    let begun = Instant::now();
    agent
        .until("refused", |it| it.capabilities_error.is_some())
        .await;
    agent
        .until("taken", |it| it.capabilities_error.is_none())
        .await;
    assert!(begun.elapsed() >= Duration::from_mins(30), "not every poll");
    assert_eq!(rig.log.count("api capabilities"), 2);
    assert_eq!(rig.wfm.script().devices.len(), 1);
}
