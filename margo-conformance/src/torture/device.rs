//! A device under test: the real agent over a real state file, killed and started again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use margo_client::agent::{Clock, Options as AgentOptions, Snapshot};
use margo_client::api::{ApiOptions, Rc3Api};
use margo_client::gateway::Device as Host;
use margo_client::retry::RetryPolicy;
use margo_client::schedule::{Schedule, ScheduleConfig};
use margo_client::state::{FileStore, StateStore};
use margo_client::{Agent, AgentHandle, FleetApi};
use margo_providers::Provider;
use margo_providers::simulated::SimulatedProvider;
use margo_types::id::{ClientId, DeviceId, DeviceTarget};
use margo_types::manifest::ManifestVersion;
use margo_types::svid::Identity;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use url::Url;

use super::action::CHILDREN;
use super::api::WatchedApi;
use super::power::Power;
use super::provider::{Tamper, Tampering, WatchedProvider};
use super::state::{Forgetful, Memory, WatchedState};
use super::witness::Witness;
use super::{Failure, Options, Sabotage};
use crate::gate::Gate;
use crate::host::capabilities;
use crate::server::lock;

/// A device, switched off or on.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) client: ClientId,
    pub(super) folder: PathBuf,
    pub(super) identity: Identity,
    /// Its way to whoever it takes for the fleet manager.
    pub(super) line: Gate,
    pub(super) clock: Arc<JumpingClock>,
    /// By which it judges certificates.
    pub(super) skew: Arc<JumpingClock>,
    /// The devices behind it when it is a gateway, and which of them are connected.
    pub(super) children: BTreeMap<DeviceId, bool>,
    pub(super) disk_full: Arc<AtomicBool>,
    pub(super) life: Option<Life>,
    /// How often it was switched on.
    pub(super) lives: u64,
    memory: Arc<Mutex<Memory>>,
    witness: Arc<Witness>,
    sabotage: Option<Sabotage>,
    /// How much slower than in a small fleet it polls and gives up.
    pace: u32,
}

/// One life of its agent.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) power: Arc<Power>,
    pub(super) handle: AgentHandle,
    /// What the workloads of it and of each child run in.
    pub(super) engines: BTreeMap<DeviceId, Arc<SimulatedProvider>>,
    /// The same as the agent sees it.
    hosts: BTreeMap<DeviceId, Host>,
    /// When it is killed at the latest, once its power is armed.
    pub(super) deadline: Option<Instant>,
    running: JoinHandle<()>,
}

impl Device {
    /// One that is off. A gateway has all of its children.
    pub(super) fn new(
        client: ClientId,
        is_gateway: bool,
        folder: PathBuf,
        identity: Identity,
        line: Gate,
        witness: Arc<Witness>,
        options: &Options,
    ) -> Result<Self, Failure> {
        let count = if is_gateway { CHILDREN } else { 0 };
        let children =
            (0..count).map(|number| Ok((DeviceId::parse(&format!("{client}/{number}"))?, true)));
        let children = children.collect::<Result<_, Failure>>()?;
        let skew: Arc<JumpingClock> = Arc::default();
        Ok(Self {
            client,
            folder,
            identity: identity.with_clock(skew.clone()),
            line,
            clock: Arc::default(),
            skew,
            children,
            disk_full: Arc::default(),
            life: None,
            lives: 0,
            memory: Arc::default(),
            witness,
            sabotage: options.sabotage,
            pace: pace(options.devices),
        })
    }

    /// What deployments may be for.
    pub(super) fn targets(&self) -> Result<Vec<DeviceTarget>, Failure> {
        let own = self.client.as_str();
        let mut targets = vec![own.parse()?];
        for child in self.children.keys() {
            targets.push(child.as_str().parse()?);
        }
        if !self.children.is_empty() {
            targets.push(format!("{own}/*").parse()?);
        }
        Ok(targets)
    }

