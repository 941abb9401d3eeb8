//! The fleet, and what is done to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use margo_client::state::{FileStore, StateStore as _};
use margo_client::{Error, ErrorKind};
use margo_providers::Trouble;
use margo_providers::simulated::Fault as EngineFault;
use margo_types::Digest;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::svid::Identity;
use margo_types::trust::TrustBundle;
use tempfile::TempDir;
use tokio::time::Instant;

use super::action::{Action, Change};
use super::device::Device;
use super::intruder::{self, Intrusion};
use super::liar::{Falsehood, Liar};
use super::manager::Manager;
use super::wishes::{Wishes, deployment, deployment_id};
use super::witness::Witness;
use super::{Counts, Failure, Options};
use crate::authority::{Authority, Lifetime};
use crate::gate::Gate;

/// A fleet of devices, their fleet manager, and the network between.
#[derive(Debug)]
pub(super) struct World {
    pub(super) witness: Arc<Witness>,
    pub(super) counts: Counts,
    pub(super) manager: Manager,
    pub(super) devices: Vec<Device>,
    pub(super) wishes: Vec<Wishes>,
    authority: Authority,
    own: SpiffeId,
    faults: Vec<(Instant, Fault)>,
    liars: Vec<Option<Lying>>,
    /// How many tasks were alive at the first quiet point.
    pub(super) tasks: Option<usize>,
    /// How long everything may take to become as desired.
    pub(super) patience: Duration,
    folder: TempDir,
}

/// A fault that ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Unplugged(usize),
    ManagerUnplugged,
    Slow(usize),
    Lie(usize),
    Expired(usize),
    FullDisk(usize),
    Hang(usize),
}

/// A liar, and how its victim was when it began.
#[derive(Debug)]
struct Lying {
    liar: Liar,
    life: u64,
    security_events: u64,
    failures: u32,
}

impl World {
    /// A fleet that has just been switched on.
    pub(super) async fn new(options: &Options) -> Result<Self, Failure> {
        let witness = Witness::new(options.loud);
        let folder = TempDir::with_prefix("margo-torture-")?;
        let domain = TrustDomain::parse("plant.example")?;
        let (authority, own) = (Authority::new(&domain), SpiffeId::wfm(&domain, "wfm-1")?);
        let clients =
            (0..options.devices).map(|number| ClientId::parse(&format!("device-{number}")));
        let clients: Vec<ClientId> = clients.collect::<Result<_, _>>()?;
        let identity = identity_for(&authority, &own)?;
        let store = folder.path().join("fleet.db");
        let manager = Manager::new(
            store,
            identity,
            clients.clone(),
            Arc::clone(&witness),
            options.sabotage,
        );
        let manager = manager.await;
        let mut devices = Vec::new();
        let mut wishes = Vec::new();
        for (client, number) in clients.into_iter().zip(0..) {
            let id = SpiffeId::wfm_client(&domain, "wfm-1", &client)?;
            let own = folder.path().join(client.as_str());
            std::fs::create_dir(&own)?;
            let line = Gate::to(&manager.front.host()).await;
            let identity = identity_for(&authority, &id)?;
            wishes.push(Wishes::new(client.clone(), number));
            let witness = Arc::clone(&witness);
            devices.push(Device::new(
                client,
                own,
                identity,
                line,
                witness,
                options.sabotage,
            ));
        }
        let mut world = Self {
            witness,
            counts: Counts::default(),
            liars: devices.iter().map(|_| None).collect(),
            manager,
            devices,
            wishes,
            authority,
            own,
            faults: Vec::new(),
            tasks: None,
            patience: options.patience,
            folder,
        };
        world.manager.start().await?;
        for device in &mut world.devices {
            device.start().await?;
        }
        Ok(world)
    }

