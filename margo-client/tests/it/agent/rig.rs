//! A fleet manager, an engine and a clock that do as told, around a real agent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use margo_client::agent::{Agent, AgentBuilder, Clock, Snapshot};
use margo_client::state::{Change, MemoryState, State, StateStore};
use margo_client::{AgentHandle, Error, ErrorKind, FleetApi, Poll};
use margo_package::bundle;
use margo_providers::{Engine, Observation, Progress, Provider, ProviderError, Trouble};
use margo_types::application::{Component, ComponentProperties, DeploymentType};
use margo_types::capabilities::{Cpu, DeviceCapabilities, DeviceProperties, Runtime};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec,
};
use margo_types::etag::EntityTag;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};
use margo_types::problem::{Problem, RetryAdvice};
use margo_types::status::{DeploymentState, DeploymentStatus};
use margo_types::{Digest, SpecVersion, read, write};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// What happened, in its order, by everybody.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn count(&self, prefix: &str) -> usize {
        self.all()
            .iter()
            .filter(|it| it.starts_with(prefix))
            .count()
    }
}

/// A fleet manager.
#[derive(Debug, Default)]
pub(super) struct Wfm {
    pub(super) log: Log,
    pub(super) script: Mutex<Script>,
}

#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) manifest: Vec<u8>,
    pub(super) tag: Option<EntityTag>,
    pub(super) documents: BTreeMap<Digest, Vec<u8>>,
    pub(super) bundles: BTreeMap<Digest, Vec<u8>>,
    /// The tags that polls came with.
    pub(super) tags: Vec<Option<EntityTag>>,
    pub(super) offline: bool,
    /// How long a poll takes until it is answered with what was published when it came.
    pub(super) manifest_takes: Duration,
    /// What the next calls of an operation fail with.
    pub(super) faults: BTreeMap<&'static str, Vec<Fault>>,
    pub(super) statuses: Vec<DeploymentStatus>,
    pub(super) devices: Vec<DeviceCapabilities>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Goes well, before others that do not.
    None,
    Unreachable,
    /// Status, and seconds to wait.
    Refused(u16, Option<u64>),
    NotFound,
    WrongBytes,
}

impl Wfm {
    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Publishes these deployments as this version.
    pub(super) fn publish(&self, version: u64, deployments: &[ApplicationDeployment]) {
        let documents: Vec<(DeploymentId, Vec<u8>)> = deployments
            .iter()
            .map(|it| (it.id, write(it, SpecVersion::Rc3).unwrap()))
            .collect();
        let references: Vec<_> = documents
            .iter()
            .map(|(id, bytes)| {
                DeploymentReference::new(*id, Digest::of(bytes), bytes.len() as u64, "/")
            })
            .collect();
        let slices: Vec<_> = documents
            .iter()
            .map(|(id, it)| (*id, it.as_slice()))
            .collect();
        let archive = (!slices.is_empty()).then(|| bundle::build(&slices).unwrap());
        let reference = archive
            .as_ref()
            .map(|it| BundleReference::new(it.digest, it.bytes.len() as u64, "/"));
        let version = ManifestVersion::new(version).unwrap();
        let manifest = StateManifest::new(version, reference, references);
        let manifest = write(&manifest, SpecVersion::Rc3).unwrap();
        let mut script = self.script();
        script.tag = Some(Digest::of(&manifest).into());
        script.manifest = manifest;
        for (_, bytes) in documents {
            script.documents.insert(Digest::of(&bytes), bytes);
        }
        if let Some(archive) = archive {
            script.bundles.insert(archive.digest, archive.bytes);
        }
    }

    pub(super) fn fail(&self, operation: &'static str, faults: &[Fault]) {
        self.script().faults.insert(operation, faults.to_vec());
    }

    /// The states that were reported of a deployment.
    pub(super) fn states(&self, id: DeploymentId) -> Vec<String> {
        let script = self.script();
        let statuses = script.statuses.iter().filter(|it| it.deployment_id == id);
        statuses.map(|it| it.status.state.to_string()).collect()
    }

    fn begin(&self, operation: &'static str, detail: &str) -> Result<bool, Error> {
        self.log.add(format!("api {operation}{detail}"));
        let mut script = self.script();
        if script.offline {
            return Err(Error::new(ErrorKind::Unreachable, "no network"));
        }
        let faults = script.faults.entry(operation).or_default();
        if faults.is_empty() {
            return Ok(false);
        }
        match faults.remove(0) {
            Fault::None => Ok(false),
            Fault::Unreachable => Err(Error::new(ErrorKind::Unreachable, "cut")),
            Fault::Refused(status, wait) => Err(refused(status, wait)),
            Fault::NotFound => Err(refused(404, None)),
            Fault::WrongBytes => Ok(true),
        }
    }
}

fn refused(status: u16, wait: Option<u64>) -> Error {
    let problem = Problem::about_blank(status);
    let wait = wait.map(|it| it.to_string());
    let advice = RetryAdvice::new(
        Some(&problem),
        status,
        wait.as_deref(),
        Timestamp::UNIX_EPOCH,
    );
    Error::new(ErrorKind::Refused, format!("refused with {status}"))
        .with_response(Some(problem), advice)
}