    /// Switches it on, if it is off: with what is on its disk, and nothing else.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        if self.life.is_some() {
            return Ok(());
        }
        let power = Power::on();
        let mut engines = BTreeMap::new();
        let mut hosts = BTreeMap::new();
        let own = DeviceId::parse(self.client.as_str())?;
        for id in [&own].into_iter().chain(self.children.keys()) {
            let folder = self.folder.join(id.as_str().replace('/', "-"));
            let engine = Arc::new(SimulatedProvider::in_directory(folder)?);
            let provider = self.provider(&engine, &power);
            hosts.insert(id.clone(), Host::new(capabilities(id), vec![provider]));
            engines.insert(id.clone(), engine);
        }
        let mut builder = Agent::builder(self.api(&power)?, self.state(&power).await?);
        for (id, host) in &hosts {
            let Host {
                capabilities,
                providers,
                ..
            } = host.clone();
            builder = match self.children.get(id) {
                None => builder.device(capabilities, providers),
                Some(true) => builder.child(capabilities, providers),
                Some(false) => builder,
            };
        }
        let agent = builder
            .clock(self.clock.clone())
            .schedule(schedule(self.pace)?)
            .retry(retry())
            .options(options())
            .build()
            .await?;
        let handle = agent.handle();
        let running = tokio::spawn(async move { agent.run(std::future::pending()).await });
        self.lives += 1;
        self.life = Some(Life {
            power,
            handle,
            engines,
            hosts,
            deadline: None,
            running,
        });
        Ok(())
    }

    /// Connects a child of the gateway, or disconnects it, whether the agent is on or off.
    pub(super) fn connect(&mut self, child: usize, is_connected: bool) -> Result<bool, Failure> {
        let Some((id, now)) = self.children.iter_mut().nth(child) else {
            return Ok(false);
        };
        if std::mem::replace(now, is_connected) == is_connected {
            return Ok(false);
        }
        if let Some(life) = self.life.as_ref().filter(|life| !life.power.is_cut()) {
            match life.hosts.get(id).filter(|_| is_connected) {
                Some(host) => life.handle.connect_child(host.clone())?,
                None => life.handle.disconnect_child(id)?,
            }
        }
        Ok(true)
    }

    /// Kills the agent; gives the point at which it died. Its workloads live on.
    pub(super) async fn kill(&mut self) -> Option<&'static str> {
        let Life {
            power,
            handle,
            engines,
            hosts,
            running,
            ..
        } = self.life.take()?;
        self.witness.progress.agent_was_killed();
        power.cut();
        running.abort();
        if let Err(ended) = running.await
            && ended.is_panic()
        {
            self.witness
                .violation(format_args!("the agent of {} panicked", self.client));
        }
        drop((handle, engines, hosts));
        power.bury();
        if !is_gone(&power).await {
            self.witness.violation(format_args!(
                "something of the killed agent of {} is still alive: a task leaks",
                self.client
            ));
        }
        power.place()
    }

    pub(super) fn state_file(&self) -> PathBuf {
        self.folder.join("state.redb")
    }

    /// The version of the manifest that it holds, whether it is on or off.
    pub(super) fn held(&self) -> Option<ManifestVersion> {
        lock(&self.memory).held()
    }

    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        Some(self.life.as_ref()?.handle.snapshot())
    }

    /// What the agent runs workloads with.
    fn provider(&self, engine: &Arc<SimulatedProvider>, power: &Arc<Power>) -> Arc<dyn Provider> {
        let watched = Arc::new(WatchedProvider {
            inner: Arc::clone(engine),
            power: Arc::clone(power),
            witness: Arc::clone(&self.witness),
            client: self.client.clone(),
        });
        let tamper = match self.sabotage {
            Some(Sabotage::AppliesUnverified) => Some(Tamper::Documents),
            Some(Sabotage::KeepsRemoved) => Some(Tamper::Removals),
            _ => None,
        };
        match tamper {
            Some(what) => Arc::new(Tampering {
                inner: watched,
                what,
            }),
            None => watched,
        }
    }

    /// Has it poll now, if it is on.
    pub(super) fn poll_now(&self) {
        if let Some(life) = &self.life {
            life.handle.poll_now();
        }
    }

    /// What its workloads run in; nothing while it is off.
    pub(super) fn engines(&self) -> impl Iterator<Item = &Arc<SimulatedProvider>> {
        let life = self.life.iter();
        life.flat_map(|life| life.engines.values())
    }

    fn api(&self, power: &Arc<Power>) -> Result<Arc<dyn FleetApi>, Failure> {
        let url: Url = format!("https://{}", self.line.host()).parse()?;
        let mut options = ApiOptions::default();
        options.connect = self.pace * Duration::from_secs(2);
        options.idle = self.pace * Duration::from_secs(1);
        options.exchange = self.pace * Duration::from_secs(2);
        options.bundle = self.pace * Duration::from_secs(3);
        options.max_manifest = 1 << 20;
        options.max_bundle = 4 << 20;
        Ok(Arc::new(WatchedApi {
            inner: Arc::new(Rc3Api::with_options(url, self.identity.clone(), options)?),
            power: Arc::clone(power),
            drops_reports: self.sabotage == Some(Sabotage::AgentDropsReports),
        }))
    }

    async fn state(&self, power: &Arc<Power>) -> Result<Arc<dyn StateStore>, Failure> {
        let file = FileStore::open(self.state_file(), self.identity.id()).await?;
        let mut inner: Arc<dyn StateStore> = Arc::new(file);
        if self.sabotage == Some(Sabotage::ForgetsCommits) {
            let count = AtomicU64::new(0);
            inner = Arc::new(Forgetful { inner, count });
        }
        Ok(Arc::new(WatchedState {
            inner,
            power: Arc::clone(power),
            witness: Arc::clone(&self.witness),
            client: self.client.clone(),
            memory: Arc::clone(&self.memory),
            disk_full: Arc::clone(&self.disk_full),
            tell: |_, _| {},
        }))
    }
}