    /// Does this, whatever state the fleet is in.
    pub(super) async fn perform(&mut self, action: Action) -> Result<(), Failure> {
        self.witness.note(format_args!("{action:?}"));
        self.counts.add("actions");
        match action {
            Action::Change(index, change) => {
                self.counts.add("changes of desired states");
                self.wishes[index].change(change);
                self.publish(index).await?;
            }
            Action::KillAgent(index, after) => {
                if let Some(life) = &mut self.devices[index].life {
                    life.power.arm(after);
                    life.deadline = Some(Instant::now() + LONGEST_WAIT_FOR_A_POINT);
                }
            }
            Action::KillManager(after) => {
                if let Some(life) = &mut self.manager.life {
                    life.power.arm(after);
                    life.deadline = Some(Instant::now() + LONGEST_WAIT_FOR_A_POINT);
                }
            }
            Action::Unplug(index, time) => {
                self.counts.add("partitions");
                self.devices[index].line.close().await;
                self.begin(Fault::Unplugged(index), time);
            }
            Action::UnplugManager(time) => {
                self.counts.add("partitions");
                self.manager.front.close().await;
                self.begin(Fault::ManagerUnplugged, time);
            }
            Action::Slow(index, delay, time) => {
                self.counts.add("slow lines");
                self.devices[index].line.slow_down(delay);
                self.begin(Fault::Slow(index), time);
            }
            Action::Lie(index, falsehood, time) => self.lie(index, falsehood, time).await?,
            Action::Intrude(index, intrusion) => self.intrude(index, intrusion).await?,
            Action::Renew(index) => self.renew(index)?,
            Action::RenewManager => {
                self.counts.add("renewed SVIDs");
                let svid = self.authority.issue(&self.own, Lifetime::default()).svid();
                self.manager.identity.replace_svid(svid)?;
            }
            Action::Expire(index, time) => {
                self.counts.add("expired SVIDs");
                let identity = &self.devices[index].identity;
                let svid = self.authority.issue(identity.id(), Lifetime::expired());
                identity.replace_svid(svid.svid())?;
                self.begin(Fault::Expired(index), time);
            }
            Action::NewRoot => self.new_root()?,
            Action::SetClock(index, seconds) => {
                self.counts.add("clock jumps");
                self.devices[index].clock.set(seconds);
            }
            Action::FillDisk(index, time) => {
                self.counts.add("full disks");
                self.devices[index].disk_full.store(true, Ordering::Relaxed);
                self.begin(Fault::FullDisk(index), time);
            }
            Action::EngineFails(index, times) => {
                let times = usize::try_from(times)?;
                let fault = EngineFault::fail(Trouble::Workload, "it ended with status 1");
                self.script(index, fault.times(times));
            }
            Action::EngineHangs(index, time) => {
                self.script(index, EngineFault::hang().times(1));
                self.begin(Fault::Hang(index), time);
            }
            Action::EngineDelays(index, delay) => {
                self.script(index, EngineFault::delay(delay).times(5));
            }
            Action::Break(index, slot) => self.break_workload(index, slot)?,
            Action::CutState(index, share) => self.cut_state(index, share).await?,
        }
        Ok(())
    }

    /// Buries the dead and starts them again, and ends faults whose time is over.
    pub(super) async fn tend(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let dead = |life: &super::manager::Life| life.power.is_cut() || is_due(life.deadline);
        if self.manager.life.as_ref().is_none_or(dead) {
            self.restart_manager().await?;
        }
        for index in 0..self.devices.len() {
            let dead = |life: &super::device::Life| life.power.is_cut() || is_due(life.deadline);
            if self.devices[index].life.as_ref().is_none_or(dead) {
                self.restart(index).await?;
            }
        }
        let (over, going): (Vec<_>, Vec<_>) =
            self.faults.drain(..).partition(|(end, _)| *end <= now);
        self.faults = going;
        for (_, fault) in over {
            self.end(fault).await?;
        }
        Ok(())
    }

    /// Ends all faults, and has everybody alive.
    pub(super) async fn calm_down(&mut self) -> Result<(), Failure> {
        for (_, fault) in std::mem::take(&mut self.faults) {
            self.end(fault).await?;
        }
        for index in 0..self.devices.len() {
            if let Some(life) = &mut self.devices[index].life {
                life.power.arm(NEVER);
                life.deadline = None;
                life.engine.recover();
            }
        }
        if let Some(life) = &mut self.manager.life {
            life.power.arm(NEVER);
            life.deadline = None;
        }
        self.tend().await
    }

    /// Kills an agent, if it is not dead already, and starts it again.
    pub(super) async fn restart(&mut self, index: usize) -> Result<(), Failure> {
        let device = &mut self.devices[index];
        if let Some(place) = device.kill().await {
            let note = format_args!("killed the agent of {} {place}", device.client);
            self.witness.note(note);
            self.counts.add("kills of agents");
            self.counts.add(&format!("agent killed {place}"));
        }
        device.start().await
    }

    /// Does the same to the fleet manager, and tells it what it has missed.
    pub(super) async fn restart_manager(&mut self) -> Result<(), Failure> {
        if let Some(place) = self.manager.kill().await {
            let note = format_args!("killed the fleet manager {place}");
            self.witness.note(note);
            self.counts.add("kills of fleet managers");
            self.counts.add(&format!("fleet manager killed {place}"));
        }
        self.manager.start().await?;
        if self
            .faults
            .iter()
            .any(|(_, it)| *it == Fault::ManagerUnplugged)
        {
            self.manager.front.close().await;
        }
        for index in 0..self.wishes.len() {
            if self.wishes[index].is_new {
                self.publish(index).await?;
            }
        }
        Ok(())
    }

