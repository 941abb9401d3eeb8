//! The fleet, and what is done to it.

mod damage;
mod peers;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use margo_providers::Trouble;
use margo_providers::simulated::Fault as EngineFault;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::svid::Identity;
use tokio::time::Instant;

use self::peers::Lying;
use super::action::{Action, Change};
use super::device::Device;
use super::log::Log;
use super::manager::Manager;
use super::wishes::{Wishes, deployment_id};
use super::witness::Witness;
use super::{Counts, Failure, Options};
use crate::authority::{Authority, Lifetime};
use crate::gate::Gate;

/// A fleet of devices, their fleet manager, and the network between.
#[derive(Debug)]
pub(super) struct World {
    pub(super) witness: Arc<Witness>,
    pub(super) log: Arc<Log>,
    pub(super) counts: Counts,
    pub(super) manager: Manager,
    pub(super) devices: Vec<Device>,
    pub(super) wishes: Vec<Wishes>,
    authority: Authority,
    /// How often the trust domain got a new root.
    roots: u64,
    own: SpiffeId,
    faults: Vec<(Instant, Fault)>,
    liars: Vec<Option<Lying>>,
    /// How many tasks were alive at the first quiet point.
    pub(super) tasks: Option<usize>,
    /// When the store of the fleet manager was last set back to a backup.
    pub(super) restored_at: Option<Timestamp>,
    /// How many security events agents have shown before they were killed.
    security_events: u64,
    /// How long everything may take to become as desired.
    pub(super) patience: Duration,
    folder: PathBuf,
}

/// A fault that ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Unplugged(usize),
    ManagerUnplugged,
    Slow(usize),
    Lie(usize),
    Expired(usize),
    /// It has not heard of the newest root.
    Late(usize),
    Skewed(usize),
    ManagerSkewed,
    FullDisk(usize),
    ManagerFullDisk,
    Hang(usize),
}

impl World {
    /// A fleet that has just been switched on.
    pub(super) async fn new(
        options: &Options,
        log: Arc<Log>,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let witness = Witness::new(options.loud, options.progress.clone());
        let domain = TrustDomain::parse("plant.example")?;
        let (authority, own) = (Authority::new(&domain), SpiffeId::wfm(&domain, "wfm-1")?);
        let clients =
            (0..options.devices).map(|number| ClientId::parse(&format!("device-{number}")));
        let clients: Vec<ClientId> = clients.collect::<Result<_, _>>()?;
        let identity = identity_for(&authority, &own)?;
        let store = folder.join("fleet.db");
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
            let own = folder.join(client.as_str());
            std::fs::create_dir(&own)?;
            let line = Gate::to(&manager.front.host()).await;
            let identity = identity_for(&authority, &id)?;
            let witness = Arc::clone(&witness);
            let device = Device::new(
                client,
                number % 3 == 1,
                own,
                identity,
                line,
                witness,
                options,
            )?;
            wishes.push(Wishes::new(device.targets()?, number));
            devices.push(device);
        }
        let mut world = Self {
            witness,
            log,
            counts: Counts::default(),
            liars: devices.iter().map(|_| None).collect(),
            manager,
            devices,
            wishes,
            authority,
            roots: 0,
            own,
            faults: Vec::new(),
            tasks: None,
            restored_at: None,
            security_events: 0,
            patience: options.patience,
            folder: folder.to_owned(),
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
        self.witness.progress.stepped();
        match action {
            Action::Change(index, change) => {
                self.counts.add("changes of desired states");
                self.wishes[index].change(change);
                self.publish(index).await?;
            }
            Action::KillAgent(..) | Action::KillManager(_) => self.arm(action),
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
            Action::NewRoot(late, time) => self.new_root(late, time)?,
            Action::SetClock(index, seconds) => {
                self.counts.add("clock jumps");
                self.devices[index].clock.set(seconds);
            }
            Action::Skew(whose, seconds, time) => {
                self.counts.add("clock jumps");
                let (skew, fault) = match whose {
                    Some(index) => (&self.devices[index].skew, Fault::Skewed(index)),
                    None => (&self.manager.skew, Fault::ManagerSkewed),
                };
                skew.set(seconds);
                self.begin(fault, time);
            }
            Action::FillDisk(index, time) => {
                self.counts.add("full disks");
                self.devices[index].disk_full.store(true, Ordering::Relaxed);
                self.begin(Fault::FullDisk(index), time);
            }
            Action::FillManagersDisk(time) => {
                self.counts.add("full disks");
                self.manager.disk_full.store(true, Ordering::Relaxed);
                self.begin(Fault::ManagerFullDisk, time);
            }
            Action::EngineFails(index, times) => {
                let times = usize::try_from(times)?;
                let fault = EngineFault::fail(Trouble::Workload, "it ended with status 1");
                self.script(index, &fault.times(times));
            }
            Action::EngineHangs(index, time) => {
                self.script(index, &EngineFault::hang().times(1));
                self.begin(Fault::Hang(index), time);
            }
            Action::EngineDelays(index, delay) => {
                self.script(index, &EngineFault::delay(delay).times(5));
            }
            Action::Break(index, slot) => self.break_workload(index, slot)?,
            Action::CutState(index, share) => self.cut_state(index, share).await?,
            Action::Child(index, child, is_connected) => {
                if self.devices[index].connect(child, is_connected)? {
                    self.counts.add("children that come or go");
                }
            }
            Action::BackUp => {
                if self.manager.back_up().await? {
                    self.counts.add("backups");
                }
            }
            Action::Restore => self.restore().await?,
        }
        Ok(())
    }

