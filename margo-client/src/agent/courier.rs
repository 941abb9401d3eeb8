//! Delivers the outbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use margo_types::id::DeploymentId;
use tokio::sync::watch;

use super::clock::sleep_until;
use super::poller::in_full;
use super::shared::Shared;
use crate::jitter::{later, random};
use crate::outbox::{self, Verdict};
use crate::retry::{Attempts, NextAttempt};
use crate::state::{Change, Report};
use crate::{Error, FleetApi};

pub(super) struct Courier {
    shared: Arc<Shared>,
    /// Failures that concern everything; by the steady clock, like all times here.
    pause: Attempts,
    /// Failures of single deployments.
    attempts: BTreeMap<DeploymentId, Attempts>,
    /// When reports on a deployment may be sent again, after an answer that says that it is no use to retry.
    kept: BTreeMap<DeploymentId, Timestamp>,
    /// When the fleet manager may be asked again, after an answer that says that it is no use to retry.
    slow_until: Option<Timestamp>,
    /// Why reports were not taken the last time; said once.
    last_fault: Option<String>,
}

impl Courier {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            pause: Attempts::new(),
            attempts: BTreeMap::new(),
            kept: BTreeMap::new(),
            slow_until: None,
            last_fault: None,
        }
    }

    /// Delivers until told to stop; not before the fleet manager knows the devices.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut introduced = self.shared.introduced.subscribe();
        let work = async {
            if introduced.wait_for(|introduced| *introduced).await.is_err() {
                return;
            }
            loop {
                let wake = self.deliver().await;
                let shared = &self.shared;
                let timer = async {
                    match wake {
                        Some(time) => {
                            sleep_until(&*shared.clock, time).await;
                        }
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = timer => {}
                    () = shared.ledger.committed.notified() => {}
                }
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => {}
            () = work => {}
        }
    }

    /// Sends what may be sent now. Returns the time of day at which to look again, if something is left.
    async fn deliver(&mut self) -> Option<Timestamp> {
        let shared = Arc::clone(&self.shared);
        loop {
            if let paused @ Some(_) = self.paused_until(shared.now()) {
                return paused;
            }
            let due = shared.ledger.read(outbox::due);
            let (mut settled, mut forgotten) = (Vec::new(), false);
            let mut wake: Option<Timestamp> = None;
            let mut paused = None;
            for (number, report) in due {
                let now = shared.now();
                paused = self.paused_until(now);
                if paused.is_some() {
                    break;
                }
                // Meanwhile it may have given way to a newer one.
                if !shared
                    .ledger
                    .read(|state| state.outbox.contains_key(&number))
                {
                    continue;
                }
                let id = report.status.deployment_id;
                if self.kept_until(id, now).is_none() {
                    let outcome = shared.api.report_status(&report.status).await;
                    if self.settle(&report, outcome) {
                        settled.push(number);
                        if settled.len() >= TOGETHER {
                            let settled = std::mem::take(&mut settled);
                            forgotten |= self.forget(settled, &mut wake).await;
                        }
                        continue;
                    }
                }
                // One that is left comes again by itself, not only when something else happens. Its wait may be over by now.
                let now = shared.now();
                let time = self.kept_until(id, now).unwrap_or(now);
                look_again(&mut wake, time);
            }
            forgotten |= self.forget(settled, &mut wake).await;
            if paused.is_some() {
                return paused;
            }
            if !forgotten {
                return self.paused_until(shared.now()).or(wake);
            }
        }
    }

    /// When a report on this deployment may be sent again; `None` when that is now.
    fn kept_until(&self, id: DeploymentId, now: Timestamp) -> Option<Timestamp> {
        let attempt = match self.attempts.get(&id).map(Attempts::next) {
            Some(NextAttempt::At(time)) => Some(time),
            _ => None,
        };
        let waits = [attempt, self.kept.get(&id).copied()].into_iter().flatten();
        let waits = waits.map(|time| self.shared.steady.time_of_day(time, now));
        waits.max().filter(|time| *time > now)
    }

    fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        let quiet = self.shared.schedule.quiet_until(now);
        let pause = match self.pause.next() {
            NextAttempt::At(time) => Some(time),
            _ => None,
        };
        let waits = [pause, self.slow_until].into_iter().flatten();
        let waits = waits.map(|time| self.shared.steady.time_of_day(time, now));
        waits.chain(quiet).max().filter(|time| *time > now)
    }

    /// What becomes of a report; whether it leaves the outbox.
    fn settle(&mut self, report: &Report, outcome: Result<(), Error>) -> bool {
        let shared = Arc::clone(&self.shared);
        let (id, now) = (report.status.deployment_id, shared.now());
        let state = report.status.status.state.clone();
        let Err(error) = outcome else {
            self.pause.succeeded();
            self.slow_until = None;
            self.last_fault = None;
            self.attempts.remove(&id);
            self.kept.remove(&id);
            let late = now.duration_since(report.at);
            tracing::debug!(deployment = %id, %state, at = %report.at, ?late, "reported");
            return true;
        };
        if shared.schedule.is_quiet(now) {
            return false;
        }
        let (text, now) = (in_full(&error), shared.steady.now());
        match Verdict::of(&error) {
            Verdict::GiveUp => {
                tracing::error!(deployment = %id, %state, at = %report.at, error = text, "the fleet manager refuses a report; given up");
                shared.snapshot.send_modify(|snapshot| {
                    snapshot.refused_reports += 1;
                    snapshot.last_refused_report = Some(format!("{id} {state}: {text}"));
                });
                self.attempts.remove(&id);
                self.kept.remove(&id);
                true
            }
            Verdict::Keep => {
                tracing::warn!(deployment = %id, %state, error = text, "a report was not taken; trying again later");
                let attempts = self.attempts.entry(id).or_default();
                // Also where the answer says that it is no use: the report is kept, so it is tried again, but slowly.
                if attempts.failed(&shared.retry, &error, now, random()) == NextAttempt::Never {
                    attempts.resume();
                    self.kept.insert(id, later(now, shared.retry.longest_wait));
                }
                false
            }
            Verdict::Pause => {
                if self.last_fault.as_ref() != Some(&text) {
                    tracing::warn!(
                        error = text,
                        "reports are not taken now; trying again until they are"
                    );
                }
                self.last_fault = Some(text);
                let next = self.pause.failed(&shared.retry, &error, now, random());
                if next == NextAttempt::Never {
                    self.slow_until = Some(later(now, shared.retry.longest_wait));
                    self.pause.resume();
                }
                false
            }
        }
    }

    /// Takes reports out of the outbox; whether there were any, and it was written.
    async fn forget(&self, numbers: Vec<u64>, wake: &mut Option<Timestamp>) -> bool {
        if numbers.is_empty() {
            return false;
        }
        let shared = &self.shared;
        let settled = shared
            .ledger
            .change(move |draft| {
                for number in numbers {
                    draft.make(Change::Settle(number));
                }
            })
            .await;
        shared.note_state(&settled);
        shared.snapshot.send_if_modified(|snapshot| {
            let left = shared.ledger.read(|state| state.outbox.len());
            std::mem::replace(&mut snapshot.outbox, left) != left
        });
        if settled.is_err() {
            // They will be sent again; a second time does no harm, but not without end at once.
            tokio::time::sleep(Duration::from_secs(1)).await;
            // The disk may have room again without anything else happening.
            look_again(wake, later(shared.now(), UNWRITTEN_WAITS));
        }
        settled.is_ok()
    }
}

/// Wakes the courier at this time, unless it wakes earlier.
fn look_again(wake: &mut Option<Timestamp>, time: Timestamp) {
    *wake = Some(wake.map_or(time, |wake| wake.min(time)));
}

/// After how long delivered reports are taken out of the outbox again when that could not be written.
const UNWRITTEN_WAITS: Duration = Duration::from_mins(1);

/// How many reports leave the outbox in one write. As many at most are sent a second time after a power cut.
const TOGETHER: usize = 32;

/// Tells the fleet manager that these devices are gone, children before their gateway.
pub(super) async fn take_back(shared: &Shared, api: &dyn FleetApi) -> Result<(), Error> {
    let mut devices = shared
        .ledger
        .read(|state| state.capabilities.keys().cloned().collect::<Vec<_>>());
    devices.sort_by_key(|id| std::cmp::Reverse(id.segments().count()));
    for device in devices {
        api.remove_device(&device).await?;
        shared
            .ledger
            .change(move |draft| draft.make(Change::Unreported(device)))
            .await?;
    }
    Ok(())
}