impl Life {
    /// Ends all faults of its engines.
    pub(super) fn recover(&self) {
        for engine in self.engines.values() {
            engine.recover();
        }
    }
}

/// Whether everything that held this power has gone, or goes soon.
pub(super) async fn is_gone(power: &Arc<Power>) -> bool {
    let begun = Instant::now();
    while Arc::strong_count(power) > 1 {
        if begun.elapsed() > PATIENCE_WITH_THE_DEAD {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

/// The time of day of a device, which somebody sets now and then.
#[derive(Debug, Default)]
pub(super) struct JumpingClock {
    /// Ahead of the truth by so many seconds.
    ahead: AtomicI64,
}

impl JumpingClock {
    /// Sets it so far ahead of the truth.
    pub(super) fn set(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed))
    }
}

impl TimeProvider for JumpingClock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = u64::try_from(self.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now)))
    }
}

/// Many devices share the processors of one machine: each asks less often, and has more time for it.
pub(super) fn pace(devices: usize) -> u32 {
    1 + u32::try_from(devices / 32).unwrap_or(u32::MAX - 1)
}

pub(super) fn schedule(pace: u32) -> Result<Schedule, Failure> {
    let mut config = ScheduleConfig::default();
    config.period = pace * Duration::from_millis(150);
    Ok(Schedule::new(&config)?)
}

/// Everything happens a thousand times faster than in the field.
pub(super) fn retry() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.first_wait = Duration::from_millis(20);
    policy.longest_wait = Duration::from_millis(300);
    policy.fixed_wait = Duration::from_millis(100);
    policy.longest_asked = Duration::from_millis(500);
    policy
}

pub(super) fn options() -> AgentOptions {
    let mut options = AgentOptions::default();
    options.patience = Duration::from_secs(2);
    options.provider_waits.first = Duration::from_millis(50);
    options.provider_waits.longest = Duration::from_millis(500);
    options.observe_every = Duration::from_millis(500);
    options.repairs = u32::MAX;
    options.startup = Duration::from_secs(3);
    options.grace = Duration::from_secs(1);
    options
}

const PATIENCE_WITH_THE_DEAD: Duration = Duration::from_secs(30);
