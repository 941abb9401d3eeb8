//! Brings the devices to what is stored: plans after every event, runs the steps side by side, and looks for drift.
//!
//! Every event concerns some deployments, and only these are planned anew: with a thousand of them, a change of one costs
//! what it costs with ten.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use margo_types::Digest;
use margo_types::id::DeploymentId;
use margo_types::status::{DeploymentState, StatusError};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::shared::Shared;
use super::snapshot::DeploymentView;
use super::worker::{Outcome, Seen, Worker};
use crate::gateway::Refusal;
use crate::jitter::{random, share_of};
use crate::reconcile::{Desired, Health, Step, plan};
use crate::state::{Current, Phase, State};

pub(super) struct Conductor {
    shared: Arc<Shared>,
    /// For steps.
    permits: Arc<Semaphore>,
    /// For looking at what is installed: no step waits for that.
    looks: Arc<Semaphore>,
    jobs: JoinSet<Outcome>,
    running: BTreeMap<DeploymentId, Running>,
    tasks: HashMap<Id, DeploymentId>,
    notes: BTreeMap<DeploymentId, Notes>,
    /// When which deployment has to be looked at again without an event.
    agenda: BTreeSet<(Instant, DeploymentId)>,
    /// The time of this round: what is ahead when it is asked about stays ahead until it is in the agenda.
    now: Instant,
    converged: Option<oneshot::Sender<()>>,
}

struct Running {
    job: Job,
    abort: AbortHandle,
}

enum Job {
    Step(Step),
    Look,
    /// Aborted, but its task has not ended: nothing else may begin for the deployment.
    Superseded,
}

/// What is remembered of a deployment while the agent runs.
#[derive(Default)]
struct Notes {
    revision: Option<Digest>,
    /// The step that failed last, how often, and when it may be tried again.
    failed: Option<(Step, u32, Instant)>,
    health: Health,
    repairs: u32,
    /// Since when it has been as desired without a break.
    good_since: Option<Instant>,
    /// How many observations in a row found it on its way.
    unsettled: u32,
    unknown: u32,
    look_at: Option<Instant>,
    last_error: Option<StatusError>,
    postponed: Option<String>,
    /// When the veto that postponed it is asked again.
    ask_at: Option<Instant>,
    /// Its entry in the agenda.
    wake_at: Option<Instant>,
}

impl Conductor {
    pub(super) fn new(shared: Arc<Shared>, converged: oneshot::Sender<()>) -> Self {
        let concurrency = shared.options.concurrency.max(1);
        Self {
            permits: Arc::new(Semaphore::new(concurrency)),
            looks: Arc::new(Semaphore::new(concurrency)),
            shared,
            jobs: JoinSet::new(),
            running: BTreeMap::new(),
            tasks: HashMap::new(),
            notes: BTreeMap::new(),
            agenda: BTreeSet::new(),
            now: Instant::now(),
            converged: Some(converged),
        }
    }