#[async_trait]
impl FleetApi for Wfm {
    fn generation(&self) -> SpecVersion {
        SpecVersion::Rc3
    }

    async fn manifest(&self, held: Option<&EntityTag>) -> Result<Poll, Error> {
        self.script().tags.push(held.cloned());
        self.begin("manifest", "")?;
        let (manifest, tag, takes) = {
            let script = self.script();
            (
                script.manifest.clone(),
                script.tag.clone(),
                script.manifest_takes,
            )
        };
        tokio::time::sleep(takes).await;
        if held.is_some() && held == tag.as_ref() {
            return Ok(Poll::Unchanged);
        }
        let manifest = read::<StateManifest>(&manifest)
            .map_err(|error| Error::new(ErrorKind::Misbehaved, "no manifest").because(error))?;
        Ok(Poll::Changed {
            manifest: Box::new(manifest),
            tag,
        })
    }

    async fn deployment(&self, reference: &DeploymentReference) -> Result<Bytes, Error> {
        let wrong = self.begin("deployment", "")?;
        let bytes = self.script().documents.get(&reference.digest).cloned();
        let mut bytes = bytes.ok_or_else(|| refused(404, None))?;
        if wrong {
            bytes.push(b'\n');
        }
        Ok(bytes.into())
    }

    async fn bundle(&self, reference: &BundleReference) -> Result<Bytes, Error> {
        let wrong = self.begin("bundle", "")?;
        let bytes = self.script().bundles.get(&reference.digest).cloned();
        let mut bytes = bytes.ok_or_else(|| refused(404, None))?;
        if wrong {
            bytes.push(0);
        }
        Ok(bytes.into())
    }

    async fn report_capabilities(&self, capabilities: &DeviceCapabilities) -> Result<(), Error> {
        self.begin("capabilities", &format!(" {}", capabilities.properties.id))?;
        self.script().devices.push(capabilities.clone());
        Ok(())
    }

    async fn remove_device(&self, device: &DeviceId) -> Result<(), Error> {
        self.begin("remove-device", &format!(" {device}")).map(drop)
    }

    async fn report_status(&self, status: &DeploymentStatus) -> Result<(), Error> {
        self.begin("status", &format!(" {}", status.status.state))?;
        self.script().statuses.push(status.clone());
        Ok(())
    }
}

/// An engine that remembers across restarts of the agent, as engines do.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) log: Log,
    /// What runs: the revision of the first component.
    pub(super) running: Mutex<BTreeMap<DeploymentId, String>>,
    /// What the next applications of a name fail with.
    pub(super) faults: Mutex<BTreeMap<String, Vec<Trouble>>>,
    /// The names whose application never ends.
    pub(super) stuck: Mutex<BTreeSet<String>>,
    /// Those of which nothing stays up.
    pub(super) crashing: Mutex<BTreeSet<DeploymentId>>,
    /// How long a removal takes.
    pub(super) removal_takes: Mutex<Duration>,
}

impl Machine {
    pub(super) fn runs(&self, id: DeploymentId) -> Option<String> {
        self.running.lock().unwrap().get(&id).cloned()
    }
}

pub(super) fn revision_of(deployment: &ApplicationDeployment) -> String {
    let component = &deployment.spec.deployment_profile.components[0];
    component.properties.revision.as_ref().unwrap().to_string()
}

#[async_trait]
impl Provider for Machine {
    fn deployment_type(&self) -> DeploymentType {
        DeploymentType::Compose
    }

    async fn engine(&self) -> Result<Engine, ProviderError> {
        Ok(Engine::new("machine", "1"))
    }

    async fn apply(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let (name, revision) = (deployment.metadata.name.clone(), revision_of(deployment));
        self.log.add(format!("apply {name} {revision}"));
        let component = &deployment.spec.deployment_profile.components[0].name;
        progress.component(component, DeploymentState::Installing);
        if self
            .stuck
            .lock()
            .unwrap()
            .contains(&format!("{name} {revision}"))
        {
            std::future::pending::<()>().await;
        }
        let fault = self
            .faults
            .lock()
            .unwrap()
            .get_mut(&name)
            .and_then(Vec::pop);
        if let Some(trouble) = fault {
            return Err(ProviderError::new(trouble, "as told").of(component));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.running.lock().unwrap().insert(deployment.id, revision);
        Ok(())
    }

    async fn remove(
        &self,
        deployment: &ApplicationDeployment,
        _: &dyn Progress,
    ) -> Result<(), ProviderError> {
        self.log.add(format!("remove {}", deployment.metadata.name));
        let takes = *self.removal_takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        self.running.lock().unwrap().remove(&deployment.id);
        Ok(())
    }

    async fn observe(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<Observation, ProviderError> {
        self.log
            .add(format!("observe {}", deployment.metadata.name));
        let up = self.runs(deployment.id) == Some(revision_of(deployment))
            && !self.crashing.lock().unwrap().contains(&deployment.id);
        let state = if up {
            DeploymentState::Installed
        } else {
            DeploymentState::Removed
        };
        Ok(Observation::uniform(deployment, &state))
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        Ok(self.running.lock().unwrap().keys().copied().collect())
    }
}

/// A store whose power fails after so many commits: nothing is written any more.
#[derive(Debug)]
pub(super) struct PowerCut {
    inner: Arc<dyn StateStore>,
    left: AtomicUsize,
    pub(super) cut: Notify,
}

impl PowerCut {
    pub(super) fn after(commits: usize, inner: Arc<dyn StateStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            left: AtomicUsize::new(commits),
            cut: Notify::new(),
        })
    }
}

