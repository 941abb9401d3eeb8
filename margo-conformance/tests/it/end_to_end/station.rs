//! A machine with an agent on it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use margo_client::agent::{AgentBuilder, Clock, Options, Snapshot};
use margo_client::api::{ApiOptions, Rc3Api};
use margo_client::identity::{IdentityFiles, IdentityWatch};
use margo_client::retry::RetryPolicy;
use margo_client::schedule::{Schedule, ScheduleConfig};
use margo_client::state::{FileStore, Owner};
use margo_client::{Agent, AgentHandle, FleetApi};
use margo_providers::simulated::SimulatedProvider;
use margo_providers::{Engine, Observation, Progress, Provider, ProviderError};
use margo_types::Digest;
use margo_types::application::{
    Component, ComponentProperties, DeploymentType, DeviceConstraints, EligibilityRule,
    MatchExpression, Operator, Selector, Target,
};
use margo_types::capabilities::{Cpu, DeviceCapabilities, DeviceProperties, Runtime};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec, ParameterValue,
};
use margo_types::id::{ComponentName, DeploymentId, SpiffeId};
use margo_types::status::DeploymentState;
use margo_types::svid::Identity;
use tokio::task::JoinHandle;

use super::files::{GLANCE, Keys, PATIENCE, client_id, domain, eventually, wfm_id};
use super::journal::{Disk, Journal, Line};

/// A machine: its keys, its disk and its engine, which all outlive the agent.
#[derive(Debug)]
pub(super) struct Station {
    pub(super) keys: Keys,
    pub(super) journal: Journal,
    pub(super) machine: Arc<Machine>,
    pub(super) clock: Arc<WallClock>,
    pub(super) limits: ApiOptions,
    folder: PathBuf,
}

impl Station {
    /// The one in this folder.
    pub(super) fn at(folder: &Path, client: &str) -> Self {
        let id = SpiffeId::wfm_client(&domain(), "wfm-1", &client_id(client)).unwrap();
        let journal = Journal::default();
        Self {
            keys: Keys::at(folder, id),
            machine: Machine::at(&folder.join("engine"), &journal),
            journal,
            clock: Arc::default(),
            limits: ApiOptions::default(),
            folder: folder.to_owned(),
        }
    }

    /// Another engine at this station, for a device behind a gateway.
    pub(super) fn another_machine(&self, name: &str) -> Arc<Machine> {
        Machine::at(&self.folder.join(name), &self.journal)
    }

    /// Everything that ran is gone, as if the engine had been installed anew.
    pub(super) fn lose_workloads(&mut self) {
        let folder = self.folder.join("engine");
        fs::remove_dir_all(&folder).unwrap();
        self.machine = Machine::at(&folder, &self.journal);
    }

    /// What is on the disk, once no agent has it open any more.
    pub(super) async fn state(&self) -> FileStore {
        self.state_of(&Owner::from(&wfm_id())).await
    }

    async fn state_of(&self, owner: &Owner) -> FileStore {
        let path = self.folder.join("state");
        eventually("is the state free", || async {
            FileStore::open(&path, owner.clone()).await.ok()
        })
        .await
    }

    /// An agent of the device `edge` that is quick to do everything.
    pub(super) async fn agent(&self, url: &str) -> (AgentBuilder, IdentityWatch) {
        let [svid, key, bundle] = self.keys.paths();
        let watch = IdentityFiles::new(svid, key, bundle).watch().unwrap();
        let identity = watch.identity().clone();
        let url = url.parse().unwrap();
        let api = Rc3Api::with_options(url, identity, self.limits.clone()).unwrap();
        let builder = self.agent_over(api, &Owner::from(&wfm_id())).await;
        (builder, watch)
    }

    /// The same over another way to the fleet manager, with the state of this owner.
    pub(super) async fn agent_over(
        &self,
        api: impl FleetApi + 'static,
        owner: &Owner,
    ) -> AgentBuilder {
        let (api, state) = (
            Line {
                api: Box::new(api),
                journal: self.journal.clone(),
            },
            Disk {
                state: self.state_of(owner).await,
                journal: self.journal.clone(),
            },
        );
        Agent::builder(Arc::new(api), Arc::new(state))
            .device(host("edge"), [self.machine.clone() as Arc<dyn Provider>])
            .clock(self.clock.clone())
            .schedule(every(Duration::from_millis(100)))
            .retry(quick_retries())
            .options(quick_options())
    }

    pub(super) async fn start(&self, url: &str) -> Running {
        self.start_with(url, |builder| builder).await
    }