    /// Tells the fleet manager what should run on a device. When it dies of it, it is told again after its next start.
    pub(super) async fn publish(&mut self, index: usize) -> Result<(), Failure> {
        let wishes = &mut self.wishes[index];
        let client = &self.devices[index].client;
        let is_published = self.manager.publish(client, &wishes.deployments()?).await?;
        wishes.is_new = !is_published;
        Ok(())
    }

    fn begin(&mut self, fault: Fault, time: Duration) {
        self.faults.retain(|(_, other)| *other != fault);
        self.faults.push((Instant::now() + time, fault));
    }

    async fn end(&mut self, fault: Fault) -> Result<(), Failure> {
        self.witness.note(format_args!("over: {fault:?}"));
        match fault {
            Fault::Unplugged(index) => self.devices[index].line.open(),
            Fault::ManagerUnplugged => {
                if self.manager.life.is_some() {
                    self.manager.front.open();
                }
            }
            Fault::Slow(index) => self.devices[index].line.slow_down(Duration::ZERO),
            Fault::Lie(index) => self.end_lie(index).await,
            Fault::Expired(index) => self.renew(index)?,
            Fault::FullDisk(index) => {
                self.devices[index]
                    .disk_full
                    .store(false, Ordering::Relaxed);
            }
            Fault::Hang(index) => {
                if let Some(life) = &self.devices[index].life {
                    life.engine.recover();
                }
            }
        }
        Ok(())
    }

    async fn lie(
        &mut self,
        index: usize,
        falsehood: Falsehood,
        time: Duration,
    ) -> Result<(), Failure> {
        self.end_lie(index).await;
        let device = &self.devices[index];
        let (held, client) = (device.held(), &device.client);
        let needs_something = matches!(falsehood, Falsehood::SameVersion | Falsehood::LowerVersion);
        if needs_something && held.is_none() {
            return Ok(());
        }
        let forgery = deployment(client, deployment_id(u8::MAX, 0), 666, 0)?;
        let liar = Liar::start(falsehood, &self.authority, &self.own, held, &forgery).await?;
        let is_unplugged = self
            .faults
            .iter()
            .any(|(_, it)| *it == Fault::Unplugged(index));
        device.line.close().await;
        device.line.lead_to(&liar.wfm.host());
        if !is_unplugged {
            device.line.open();
        }
        let snapshot = device.snapshot().unwrap_or_default();
        self.liars[index] = Some(Lying {
            liar,
            life: device.lives,
            security_events: snapshot.security_events,
            failures: snapshot.consecutive_failures,
        });
        self.counts.add("lies");
        self.begin(Fault::Lie(index), time);
        Ok(())
    }

    /// Sends a liar away, once its victim has noticed.
    async fn end_lie(&mut self, index: usize) {
        let Some(lying) = self.liars[index].take() else {
            return;
        };
        self.judge(index, &lying).await;
        let line = &self.devices[index].line;
        line.close().await;
        line.lead_to(&self.manager.front.host());
        let is_unplugged = |(_, fault): &(_, Fault)| *fault == Fault::Unplugged(index);
        if !self.faults.iter().any(is_unplugged) {
            line.open();
        }
    }

