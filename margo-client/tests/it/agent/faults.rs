//! What goes wrong on devices: clocks that are set, engines that vanish or panic, answers that are nobody's.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use margo_client::agent::{Clock, Options};
use margo_client::reconcile::Action;
use margo_client::state::{Change, State, StateStore};
use margo_client::sync::{FetchLimits, poll};
use margo_client::{Error, ErrorKind};
use margo_providers::simulated::{Fault as Mishap, SimulatedProvider};
use margo_providers::{Engine, Observation, Progress, Provider, ProviderError};
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;
use margo_types::manifest::ManifestVersion;
use tokio::time::Instant;

use super::gateways::see_thru;
use super::rig::{Fault, Machine, Rig, Running, TestClock, deployment, deployment_for, host, id};

/// A clock that can be set.
#[derive(Debug)]
struct Settable {
    clock: Arc<TestClock>,
    set_by: Mutex<SignedDuration>,
}

impl Settable {
    fn of(rig: &Rig) -> Arc<Self> {
        let (clock, set_by) = (rig.clock.clone(), Mutex::default());
        Arc::new(Self { clock, set_by })
    }

    fn set_by_hours(&self, hours: i64) {
        *self.set_by.lock().unwrap() = SignedDuration::from_hours(hours);
    }
}

impl Clock for Settable {
    fn now(&self) -> Timestamp {
        self.clock.now() + *self.set_by.lock().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_prolongs_no_wait() {
    for offline in [false, true] {
        let rig = Rig::new();
        let clock = Settable::of(&rig);
        rig.wfm.publish(1, &[deployment(1, "1.0")]);
        let agent = Running::start(rig.agent().clock(clock.clone())).await;
        agent.until_installed(&[id(1)]).await;
        rig.wfm.script().offline = offline;
        rig.machine.running.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_hours(1)).await;

        clock.set_by_hours(-24 * 3000);
        rig.wfm.script().offline = false;
        rig.wfm.publish(2, &[deployment(1, "2.0")]);
        let set = Instant::now();
        agent
            .until("polled, and all reported", |it| {
                it.manifest == ManifestVersion::new(2) && it.outbox == 0
            })
            .await;
        assert!(set.elapsed() < Duration::from_mins(15), "{offline}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_cuts_no_wait_short() {
    let rig = Rig::new();
    let clock = Settable::of(&rig);
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    rig.wfm.fail("manifest", &[Fault::Refused(503, Some(7200))]);
    let agent = Running::start(rig.agent().clock(clock.clone())).await;
    let begun = Instant::now();
    agent
        .until("refused", |it| it.consecutive_failures == 1)
        .await;
    clock.set_by_hours(24 * 3000);
    agent.until_installed(&[id(1)]).await;
    assert!(
        begun.elapsed() >= Duration::from_hours(2),
        "{:?}",
        begun.elapsed()
    );
}

/// Runs a test with paused time in a thread of its own: an agent that spins never lets that time pass.
fn without_spinning(test: impl Future<Output = ()> + Send + 'static) {
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(test);
        ended.send(()).unwrap();
    });
    end.recv_timeout(Duration::from_mins(1))
        .expect("it failed, or it spins");
}

/// A provider of another type.
#[derive(Debug)]
struct Helm;

#[async_trait]
impl Provider for Helm {
    fn deployment_type(&self) -> DeploymentType {
        DeploymentType::Helm
    }

    async fn engine(&self) -> Result<Engine, ProviderError> {
        Ok(Engine::new("helm", "3"))
    }