    /// Runs until told to stop; what is running then may end within the grace period.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut concerned = self.everything();
        loop {
            self.reconcile(&concerned);
            concerned.clear();
            let wake = self.agenda.first().map(|(time, _)| *time);
            let wake = wake.unwrap_or_else(|| Instant::now() + LONGEST_REST);
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ended) = self.jobs.join_next_with_id() => concerned.extend(self.ended(ended)),
                () = self.shared.changed.notified() => concerned = self.everything(),
                () = self.shared.ledger.stirred.notified() => {}
                () = sleep_until(wake) => {}
            }
            // What has happened by now is dealt with together.
            while let Some(ended) = self.jobs.try_join_next_with_id() {
                concerned.extend(self.ended(ended));
            }
            concerned.extend(self.shared.ledger.take_concerned());
            self.take_due(&mut concerned);
        }
        // Steps that wait for their turn do not begin any more.
        self.permits.close();
        self.looks.close();
        let grace = self.shared.options.grace;
        let all = async { while self.jobs.join_next().await.is_some() {} };
        if timeout(grace, all).await.is_err() {
            tracing::info!(
                "cancelling what is still running; it is carried on after the next start"
            );
            self.jobs.shutdown().await;
        }
    }

    /// Everything that should be, is, or was.
    fn everything(&self) -> BTreeSet<DeploymentId> {
        let mut all = self.shared.all();
        all.extend(self.notes.keys());
        all
    }

    /// Takes the deployments from the agenda whose time has come.
    fn take_due(&mut self, concerned: &mut BTreeSet<DeploymentId>) {
        let now = Instant::now();
        while let Some((time, id)) = self.agenda.first().copied()
            && time <= now
        {
            self.agenda.pop_first();
            if let Some(notes) = self.notes.get_mut(&id) {
                notes.wake_at = None;
            }
            concerned.insert(id);
        }
    }

    /// Plans for these deployments, and begins what is to be done.
    fn reconcile(&mut self, concerned: &BTreeSet<DeploymentId>) {
        self.now = Instant::now();
        let devices = self.shared.devices();
        let (mut desired, mut current) = (BTreeMap::new(), BTreeMap::new());
        let (mut health, mut refusals) = (BTreeMap::new(), BTreeMap::new());
        for id in concerned {
            let (wanted, there) = self.shared.outlook(&devices, *id);
            if wanted.is_none() && there.is_none() {
                self.forget(id);
                continue;
            }
            let notes = self.notes.entry(*id).or_default();
            notes.postponed = None;
            notes.ask_at = None;
            if let Some((wanted, placement)) = wanted {
                notes.turn_to(wanted.revision);
                desired.insert(*id, wanted);
                refusals.extend(placement.err().map(|refusal| (*id, refusal)));
            }
            health.insert(*id, notes.health);
            current.extend(there.map(|there| (*id, there)));
        }
        let plan = plan(&desired, &current, &health, |step| self.ask(step));

        for (step, reason) in plan.postponed {
            let notes = self.notes.entry(step.deployment).or_default();
            notes.postponed = Some(reason);
            notes.ask_at = Some(self.now + self.shared.options.veto_every);
        }
        for step in plan.steps {
            let refusal = refusals.remove(&step.deployment);
            self.begin(step, refusal);
        }
        self.look_for_drift(&current);
        for id in concerned {
            self.plan_wake(*id);
        }
        self.publish(concerned, &desired, &current);
        self.shared.forget_documents();
        if self.running.is_empty()
            && let Some(converged) = self.converged.take()
        {
            self.shared
                .snapshot
                .send_modify(|snapshot| snapshot.converged = true);
            let _ = converged.send(());
        }
    }

    /// Nothing of it is desired or there any more, or what is desired of it cannot be read.
    fn forget(&mut self, id: &DeploymentId) {
        let notes = self.notes.remove(id);
        if let Some(time) = notes.and_then(|notes| notes.wake_at) {
            self.agenda.remove(&(time, *id));
        }
    }

    /// Puts a deployment into the agenda for the next time that something has to be done without an event.
    fn plan_wake(&mut self, id: DeploymentId) {
        let is_running = self.running.contains_key(&id);
        let Some(notes) = self.notes.get_mut(&id) else {
            return;
        };
        let next = if is_running {
            None
        } else {
            notes.next(self.now)
        };
        if next != notes.wake_at {
            if let Some(before) = notes.wake_at {
                self.agenda.remove(&(before, id));
            }
            self.agenda.extend(next.map(|time| (time, id)));
            notes.wake_at = next;
        }
    }

    /// Asks the veto about a step that could begin now.
    fn ask(&self, step: &Step) -> Option<String> {
        let veto = self.shared.veto.as_ref()?;
        if self.is_running(step) || self.must_wait(step) {
            return None;
        }
        let current = |state: &State| state.current.get(&step.deployment).map(|it| it.revision);
        let revision = step.revision.or_else(|| self.shared.ledger.read(current))?;
        let deployment = self.shared.document(&revision)?;
        veto.postpone(&deployment, step.action)
    }

    fn is_running(&self, step: &Step) -> bool {
        let running = self.running.get(&step.deployment);
        running.is_some_and(|it| matches!(&it.job, Job::Step(other) if other.is_same_work(step)))
    }

    /// Whether the same step failed a short time ago.
    fn must_wait(&self, step: &Step) -> bool {
        let notes = self.notes.get(&step.deployment);
        let failed = notes.and_then(|notes| notes.failed.as_ref());
        failed.is_some_and(|(other, _, until)| other.is_same_work(step) && *until > self.now)
    }

    fn begin(&mut self, step: Step, refusal: Option<Refusal>) {
        if self.is_running(&step) {
            return;
        }
        if let Some(running) = self.running.get_mut(&step.deployment) {
            // Something else is going on: the newer step supersedes it, and begins when its task has ended.
            if !matches!(running.job, Job::Superseded) {
                tracing::info!(deployment = %step.deployment, action = ?step.action, "superseding what is running");
                running.abort.abort();
                running.job = Job::Superseded;
            }
            return;
        }
        if self.must_wait(&step) {
            return;
        }
        let id = step.deployment;
        let notes = self.notes.entry(id).or_default();
        let failed = notes.failed.as_ref();
        let again =
            failed.is_some_and(|(other, failures, _)| *failures > 0 && other.is_same_work(&step));
        tracing::info!(deployment = %id, action = ?step.action, "beginning");
        let worker = self.worker(&self.permits, id, again);
        self.spawn(id, Job::Step(step.clone()), worker.step(step, refusal));
    }

    fn look_for_drift(&mut self, current: &BTreeMap<DeploymentId, Current>) {
        let now = self.now;
        for (id, current) in current {
            if current.phase != Phase::Installed || self.running.contains_key(id) {
                continue;
            }
            let notes = self.notes.entry(*id).or_default();
            // At the start everything is looked at once.
            if notes.look_at.is_some_and(|time| time > now) || notes.health == Health::Drifted {
                continue;
            }
            let patient = notes.unsettled < UNSETTLED;
            let worker = self.worker(&self.looks, *id, false);
            self.spawn(*id, Job::Look, worker.observe(patient));
        }
    }

    fn worker(&self, permits: &Arc<Semaphore>, id: DeploymentId, again: bool) -> Worker {
        Worker {
            shared: Arc::clone(&self.shared),
            permits: Arc::clone(permits),
            id,
            again,
        }
    }

    fn spawn(
        &mut self,
        id: DeploymentId,
        job: Job,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) {
        let abort = self.jobs.spawn(work);
        self.tasks.insert(abort.id(), id);
        self.running.insert(id, Running { job, abort });
    }

    /// Notes how a job ended, and says of which deployment it was.
    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) -> Option<DeploymentId> {
        let (task, outcome) = match ended {
            Ok((task, outcome)) => (task, outcome),
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "a provider panicked");
                let message = "the provider panicked; this is a fault of its program";
                (
                    error.id(),
                    Outcome::Failed(StatusError::new("DEVICE_ERROR", "", message)),
                )
            }
            Err(error) => (error.id(), Outcome::Dropped),
        };
        let id = self.tasks.remove(&task)?;
        let running = self.running.remove(&id)?;
        let step = match running.job {
            Job::Step(step) => Some(step),
            Job::Look => None,
            Job::Superseded => return Some(id),
        };
        let options = self.shared.options.clone();
        let now = Instant::now();
        let notes = self.notes.entry(id).or_default();
        let mut written = Ok(());
        match outcome {
            // The world has changed, so that something else is planned now; if not, it must not be begun again at once.
            Outcome::Dropped => match step {
                Some(step) => notes.fail(step, now, &options.provider_waits),
                None => notes.look_at = Some(now + options.observe_every),
            },
            Outcome::Done => {
                if let Some(step) = step {
                    tracing::info!(deployment = %id, action = ?step.action, "done");
                }
                notes.failed = None;
                notes.last_error = None;
                notes.health = Health::Good;
                notes.unsettled = 0;
                notes.good_since = Some(now);
                notes.look_at = Some(now + options.observe_every);
            }
            Outcome::Failed(error) => {
                notes.last_error = Some(error);
                match step {
                    Some(step) => notes.fail(step, now, &options.provider_waits),
                    None => notes.look_at = Some(now + options.observe_every),
                }
            }
            Outcome::NotWritten(error) => {
                written = Err(error);
                match step {
                    Some(step) => notes.fail(step, now, &options.provider_waits),
                    None => notes.look_at = Some(now + options.provider_waits.after(1)),
                }
            }
            Outcome::Seen(seen) => notes.saw(seen, now, &options),
        }
        self.shared.note_state(&written);
        Some(id)
    }

    /// Shows how these deployments fare.
    fn publish(
        &self,
        concerned: &BTreeSet<DeploymentId>,
        desired: &BTreeMap<DeploymentId, Desired>,
        current: &BTreeMap<DeploymentId, Current>,
    ) {
        let view = |id: &DeploymentId| self.view(*id, desired.get(id), current.get(id));
        let views: Vec<_> = concerned.iter().map(|id| (*id, view(id))).collect();
        self.shared.snapshot.send_if_modified(|snapshot| {
            self.shared.ledger.read(|state| {
                let mut is_news = false;
                let manifest = state.accepted.as_ref().map(|it| it.version);
                if std::mem::replace(&mut snapshot.manifest, manifest) != manifest {
                    is_news = true;
                    // What is the same in the new manifest was adopted from that one, too.
                    for (id, view) in &mut snapshot.deployments {
                        view.adopted = state.adopted(*id);
                    }
                }
                for (id, view) in views {
                    is_news |= snapshot.deployments.get(&id) != view.as_ref();
                    match view {
                        Some(view) => snapshot.deployments.insert(id, view),
                        None => snapshot.deployments.remove(&id),
                    };
                }
                let outbox = state.outbox.len();
                is_news |= std::mem::replace(&mut snapshot.outbox, outbox) != outbox;
                is_news
            })
        });
    }

    fn view(
        &self,
        id: DeploymentId,
        desired: Option<&Desired>,
        current: Option<&Current>,
    ) -> Option<DeploymentView> {
        let notes = self.notes.get(&id);
        let revision = desired.map(|desired| desired.revision);
        let known = revision.or(current.map(|it| it.revision))?;
        let name = self.shared.document(&known)?.metadata.name.clone();
        let (adopted, status) = self
            .shared
            .ledger
            .read(|state| (state.adopted(id), state.last.get(&id).cloned()));
        let status = status.map(|it| it.status);
        let failed = notes.and_then(|notes| notes.failed.as_ref());
        let there = current.and_then(|it| it.host.clone());
        Some(DeploymentView {
            name,
            device: there.or_else(|| desired.and_then(|desired| desired.host.clone())),
            revision,
            applied: current.and_then(|it| it.applied),
            adopted,
            last_error: notes
                .and_then(|notes| notes.last_error.clone())
                .or_else(|| status.as_ref().and_then(|it| it.error.clone())),
            state: status.map_or(DeploymentState::Pending, |it| it.state),
            postponed: notes.and_then(|notes| notes.postponed.clone()),
            failures: failed.map_or(0, |(_, failures, _)| *failures),
        })
    }
}