    /// Whether the device has refused what it was told, and says why.
    async fn judge(&mut self, index: usize, lying: &Lying) {
        let (liar, device) = (&lying.liar, &self.devices[index]);
        let (falsehood, told) = (liar.falsehood, liar.told());
        if falsehood.is_impostor() && told > 0 {
            self.witness.violation(format_args!(
                "{} talked to an impostor: {falsehood:?}",
                device.client
            ));
        }
        if told == 0 && !falsehood.is_impostor() {
            return;
        }
        let begun = Instant::now();
        loop {
            let is_same = device.lives == lying.life;
            let life = device.life.as_ref().filter(|_| is_same);
            let Some(life) = life.filter(|life| !life.power.is_cut()) else {
                return;
            };
            let snapshot = life.handle.snapshot();
            let is_counted = if falsehood.is_security_event() {
                snapshot.security_events > lying.security_events
            } else {
                snapshot.consecutive_failures != lying.failures
            };
            if let Some(reason) = snapshot.last_error.filter(|_| is_counted) {
                self.counts.add("lies refused");
                self.counts.add(&format!("refused {falsehood:?}"));
                self.witness
                    .note(format_args!("{} refused: {reason}", device.client));
                return;
            }
            // An impostor may come and go between two polls.
            if falsehood.is_impostor() {
                return;
            }
            if begun.elapsed() > PATIENCE {
                self.witness.violation(format_args!(
                    "{} was told {falsehood:?} and does not say that it refused it",
                    device.client
                ));
                return;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn intrude(&mut self, index: usize, intrusion: Intrusion) -> Result<(), Failure> {
        let client = self.devices[index].client.clone();
        let another = (index + 1) % self.devices.len();
        let of_another = match &self.manager.life {
            Some(life) if another != index => {
                let other = &self.devices[another].client;
                let mut assigned = life.store.inner.assigned(other).await?;
                assigned.pop().map(|(id, bytes)| (id, Digest::of(&bytes)))
            }
            _ => None,
        };
        let front = self.manager.front.host();
        let answer = intruder::intrude(intrusion, &front, &self.authority, &client, of_another);
        let answer = answer.await?;
        self.witness
            .note(format_args!("{intrusion:?} was answered {answer:?}"));
        if answer.is_some_and(|line| line.starts_with("HTTP/1.1 2")) {
            self.witness.violation(format_args!(
                "the fleet manager served an intruder: {intrusion:?}"
            ));
        } else {
            self.counts.add("intruders turned away");
        }
        Ok(())
    }

    fn renew(&mut self, index: usize) -> Result<(), Failure> {
        self.counts.add("renewed SVIDs");
        let identity = &self.devices[index].identity;
        let svid = self.authority.issue(identity.id(), Lifetime::default());
        Ok(identity.replace_svid(svid.svid())?)
    }

    /// Everybody trusts the old root and the new one, then everybody shows SVIDs of the new one, then the old one goes.
    fn new_root(&mut self) -> Result<(), Failure> {
        self.counts.add("new roots");
        let next = Authority::new(self.authority.domain());
        let both = TrustBundle::of_anchors(&[self.authority.anchor(), next.anchor()])?;
        let all = self.devices.iter().map(|device| &device.identity);
        let all: Vec<&Identity> = all.chain([&self.manager.identity]).collect();
        for identity in &all {
            identity.replace_bundle(&both)?;
        }
        for identity in &all {
            let svid = next.issue(identity.id(), Lifetime::default());
            identity.replace_svid(svid.svid())?;
        }
        for identity in &all {
            identity.replace_bundle(&next.bundle())?;
        }
        self.authority = next;
        Ok(())
    }

    fn script(&mut self, index: usize, fault: EngineFault) {
        self.counts.add("faults of engines");
        if let Some(life) = &self.devices[index].life {
            life.engine.script(fault);
        }
    }

    fn break_workload(&mut self, index: usize, slot: u8) -> Result<(), Failure> {
        let id = deployment_id(u8::try_from(index)?, slot);
        if let Some(life) = &self.devices[index].life {
            self.counts.add("broken workloads");
            let component = "web".parse()?;
            life.engine.break_component(id, &component, "it ended")?;
        }
        Ok(())
    }

    /// A state file that is cut short must be refused, or, where nothing of it was lost, say the same.
    async fn cut_state(&mut self, index: usize, share: u64) -> Result<(), Failure> {
        self.restart_after(index, async |path, owner, copy| {
            let mut bytes = std::fs::read(path)?;
            let length = u64::try_from(bytes.len())?.saturating_mul(share) / 1000;
            bytes.truncate(usize::try_from(length)?);
            std::fs::write(copy, &bytes)?;
            let whole = FileStore::open(path, owner).await?.load().await?;
            let found = async { FileStore::open(copy, owner).await?.load().await };
            let found: Result<_, Error> = found.await;
            std::fs::remove_file(copy)?;
            Ok(match found {
                Ok(state) if state == whole => None,
                Ok(_) => Some(format!(
                    "cut at byte {length} it was taken for another state"
                )),
                Err(error) if error.kind() == ErrorKind::State => None,
                Err(error) => Some(format!("cut at byte {length} it was refused as {error:?}")),
            })
        })
        .await
    }

    async fn restart_after(
        &mut self,
        index: usize,
        look: impl AsyncFnOnce(&Path, &SpiffeId, &Path) -> Result<Option<String>, Failure>,
    ) -> Result<(), Failure> {
        let copy = self.folder.path().join("cut.redb");
        let device = &mut self.devices[index];
        device.kill().await;
        self.counts.add("kills of agents");
        self.counts.add("cut state files");
        let fault = look(&device.state_file(), device.identity.id(), &copy).await?;
        if let Some(fault) = fault {
            let client = &device.client;
            self.witness
                .violation(format_args!("the state file of {client}: {fault}"));
        }
        device.start().await
    }

    /// Changes the wishes for a device, by chance.
    pub(super) async fn change(&mut self, index: usize, change: Change) -> Result<(), Failure> {
        self.wishes[index].change(change);
        self.publish(index).await
    }
}

fn identity_for(authority: &Authority, id: &SpiffeId) -> Result<Identity, Failure> {
    let svid = authority.issue(id, Lifetime::default()).svid();
    Ok(Identity::new(svid, &authority.bundle())?)
}

/// A point that is never reached.
pub(super) const NEVER: u64 = u64::MAX;
const LONGEST_WAIT_FOR_A_POINT: Duration = Duration::from_secs(2);
/// How long a device may take to say why it refused something.
const PATIENCE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(10);