#[async_trait]
impl StateStore for PowerCut {
    async fn load(&self) -> Result<State, Error> {
        self.inner.load().await
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
        if left.is_err() {
            self.cut.notify_one();
            return Err(Error::new(ErrorKind::State, "the power is cut"));
        }
        self.inner.commit(changes).await
    }
}

/// The time of day by tokio's clock, so that it stands still or flies with it.
#[derive(Debug)]
pub(super) struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        // A Monday at noon.
        let noon: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        noon + self.0.elapsed()
    }
}

/// Everything around an agent.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) wfm: Arc<Wfm>,
    pub(super) machine: Arc<Machine>,
    pub(super) state: Arc<dyn StateStore>,
    pub(super) log: Log,
    pub(super) clock: Arc<TestClock>,
}

impl Rig {
    pub(super) fn new() -> Self {
        let log = Log::default();
        Self {
            wfm: Arc::new(Wfm {
                log: log.clone(),
                ..Wfm::default()
            }),
            machine: Arc::new(Machine {
                log: log.clone(),
                ..Machine::default()
            }),
            state: Arc::new(MemoryState::new()),
            log,
            clock: Arc::new(TestClock(Instant::now())),
        }
    }

    /// An agent of one device, `edge`.
    pub(super) fn agent(&self) -> AgentBuilder {
        self.agent_of(host("edge"))
    }

    pub(super) fn agent_of(&self, device: DeviceCapabilities) -> AgentBuilder {
        Agent::builder(self.wfm.clone(), Arc::clone(&self.state))
            .clock(self.clock.clone())
            .device(device, [self.machine.clone() as Arc<dyn Provider>])
    }

    pub(super) async fn start(&self) -> Running {
        Running::start(self.agent()).await
    }
}

/// An agent that runs until it is dropped, which is how a process is killed.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) handle: AgentHandle,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) async fn start(builder: AgentBuilder) -> Self {
        let agent = builder.build().await.unwrap();
        let handle = agent.handle();
        let task = tokio::spawn(async move { agent.run(std::future::pending()).await });
        Self { handle, task }
    }

    /// Waits until it is so, for a day at most.
    pub(super) async fn until(
        &self,
        what: &str,
        mut is_so: impl FnMut(&Snapshot) -> bool,
    ) -> Snapshot {
        let mut watch = self.handle.watch();
        let found = timeout(Duration::from_hours(24), watch.wait_for(|it| is_so(it))).await;
        match found {
            Ok(Ok(snapshot)) => snapshot.clone(),
            _ => panic!("never {what}: {:#?}", self.handle.snapshot()),
        }
    }

    /// Waits until all of these deployments, and no other, are installed, and everything was reported.
    pub(super) async fn until_installed(&self, ids: &[DeploymentId]) -> Snapshot {
        self.until("installed", |snapshot| {
            snapshot.outbox == 0
                && snapshot.deployments.len() == ids.len()
                && ids.iter().all(|id| {
                    let view = snapshot.deployments.get(id);
                    view.is_some_and(|it| {
                        it.state == DeploymentState::Installed && it.applied == it.revision
                    })
                })
        })
        .await
    }

    /// Kills it, and waits until it is dead.
    pub(super) async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn id(number: u8) -> DeploymentId {
    DeploymentId::from_uuid_bytes([number; 16])
}

/// Deployment `app-<number>` for `edge`, with one component of this revision.
pub(super) fn deployment(number: u8, revision: &str) -> ApplicationDeployment {
    deployment_for("edge", number, revision)
}

pub(super) fn deployment_for(target: &str, number: u8, revision: &str) -> ApplicationDeployment {
    let mut properties = ComponentProperties::default();
    properties.repository = Some("oci://registry.example/web".parse().unwrap());
    properties.revision = Some(revision.parse().unwrap());
    let component = Component::new("web".parse().unwrap(), properties);
    let profile = DeployedProfile::new(DeploymentType::Compose, vec![component]);
    let name = format!("app-{number}");
    ApplicationDeployment::new(
        id(number),
        DeploymentMetadata::new(name, "default", target.parse().unwrap()),
        DeploymentSpec::new("com-example-app".parse().unwrap(), profile),
    )
}

/// A device that hosts Compose applications.
pub(super) fn host(device: &str) -> DeviceCapabilities {
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

/// A device that hosts nothing.
pub(super) fn gateway(device: &str) -> DeviceCapabilities {
    let id = device.parse().unwrap();
    DeviceCapabilities::new(DeviceProperties::new(id, "ACME", "E7", "0001"))
}