    pub(super) async fn start_with(
        &self,
        url: &str,
        change: impl FnOnce(AgentBuilder) -> AgentBuilder,
    ) -> Running {
        let (builder, watch) = self.agent(url).await;
        let agent = change(builder).build().await.unwrap();
        let identity = watch.identity().clone();
        Running::new(agent, Some(identity), watch.run(GLANCE))
    }
}

/// An agent that runs until it is dropped, which is how a process is killed.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) handle: AgentHandle,
    /// `None` in the signed generation.
    identity: Option<Identity>,
    tasks: [JoinHandle<()>; 2],
}

impl Running {
    pub(super) fn new(
        agent: Agent,
        identity: Option<Identity>,
        watching: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self {
            handle: agent.handle(),
            identity,
            tasks: [
                tokio::spawn(async move { agent.run(std::future::pending()).await }),
                tokio::spawn(watching),
            ],
        }
    }

    /// Its SVID, in the newest generation.
    pub(super) fn identity(&self) -> &Identity {
        self.identity.as_ref().unwrap()
    }

    pub(super) async fn until(
        &self,
        what: &str,
        mut is_so: impl FnMut(&Snapshot) -> bool,
    ) -> Snapshot {
        let begun = Instant::now();
        let mut watch = self.handle.watch();
        loop {
            let snapshot = watch.borrow_and_update().clone();
            if is_so(&snapshot) {
                return snapshot;
            }
            assert!(begun.elapsed() < PATIENCE, "never {what}: {snapshot:#?}");
            // Also for what is not in the snapshot.
            let _ = tokio::time::timeout(GLANCE, watch.changed()).await;
        }
    }

    /// Waits until these deployments, and no other, are installed in their newest revision, and all was reported.
    pub(super) async fn until_installed(&self, numbers: &[u8]) -> Snapshot {
        self.until("installed", |it| {
            it.outbox == 0 && are_installed(it, numbers)
        })
        .await
    }

    /// Waits until the fleet manager was polled with success this many times more.
    pub(super) async fn until_polled(&self, times: usize) {
        for _ in 0..times {
            let last = self.handle.snapshot().last_contact;
            self.until("polled", |it| it.last_contact > last).await;
        }
    }

    /// Kills it, and waits until it is dead.
    pub(super) async fn kill(mut self) {
        for task in &mut self.tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

pub(super) fn are_installed(snapshot: &Snapshot, numbers: &[u8]) -> bool {
    let is_installed = |number: &u8| {
        snapshot
            .deployments
            .get(&id(*number))
            .is_some_and(|it| it.state == DeploymentState::Installed && it.applied == it.revision)
    };
    snapshot.deployments.len() == numbers.len() && numbers.iter().all(is_installed)
}

/// A simulated engine that says what it is told to do.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) engine: SimulatedProvider,
    journal: Journal,
    /// What was applied last with success, until it was removed.
    running: Mutex<BTreeMap<DeploymentId, String>>,
}

impl Machine {
    fn at(folder: &Path, journal: &Journal) -> Arc<Self> {
        Arc::new(Self {
            engine: SimulatedProvider::in_directory(folder).unwrap(),
            journal: journal.clone(),
            running: Mutex::default(),
        })
    }

    /// Revision and level of what runs.
    pub(super) fn runs(&self, number: u8) -> Option<String> {
        self.running.lock().unwrap().get(&id(number)).cloned()
    }
}

#[async_trait]
impl Provider for Machine {
    fn deployment_type(&self) -> DeploymentType {
        self.engine.deployment_type()
    }

    async fn engine(&self) -> Result<Engine, ProviderError> {
        self.engine.engine().await
    }

    async fn apply(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let (name, content) = (&deployment.metadata.name, content_of(deployment));
        self.journal.note(format!("apply {name} {content}")).await;
        let applied = self.engine.apply(deployment, progress).await;
        if applied.is_ok() {
            let mut running = self.running.lock().unwrap();
            running.insert(deployment.id, content);
        }
        self.journal.note(format!("end of apply {name}")).await;
        applied
    }

    async fn remove(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let name = &deployment.metadata.name;
        self.journal.note(format!("remove {name}")).await;
        let removed = self.engine.remove(deployment, progress).await;
        if removed.is_ok() {
            self.running.lock().unwrap().remove(&deployment.id);
        }
        self.journal.note(format!("end of remove {name}")).await;
        removed
    }