    /// Has somebody die soon.
    fn arm(&mut self, action: Action) {
        let deadline = Some(Instant::now() + LONGEST_WAIT_FOR_A_POINT);
        match action {
            Action::KillAgent(index, after) => {
                if let Some(life) = &mut self.devices[index].life {
                    life.power.arm(after);
                    life.deadline = deadline;
                }
            }
            Action::KillManager(after) => {
                if let Some(life) = &mut self.manager.life {
                    life.power.arm(after);
                    life.deadline = deadline;
                }
            }
            _ => {}
        }
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
        self.end_all(over).await
    }

    /// Ends all faults, and has everybody alive.
    pub(super) async fn calm_down(&mut self) -> Result<(), Failure> {
        let faults = std::mem::take(&mut self.faults);
        self.end_all(faults).await?;
        for index in 0..self.devices.len() {
            if let Some(life) = &mut self.devices[index].life {
                life.power.arm(NEVER);
                life.deadline = None;
                life.recover();
            }
            for child in 0..self.devices[index].children.len() {
                self.devices[index].connect(child, true)?;
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
        self.security_events += device.snapshot().map_or(0, |it| it.security_events);
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
        if self.is(Fault::ManagerUnplugged) {
            self.manager.front.close().await;
        }
        self.publish_what_is_new().await
    }

    /// Tells the fleet manager what it was not told yet.
    pub(super) async fn publish_what_is_new(&mut self) -> Result<(), Failure> {
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

    /// How many security events agents have shown, living and dead.
    pub(super) fn security_events_shown(&self) -> u64 {
        let alive = self.devices.iter().filter_map(Device::snapshot);
        self.security_events + alive.map(|it| it.security_events).sum::<u64>()
    }

    fn is(&self, fault: Fault) -> bool {
        self.faults.iter().any(|(_, other)| *other == fault)
    }

    fn begin(&mut self, fault: Fault, time: Duration) {
        self.faults.retain(|(_, other)| *other != fault);
        self.faults.push((Instant::now() + time, fault));
    }

    /// Ends lies last: nothing else keeps a device from noticing them then.
    async fn end_all(&mut self, mut faults: Vec<(Instant, Fault)>) -> Result<(), Failure> {
        faults.sort_by_key(|(_, fault)| matches!(fault, Fault::Lie(_)));
        for (_, fault) in faults {
            self.end(fault).await?;
        }
        Ok(())
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
            Fault::Late(index) => self.catch_up(index)?,
            Fault::Skewed(index) => self.devices[index].skew.set(0),
            Fault::ManagerSkewed => self.manager.skew.set(0),
            Fault::ManagerFullDisk => {
                self.manager.disk_full.store(false, Ordering::Relaxed);
                self.publish_what_is_new().await?;
            }
            Fault::FullDisk(index) => {
                self.devices[index]
                    .disk_full
                    .store(false, Ordering::Relaxed);
            }
            Fault::Hang(index) => {
                if let Some(life) = &self.devices[index].life {
                    life.recover();
                }
            }
        }
        Ok(())
    }

    fn script(&mut self, index: usize, fault: &EngineFault) {
        self.counts.add("faults of engines");
        for engine in self.devices[index].engines() {
            engine.script(fault.clone());
        }
    }

    fn break_workload(&mut self, index: usize, slot: u8) -> Result<(), Failure> {
        let id = deployment_id(u8::try_from(index)?, slot);
        self.counts.add("broken workloads");
        let component = "web".parse()?;
        for engine in self.devices[index].engines() {
            engine.break_component(id, &component, "it ended")?;
        }
        Ok(())
    }

    /// Changes the wishes for a device, by chance.
    pub(super) async fn change(&mut self, index: usize, change: Change) -> Result<(), Failure> {
        self.wishes[index].change(change);
        self.publish(index).await
    }
}

/// How many files a fleet has open at most.
pub(super) const fn open_files(options: &Options) -> u64 {
    OPEN_FILES + OPEN_FILES_PER_DEVICE * options.devices as u64
}

fn identity_for(authority: &Authority, id: &SpiffeId) -> Result<Identity, Failure> {
    let svid = authority.issue(id, Lifetime::default()).svid();
    Ok(Identity::new(svid, &authority.bundle())?)
}

/// A point that is never reached.
pub(super) const NEVER: u64 = u64::MAX;
/// Those of the runtime, of the fleet manager, and of what is going on with a few devices at a time.
const OPEN_FILES: u64 = 128;
/// A line, the state, and connections that come before others have gone.
const OPEN_FILES_PER_DEVICE: u64 = 24;
const LONGEST_WAIT_FOR_A_POINT: Duration = Duration::from_secs(2);
