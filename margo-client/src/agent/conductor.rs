//! Brings the devices to what is stored: plans after every event, runs the steps side by side, and looks for drift.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use margo_types::Digest;
use margo_types::id::DeploymentId;
use margo_types::status::{DeploymentState, StatusError};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::shared::{Shared, Wanted};
use super::snapshot::DeploymentView;
use super::worker::{Outcome, Seen, Worker};
use crate::jitter::{random, share_of};
use crate::reconcile::{Desired, Health, Step, plan};
use crate::state::{Current, Phase, State};

pub(super) struct Conductor {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    jobs: JoinSet<Outcome>,
    running: BTreeMap<DeploymentId, Running>,
    tasks: HashMap<Id, DeploymentId>,
    notes: BTreeMap<DeploymentId, Notes>,
    postponed: bool,
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
}

impl Conductor {
    pub(super) fn new(shared: Arc<Shared>, converged: oneshot::Sender<()>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(shared.options.concurrency.max(1))),
            shared,
            jobs: JoinSet::new(),
            running: BTreeMap::new(),
            tasks: HashMap::new(),
            notes: BTreeMap::new(),
            postponed: false,
            converged: Some(converged),
        }
    }

    /// Runs until told to stop; what is running then may end within the grace period.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        'events: loop {
            let begun = Instant::now();
            self.reconcile();
            // Planning looks at every deployment. With thousands of them, what happens within a short time is dealt with
            // together, so that it does not take all of the processor.
            let rest = Instant::now() + begun.elapsed() * REST;
            let wake = self.wake();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ended) = self.jobs.join_next_with_id() => self.ended(ended),
                () = self.shared.changed.notified() => {}
                () = sleep_until(wake) => {}
            }
            loop {
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => break 'events,
                    Some(ended) = self.jobs.join_next_with_id() => self.ended(ended),
                    () = sleep_until(rest) => break,
                }
            }
        }
        // Steps that wait for their turn do not begin any more.
        self.permits.close();
        let grace = self.shared.options.grace;
        let all = async { while self.jobs.join_next().await.is_some() {} };
        if timeout(grace, all).await.is_err() {
            tracing::info!(
                "cancelling what is still running; it is carried on after the next start"
            );
            self.jobs.shutdown().await;
        }
    }

    fn reconcile(&mut self) {
        let (wanted, current) = self.shared.wanted();
        let ids: BTreeSet<DeploymentId> = wanted.keys().chain(current.keys()).copied().collect();
        self.notes.retain(|id, _| ids.contains(id));
        for (id, (desired, _)) in &wanted {
            let notes = self.notes.entry(*id).or_default();
            if notes.revision != Some(desired.revision) {
                *notes = Notes {
                    revision: Some(desired.revision),
                    ..Notes::default()
                };
            }
        }
        let desired: BTreeMap<DeploymentId, Desired> = wanted
            .iter()
            .map(|(id, (desired, _))| (*id, desired.clone()))
            .collect();
        let health = self
            .notes
            .iter()
            .map(|(id, notes)| (*id, notes.health))
            .collect();
        let plan = plan(&desired, &current, &health, |step| self.ask(step));

        for notes in self.notes.values_mut() {
            notes.postponed = None;
        }
        self.postponed = !plan.postponed.is_empty();
        for (step, reason) in plan.postponed {
            self.notes.entry(step.deployment).or_default().postponed = Some(reason);
        }
        for step in plan.steps {
            self.begin(step, &wanted);
        }
        self.look_for_drift(&current);
        self.publish(&wanted, &current);
        if self.running.is_empty()
            && let Some(converged) = self.converged.take()
        {
            self.shared
                .snapshot
                .send_modify(|snapshot| snapshot.converged = true);
            let _ = converged.send(());
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
        failed.is_some_and(|(other, _, until)| other.is_same_work(step) && *until > Instant::now())
    }

    fn begin(&mut self, step: Step, wanted: &Wanted) {
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
        let refusal = wanted
            .get(&id)
            .and_then(|(_, placement)| placement.clone().err());
        tracing::info!(deployment = %id, action = ?step.action, "beginning");
        let worker = self.worker(id, again);
        self.spawn(id, Job::Step(step.clone()), worker.step(step, refusal));
    }

    fn look_for_drift(&mut self, current: &BTreeMap<DeploymentId, Current>) {
        let now = Instant::now();
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
            let worker = self.worker(*id, false);
            self.spawn(*id, Job::Look, worker.observe(patient));
        }
    }

    fn worker(&self, id: DeploymentId, again: bool) -> Worker {
        Worker {
            shared: Arc::clone(&self.shared),
            permits: Arc::clone(&self.permits),
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

    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) {
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
        let Some(id) = self.tasks.remove(&task) else {
            return;
        };
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        let step = match running.job {
            Job::Step(step) => Some(step),
            Job::Look => None,
            Job::Superseded => return,
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
    }

    /// When something has to be done without an event.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let options = &self.shared.options;
        let notes = self
            .notes
            .iter()
            .filter(|(id, _)| !self.running.contains_key(id));
        let times = notes.flat_map(|(_, notes)| {
            let retry = notes.failed.as_ref().map(|(_, _, until)| *until);
            [retry, notes.look_at]
        });
        let veto = self.postponed.then(|| now + options.veto_every);
        let times = times.chain([veto]).flatten().filter(|time| *time > now);
        times.min().unwrap_or(now + Duration::from_hours(1))
    }

    fn publish(&self, wanted: &Wanted, current: &BTreeMap<DeploymentId, Current>) {
        let (last, manifest) = self.shared.ledger.read(|state| {
            let manifest = state.accepted.as_ref().map(|it| it.version);
            (state.last.clone(), manifest)
        });
        let ids: BTreeSet<&DeploymentId> = wanted.keys().chain(current.keys()).collect();
        let view = |id: &&DeploymentId| {
            let (desired, current) = (wanted.get(id), current.get(id));
            let notes = self.notes.get(id);
            let revision = desired.map(|(desired, _)| desired.revision);
            let known = revision.or(current.map(|it| it.revision))?;
            let status = last.get(id);
            let failed = notes.and_then(|notes| notes.failed.as_ref());
            let there = current.and_then(|it| it.host.clone());
            Some(DeploymentView {
                name: self.shared.document(&known)?.metadata.name.clone(),
                device: there.or_else(|| desired.and_then(|(desired, _)| desired.host.clone())),
                state: status.map_or(DeploymentState::Pending, |it| it.status.state.clone()),
                revision,
                applied: current.and_then(|it| it.applied),
                adopted: current.map(|it| it.adopted),
                last_error: notes
                    .and_then(|notes| notes.last_error.clone())
                    .or_else(|| status.and_then(|it| it.status.error.clone())),
                postponed: notes.and_then(|notes| notes.postponed.clone()),
                failures: failed.map_or(0, |(_, failures, _)| *failures),
            })
        };
        let views = ids.iter().filter_map(|id| Some((**id, view(id)?)));
        let views: BTreeMap<DeploymentId, DeploymentView> = views.collect();
        self.shared.snapshot.send_if_modified(|snapshot| {
            let outbox = self.shared.ledger.read(|state| state.outbox.len());
            let same = snapshot.deployments == views
                && snapshot.manifest == manifest
                && snapshot.outbox == outbox;
            snapshot.deployments = views;
            snapshot.manifest = manifest;
            snapshot.outbox = outbox;
            !same
        });
    }
}

impl Notes {
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
/// How many times as long as planning took events are collected before the next plan.
const REST: u32 = 4;
/// For how many observation intervals a repaired deployment must stay up before its repairs are forgotten.
const STABLE: u32 = 10;