    async fn observe(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        self.engine.observe(deployment).await
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        self.engine.list().await
    }
}

/// The clock of the machine, which can be put forward.
#[derive(Debug, Default)]
pub(super) struct WallClock(Mutex<Duration>);

impl WallClock {
    pub(super) fn put_forward(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock().unwrap()
    }
}

pub(super) fn every(period: Duration) -> Schedule {
    let mut config = ScheduleConfig::default();
    config.period = period;
    Schedule::new(&config).unwrap()
}

pub(super) fn quick_retries() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.first_wait = Duration::from_millis(10);
    policy.longest_wait = Duration::from_millis(100);
    policy.fixed_wait = Duration::from_millis(50);
    policy
}

pub(super) fn quick_options() -> Options {
    let mut options = Options::default();
    options.provider_waits.first = Duration::from_millis(20);
    options.provider_waits.longest = Duration::from_millis(200);
    options.observe_every = Duration::from_millis(100);
    options.veto_every = Duration::from_millis(50);
    options
}

pub(super) fn id(number: u8) -> DeploymentId {
    DeploymentId::from_uuid_bytes([number; 16])
}

pub(super) fn component() -> ComponentName {
    "web".parse().unwrap()
}

/// Deployment `app-<number>` for `edge`, with one component of this revision, such as `1.0`.
pub(super) fn deployment(number: u8, revision: &str) -> ApplicationDeployment {
    deployment_for("edge", number, revision)
}

pub(super) fn deployment_for(target: &str, number: u8, revision: &str) -> ApplicationDeployment {
    let mut properties = ComponentProperties::default();
    properties.repository = Some("oci://registry.example/web".parse().unwrap());
    properties.revision = Some(format!("{revision}.0").parse().unwrap());
    let component = Component::new(component(), properties);
    let profile = DeployedProfile::new(DeploymentType::Compose, vec![component]);
    let name = format!("app-{number}");
    ApplicationDeployment::new(
        id(number),
        DeploymentMetadata::new(name, "default", target.parse().unwrap()),
        DeploymentSpec::new("com-example-app".parse().unwrap(), profile),
    )
}

/// The same deployment with its parameter set.
pub(super) fn at_level(
    mut deployment: ApplicationDeployment,
    level: &str,
) -> ApplicationDeployment {
    let target = Target::new("LEVEL", vec![component()]);
    let value = ParameterValue::new(level, vec![target]);
    deployment.spec.parameters.insert("level".to_owned(), value);
    deployment
}

/// A level that hardly can be compressed, so that a bundle with it is not cheap.
pub(super) fn noise(seed: u8) -> String {
    (0..20)
        .map(|index| Digest::of(&[seed, index]).to_string())
        .collect()
}

/// The same deployment, for devices of this vendor only.
pub(super) fn only_for(
    mut deployment: ApplicationDeployment,
    vendor: &str,
) -> ApplicationDeployment {
    let expression = MatchExpression::new("/vendor", Operator::In).with_values([vendor]);
    let mut rule = EligibilityRule::default();
    rule.property_selector = Some(Selector::new(vec![expression]));
    let mut constraints = DeviceConstraints::default();
    constraints.eligibility_rules = Some(vec![rule]);
    deployment.spec.deployment_profile.device_constraints = Some(constraints);
    deployment
}

/// Revision, and level if there is one.
fn content_of(deployment: &ApplicationDeployment) -> String {
    let component = &deployment.spec.deployment_profile.components[0];
    let revision = component.properties.revision.as_ref().unwrap().to_string();
    let revision = revision.strip_suffix(".0").unwrap();
    match deployment.spec.parameters.get("level") {
        Some(level) => format!("{revision} at {}", level.value.as_str().unwrap()),
        None => revision.to_string(),
    }
}

/// A device of the vendor ACME that hosts Compose applications.
pub(crate) fn host(device: &str) -> DeviceCapabilities {
    let mut properties = gateway(device).properties;
    properties.cpus = Some(vec![Cpu::new(4.0, None)]);
    properties.memory = Some("8Gi".parse().unwrap());
    properties.storage = Some("64Gi".parse().unwrap());
    properties.peripherals = Some(Vec::new());
    properties.interfaces = Some(Vec::new());
    properties.otel_collector = Some(true);
    properties.supported_runtimes = Some(vec![Runtime::Oci]);
    properties.supported_deployment_types = Some(vec![DeploymentType::Compose]);
    DeviceCapabilities::new(properties)
}

/// The same device of another vendor.
pub(super) fn of_vendor(mut device: DeviceCapabilities, vendor: &str) -> DeviceCapabilities {
    vendor.clone_into(&mut device.properties.vendor);
    device
}

/// A device that hosts nothing.
pub(crate) fn gateway(device: &str) -> DeviceCapabilities {
    let id = device.parse().unwrap();
    DeviceCapabilities::new(DeviceProperties::new(id, "ACME", "E7", "0001"))
}