impl Notes {
    /// Forgets what concerns another revision.
    fn turn_to(&mut self, revision: Digest) {
        if self.revision != Some(revision) {
            *self = Self {
                revision: Some(revision),
                wake_at: self.wake_at,
                ..Self::default()
            };
        }
    }

    /// The next time after `now` that something has to be done without an event.
    fn next(&self, now: Instant) -> Option<Instant> {
        let retry = self.failed.as_ref().map(|(_, _, until)| *until);
        let times = [retry, self.look_at, self.ask_at].into_iter().flatten();
        times.filter(|time| *time > now).min()
    }

    fn fail(&mut self, step: Step, now: Instant, waits: &Waits) {
        let before = self.failed.as_ref();
        let before = before.filter(|(other, ..)| other.is_same_work(&step));
        let failures = before.map_or(0, |(_, failures, _)| *failures) + 1;
        self.failed = Some((step, failures, now + waits.after(failures)));
    }

    fn saw(&mut self, seen: Seen, now: Instant, options: &super::Options) {
        let soon = options.provider_waits;
        self.look_at = Some(now + options.observe_every);
        if !matches!(seen, Seen::Unsettled) {
            self.unsettled = 0;
        }
        match seen {
            Seen::Good => {
                self.health = Health::Good;
                self.last_error = None;
                self.unknown = 0;
                let since = *self.good_since.get_or_insert(now);
                // Only what stays up earns new repairs: a workload that falls over after each of them is given up.
                if now.duration_since(since) >= options.observe_every * STABLE {
                    self.repairs = 0;
                }
            }
            Seen::Unsettled => self.unsettled += 1,
            Seen::Unknown(error) => {
                self.unknown += 1;
                self.last_error = Some(error);
                let wait = soon.after(self.unknown).min(options.observe_every);
                self.look_at = Some(now + wait);
            }
            Seen::Drifted(error) => {
                self.good_since = None;
                self.last_error = Some(error);
                if self.repairs >= options.repairs {
                    self.health = Health::GivenUp;
                } else {
                    self.repairs += 1;
                    self.health = Health::Drifted;
                }
            }
        }
    }
}

/// How long failed steps wait: twice as long after every failure, with chance in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// The longest first wait: 5 s.
    pub first: Duration,
    /// The longest wait: 10 min.
    pub longest: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            longest: Duration::from_mins(10),
        }
    }
}

impl Waits {
    fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let bound = self.first.saturating_mul(1 << doublings).min(self.longest);
        bound / 2 + share_of(bound / 2, random())
    }
}

/// How many observations in a row may find a deployment on its way before that counts as drift.
const UNSETTLED: u32 = 3;
/// How long to wait for an event when nothing is due.
const LONGEST_REST: Duration = Duration::from_hours(1);
/// For how many observation intervals a repaired deployment must stay up before its repairs are forgotten.
const STABLE: u32 = 10;