    async fn apply(
        &self,
        _: &ApplicationDeployment,
        _: &dyn Progress,
    ) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn remove(
        &self,
        _: &ApplicationDeployment,
        _: &dyn Progress,
    ) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn observe(&self, _: &ApplicationDeployment) -> Result<Observation, ProviderError> {
        Ok(Observation::new(Vec::new()))
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        Ok(Vec::new())
    }
}

#[test]
fn a_provider_that_is_gone_after_a_restart_is_said_and_comes_back() {
    without_spinning(async {
        let rig = Rig::new();
        rig.wfm.publish(1, &[deployment(1, "1.0")]);
        let agent = rig.start().await;
        agent.until_installed(&[id(1)]).await;
        agent.kill().await;

        let without = margo_client::Agent::builder(rig.wfm.clone(), Arc::clone(&rig.state))
            .clock(rig.clock.clone())
            .device(host("edge"), [Arc::new(Helm) as Arc<dyn Provider>]);
        let agent = Running::start(without).await;
        agent
            .until("said", |it| {
                let view = it.deployments.get(&id(1));
                let error = view.and_then(|it| it.last_error.as_ref());
                it.outbox == 0 && error.is_some_and(|it| it.code == "NO_PROVIDER")
            })
            .await;
        assert_eq!(rig.wfm.states(id(1)).last().unwrap(), "failed");
        tokio::time::sleep(Duration::from_hours(1)).await;
        agent.kill().await;

        let agent = rig.start().await;
        agent.until_installed(&[id(1)]).await;
        assert_eq!(rig.log.count("remove"), 0);
    });
}

/// An engine that cannot be looked at.
#[derive(Debug, Default)]
struct Opaque {
    machine: Machine,
    looks: AtomicUsize,
}

#[async_trait]
impl Provider for Opaque {
    fn deployment_type(&self) -> DeploymentType {
        DeploymentType::Compose
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
        let looks = self.looks.fetch_add(1, Ordering::SeqCst);
        assert!(looks > 200, "a fault of this provider, as told");
        self.machine.observe(deployment).await
    }

    async fn list(&self) -> Result<Vec<DeploymentId>, ProviderError> {
        self.machine.list().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_panics_when_it_looks_is_not_asked_without_end() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let opaque = Arc::new(Opaque::default());
    let agent = margo_client::Agent::builder(rig.wfm.clone(), Arc::clone(&rig.state))
        .clock(rig.clock.clone())
        .device(host("edge"), [opaque.clone() as Arc<dyn Provider>]);
    let agent = Running::start(agent).await;
    agent
        .until("said", |it| {
            let view = it.deployments.get(&id(1));
            let error = view.and_then(|it| it.last_error.as_ref());
            error.is_some_and(|it| it.message.contains("panicked"))
        })
        .await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    let looks = opaque.looks.load(Ordering::SeqCst);
    assert!((10..=200).contains(&looks), "{looks}");
}

#[test]
fn a_stored_deployment_that_cannot_be_read_any_more_is_left_alone() {
    without_spinning(async {
        let rig = Rig::new();
        rig.wfm.publish(1, &[deployment(1, "1.0")]);
        let agent = rig.start().await;
        agent.until_installed(&[id(1)]).await;
        agent.kill().await;

        let mut options = Options::default();
        options.limits.max_document_bytes = 10;
        let agent = Running::start(rig.agent().options(options)).await;
        // Others still come and go.
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert!(agent.handle.snapshot().last_contact.is_some());
        assert_eq!(rig.machine.runs(id(1)).as_deref(), Some("1.0"));
        assert_eq!(rig.log.count("remove"), 0);
        agent.kill().await;

        let agent = rig.start().await;
        agent.until_installed(&[id(1)]).await;
        rig.wfm.publish(2, &[]);
        agent.until_installed(&[]).await;
        assert_eq!(rig.machine.runs(id(1)), None);
    });
}

#[tokio::test]
async fn documents_beyond_all_bounds_are_not_even_fetched() {
    let rig = Rig::new();
    let all: Vec<_> = (1..=40).map(|number| deployment(number, "1.0")).collect();
    rig.wfm.publish(1, &all);
    rig.wfm.fail("bundle", &[Fault::NotFound]);
    let mut limits = FetchLimits::default();
    limits.max_total_bytes = 2000;
    let error = poll(&*rig.wfm, &State::default(), &limits)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misbehaved, "{error}");
    let fetched = rig.log.count("api deployment");
    assert!(fetched < 20, "{fetched} were fetched");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_cannot_be_taken_back_does_not_stop_the_polls() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment_for("gw/a", 1, "1.0")]);
    let agent = Running::start(see_thru(&rig)).await;
    agent.until_installed(&[id(1)]).await;
    rig.wfm
        .fail("remove-device", &[Fault::Refused(405, None); 3]);
    let gone = "gw/b".parse().unwrap();
    agent.handle.disconnect_child(&gone).unwrap();
    agent
        .until("said", |it| it.capabilities_error.is_some())
        .await;
    rig.wfm.publish(2, &[deployment_for("gw/a", 1, "2.0")]);
    agent
        .until("updated", |_| {
            rig.machine.runs(id(1)).as_deref() == Some("2.0")
        })
        .await;
    // It is not forgotten: the next start tries again.
    assert!(
        rig.state
            .load()
            .await
            .unwrap()
            .capabilities
            .contains_key(&gone)
    );
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_never_taken_does_not_stop_the_polls() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment_for("gw/a", 1, "1.0")]);
    let faults = [Fault::None, Fault::NotFound, Fault::NotFound];
    // Asked for the gateway, then for its children.
    rig.wfm
        .fail("capabilities", &[faults, faults, faults].concat());
    let agent = Running::start(see_thru(&rig)).await;
    let snapshot = agent.until_installed(&[id(1)]).await;
    assert!(snapshot.capabilities_error.unwrap().contains("gw/b"));
}

