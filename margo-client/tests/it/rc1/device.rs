//! The agent, unchanged, as a client of the signed generation.

use std::sync::Arc;
use std::time::Duration;

use margo_client::agent::{Options, Snapshot};
use margo_client::api::{Dialect, Rc1Api};
use margo_client::onboarding::{Enrolment, Standing};
use margo_client::retry::RetryPolicy;
use margo_client::schedule::{Schedule, ScheduleConfig};
use margo_client::state::FileStore;
use margo_client::{Agent, AgentHandle};
use margo_conformance::interop::Profile;
use margo_conformance::wfm::{Answer, FakeWfm};
use margo_providers::Provider;
use margo_providers::simulated::SimulatedProvider;
use margo_types::application::{Component, ComponentProperties, DeploymentType};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec,
};
use margo_types::endpoint::Operation;
use margo_types::id::DeploymentId;
use margo_types::status::DeploymentState;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Scene, host};
use crate::state::open_when_free;

/// An agent that runs until it is dropped, which is how a process is killed.
struct Running {
    handle: AgentHandle,
    enrolment: Enrolment,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(scene: &Scene, wfm: &FakeWfm, dialect: Dialect) -> Self {
        let mut settings = scene.settings(&wfm.url());
        settings.dialect = dialect;
        let enrolment = Enrolment::open(settings, scene.identity()).await;
        let enrolment = enrolment.expect("an enrolment");
        let state = open_when_free(&scene.path("state.redb"), enrolment.owner()).await;
        let engine = SimulatedProvider::in_directory(scene.path("engine")).expect("an engine");
        let mut every = ScheduleConfig::default();
        every.period = Duration::from_millis(100);
        let mut retry = RetryPolicy::default();
        retry.first_wait = Duration::from_millis(10);
        retry.longest_wait = Duration::from_millis(100);
        let mut options = Options::default();
        options.observe_every = Duration::from_millis(100);
        let api = Arc::new(Rc1Api::new(enrolment.clone()));
        let agent = Agent::builder(api, Arc::new(state))
            .device(host("edge"), [Arc::new(engine) as Arc<dyn Provider>])
            .schedule(Schedule::new(&every).expect("a schedule"))
            .retry(retry)
            .options(options)
            .build()
            .await
            .expect("an agent");
        Self {
            handle: agent.handle(),
            enrolment,
            task: tokio::spawn(async move { agent.run(std::future::pending()).await }),
        }
    }

    async fn until(&self, what: &str, is_so: impl FnMut(&Snapshot) -> bool) -> Snapshot {
        let mut watch = self.handle.watch();
        match timeout(Duration::from_mins(1), watch.wait_for(is_so)).await {
            Ok(Ok(snapshot)) => snapshot.clone(),
            _ => panic!("never {what}: {:#?}", self.handle.snapshot()),
        }
    }

    async fn until_installed(&self) -> Snapshot {
        self.until("installed", |it| {
            let mut all = it.deployments.values();
            it.outbox == 0
                && it.deployments.len() == 1
                && all.all(|it| it.state == DeploymentState::Installed)
        })
        .await
    }

    async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn id() -> DeploymentId {
    DeploymentId::from_uuid_bytes([7; 16])
}

fn deployment() -> ApplicationDeployment {
    let mut properties = ComponentProperties::default();
    properties.repository = Some("oci://registry.example/web".parse().expect("a repository"));
    properties.revision = Some("1.0.0".parse().expect("a revision"));
    let component = Component::new("web".parse().expect("a name"), properties);
    let profile = DeployedProfile::new(DeploymentType::Compose, vec![component]);
    let mut metadata = DeploymentMetadata::new("app", "default", "edge".parse().expect("an id"));
    // No fleet manager of this generation says it.
    metadata.device_id = None;
    let application = "com-example-app".parse().expect("an id");
    ApplicationDeployment::new(id(), metadata, DeploymentSpec::new(application, profile))
}

#[tokio::test]
async fn an_agent_runs_unchanged_in_every_dialect() {
    for (profile, dialect) in [
        (Profile::STRICT, Dialect::COMMON),
        (Profile::SYMPHONY_2025_12, Dialect::SYMPHONY_2025_12),
        (Profile::SANDBOX_9421_2026, Dialect::SANDBOX_9421_2026),
    ] {
        let scene = Scene::new();
        let wfm = FakeWfm::start_signed(&scene.authority, profile).await;
        let agent = Running::start(&scene, &wfm, dialect).await;
        wfm.assign(&deployment());
        wfm.wait_for_status(&id(), &DeploymentState::Installed)
            .await;
        agent.until_installed().await;
        wfm.withdraw(&id());
        wfm.wait_for_status(&id(), &DeploymentState::Removed).await;
        let snapshot = agent.until("empty", |it| it.deployments.is_empty()).await;
        assert_eq!((snapshot.security_events, snapshot.refused_reports), (0, 0));
        assert_eq!(snapshot.capabilities_error, None);
    }
}

#[tokio::test]
async fn an_agent_waits_for_its_operator_and_carries_on_after_a_reboot_without_network() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    wfm.assign(&deployment());
    wfm.fail_next(
        Operation::Onboard,
        3,
        Answer::body(202, "application/json", ""),
    );
    let agent = Running::start(&scene, &wfm, Dialect::COMMON).await;
    agent.until_installed().await;
    assert_eq!(wfm.requests_for(Operation::Onboard).len(), 4);
    agent.kill().await;

    wfm.stop().await;
    let agent = Running::start(&scene, &wfm, Dialect::COMMON).await;
    agent
        .until("failing", |it| {
            it.consecutive_failures > 1 && it.deployments.len() == 1
        })
        .await;
    assert!(matches!(
        agent.enrolment.standing(),
        Standing::Enrolled { .. }
    ));
    wfm.restart();
    agent
        .until("online", |it| it.consecutive_failures == 0)
        .await;
    assert_eq!(
        wfm.requests_for(Operation::Onboard).len(),
        4,
        "the id is known"
    );
    agent.kill().await;

    // The key is renewed, and this fleet manager makes another client of it. What runs goes on, whatever that client is to
    // have, until its manifests have caught up.
    scene.renew();
    let agent = Running::start(&scene, &wfm, Dialect::COMMON).await;
    let snapshot = agent.until("refused", |it| it.security_events > 0).await;
    assert_eq!(snapshot.deployments.len(), 1);
    wfm.assign(&deployment());
    agent
        .until("online", |it| it.consecutive_failures == 0)
        .await;
    agent.until_installed().await;
}

#[tokio::test]
async fn what_cannot_be_expressed_does_not_hold_up_the_rest() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let enrolment = scene.enrolment(&wfm.url()).await;
    let state = FileStore::open(scene.path("state.redb"), enrolment.owner()).await;
    let engine: Arc<dyn Provider> = Arc::new(SimulatedProvider::new());
    let api = Arc::new(Rc1Api::new(enrolment.clone()));
    let agent = Agent::builder(api, Arc::new(state.expect("a state")))
        .device(host("edge"), [Arc::clone(&engine)])
        .child(host("edge/child"), [engine])
        .build()
        .await
        .expect("an agent");
    wfm.assign(&deployment());
    let running = Running {
        handle: agent.handle(),
        enrolment,
        task: tokio::spawn(async move { agent.run(std::future::pending()).await }),
    };
    let snapshot = running.until_installed().await;
    let said = snapshot
        .capabilities_error
        .expect("the child is not reported");
    assert!(
        said.contains("edge/child") && said.contains("gateway"),
        "{said}"
    );
    assert_eq!(wfm.devices().len(), 1);
}