#[tokio::test(start_paused = true)]
async fn a_manifest_that_comes_meanwhile_is_adopted_for_good() {
    let rig = Rig::new();
    let engine = Arc::new(SimulatedProvider::new());
    engine.script(Mishap::delay(Duration::from_hours(1)));
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let agent = margo_client::Agent::builder(rig.wfm.clone(), Arc::clone(&rig.state))
        .clock(rig.clock.clone())
        .device(host("edge"), [engine as Arc<dyn Provider>]);
    let agent = Running::start(agent).await;
    let accepted = |version| move |it: &_| is_at(it, version);
    agent.until("accepted", accepted(1)).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    rig.wfm
        .publish(2, &[deployment(1, "1.0"), deployment(2, "1.0")]);
    agent.until("accepted", accepted(2)).await;
    agent.until_installed(&[id(1), id(2)]).await;
    let state = rig.state.load().await.unwrap();
    assert_eq!(Some(state.current[&id(1)].adopted), ManifestVersion::new(2));
    let script = rig.wfm.script();
    let mut reports = script.statuses.iter();
    let last = reports.rfind(|it| it.deployment_id == id(1)).unwrap();
    assert_eq!(last.adopted_manifest_version, ManifestVersion::new(2));
}

fn is_at(snapshot: &margo_client::agent::Snapshot, version: u64) -> bool {
    snapshot.manifest == ManifestVersion::new(version)
}

/// A store that takes its time over the second manifest.
#[derive(Debug)]
struct Slow(Arc<dyn StateStore>);

#[async_trait]
impl StateStore for Slow {
    async fn load(&self) -> Result<State, Error> {
        self.0.load().await
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        let second = ManifestVersion::new(2).unwrap();
        let is_second = |it: &Change| matches!(it, Change::Accept(it) if it.version == second);
        if changes.iter().any(is_second) {
            tokio::time::sleep(Duration::from_mins(10)).await;
        }
        self.0.commit(changes).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_withdrawn_while_it_begins_does_not_begin() {
    let mut rig = Rig::new();
    rig.state = Arc::new(Slow(Arc::clone(&rig.state)));
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let busy = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&busy);
    let veto = move |_: &ApplicationDeployment, _: Action| {
        asked.load(Ordering::SeqCst).then(|| "busy".to_owned())
    };
    let agent = Running::start(rig.agent().veto(Arc::new(veto))).await;
    agent.until("accepted", |it| is_at(it, 1)).await;
    rig.wfm.publish(2, &[]);
    // The second manifest is being written when the first one's deployment is to begin.
    tokio::time::sleep(Duration::from_mins(3)).await;
    busy.store(false, Ordering::SeqCst);
    agent.handle.reconcile_now();
    agent
        .until("gone", |it| {
            is_at(it, 2) && it.deployments.is_empty() && it.outbox == 0
        })
        .await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(rig.wfm.states(id(1)), ["pending", "removed"]);
    assert_eq!(rig.log.count("apply"), 0);
}
