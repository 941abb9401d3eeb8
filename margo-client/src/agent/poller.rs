//! Talks with the fleet manager about what the devices are and what they should run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::DeviceId;
use tokio::sync::{oneshot, watch};

use super::clock::sleep_until;
use super::shared::Shared;
use super::snapshot::Contact;
use crate::jitter::{later, random};
use crate::retry::{Attempts, NextAttempt};
use crate::state::{Change, State};
use crate::{Error, ErrorKind, sync};

pub(super) struct Poller {
    shared: Arc<Shared>,
    /// By the steady clock, like all times here.
    attempts: Attempts,
    last: Option<Timestamp>,
    /// Whether the last failure may pass by itself.
    retryable: bool,
    /// Not even an operator asks earlier than the fleet manager wants (D64).
    not_before: Option<Timestamp>,
    /// The capabilities that the fleet manager was told, or refused, since the start.
    told: BTreeMap<DeviceId, Digest>,
    /// What the fleet manager does not take of what it was told of a device.
    refused: BTreeMap<DeviceId, Refused>,
}

/// Something that the fleet manager refused for good.
struct Refused {
    why: String,
    /// When it is told again: the fleet manager may be another by then.
    again: Timestamp,
}

impl Poller {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            attempts: Attempts::new(),
            last: None,
            retryable: false,
            not_before: None,
            told: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Polls until told to stop; not before what was remembered is converged, or has had its time.
    pub(super) async fn run(
        mut self,
        converged: oneshot::Receiver<()>,
        mut stop: watch::Receiver<bool>,
    ) {
        let work = async {
            let startup = self.shared.options.startup;
            if tokio::time::timeout(startup, converged).await.is_err() {
                tracing::warn!(
                    "what was remembered has not settled yet; asking the fleet manager meanwhile"
                );
            }
            loop {
                self.wait().await;
                self.ask().await;
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => {}
            () = work => {}
        }
        self.shared.snapshot.send_modify(|snapshot| {
            snapshot.contact = Contact::Stopped;
            snapshot.next_poll = None;
        });
    }

    async fn wait(&self) {
        let shared = &self.shared;
        loop {
            let next = self.next();
            let quiet = shared.schedule.is_quiet(shared.now());
            shared.snapshot.send_modify(|snapshot| {
                snapshot.next_poll = Some(next);
                if quiet {
                    snapshot.contact = Contact::Downtime;
                }
            });
            tokio::select! {
                has_come = sleep_until(&*shared.clock, next) => {
                    if has_come {
                        return;
                    }
                    tracing::info!("the clock was set; working out anew when to poll");
                }
                () = shared.poke.notified() => {
                    let now = shared.steady.now();
                    let told_to_wait = self.not_before.is_some_and(|time| time > now);
                    if !told_to_wait && !shared.schedule.is_quiet(shared.now()) {
                        return;
                    }
                    tracing::info!("not polling now: the fleet manager is to be left alone until {next}");
                }
            }
        }
    }

    /// When to ask next, as time of day: at the regular time; earlier after a failure that may pass; never earlier than it
    /// was told to.
    fn next(&self) -> Timestamp {
        let (schedule, now) = (&self.shared.schedule, self.shared.now());
        let time_of_day = |time| self.shared.steady.time_of_day(time, now);
        let regular = schedule.next_poll(now, self.last.map(time_of_day), random());
        let time = match self.attempts.next() {
            NextAttempt::At(time) => {
                let earliest = if self.retryable { now } else { regular };
                schedule.next_poll(time_of_day(time).max(earliest), None, 0)
            }
            _ => regular,
        };
        match self.not_before.map(time_of_day) {
            Some(earliest) if earliest > time => schedule.next_poll(earliest, None, random()),
            _ => time,
        }
    }

    async fn ask(&mut self) {
        self.last = Some(self.shared.steady.now());
        let outcome = self.exchange().await;
        let shared = Arc::clone(&self.shared);
        let now = shared.now();
        match outcome {
            Ok(()) => {
                self.attempts.succeeded();
                self.not_before = None;
                if shared.snapshot.borrow().last_error.is_some() {
                    tracing::info!("the fleet manager answers again");
                }
                shared.snapshot.send_modify(|snapshot| {
                    snapshot.contact = Contact::Online;
                    snapshot.last_contact = Some(now);
                    snapshot.consecutive_failures = 0;
                    snapshot.last_error = None;
                });
            }
            // Errors in a downtime are none (D89).
            Err(error) if shared.schedule.is_quiet(now) => {
                tracing::debug!(%error, "ignored: this is a downtime");
            }
            Err(error) => {
                let now = shared.steady.now();
                self.attempts.failed(&shared.retry, &error, now, random());
                self.retryable = error.is_retryable();
                let asked = error.retry_advice().and_then(|advice| advice.after);
                let asked = asked.map(|wait| wait.min(shared.retry.longest_asked));
                self.not_before = asked.and_then(|wait| now.checked_add(wait).ok());
                note_failure(&shared, &error);
            }
        }
    }

    async fn exchange(&mut self) -> Result<(), Error> {
        self.introduce().await?;
        self.shared.introduced.send_replace(true);
        let shared = &self.shared;
        let held = shared.ledger.read(State::of_manifest);
        if let Some(update) = sync::poll(&*shared.api, &held, &shared.options.limits).await? {
            let version = update.accepted.version;
            let accepted = shared.accept(update, held).await;
            shared.note_state(&accepted);
            accepted?;
            tracing::info!(%version, "accepted a manifest");
        }
        Ok(())
    }

    /// Tells what the devices are, where that is not known yet: once after every start, because the fleet manager may have
    /// been restored meanwhile, and after every change. Devices that are gone are taken back first.
    ///
    /// What the fleet manager refuses for good is said, and does not stop the polls.
    async fn introduce(&mut self) -> Result<(), Error> {
        let outcome = self.tell().await;
        let refused: Vec<&str> = self.refused.values().map(|it| it.why.as_str()).collect();
        let refused = (!refused.is_empty()).then(|| refused.join("; "));
        self.shared.snapshot.send_if_modified(|snapshot| {
            let changed = snapshot.capabilities_error != refused;
            snapshot.capabilities_error = refused;
            changed
        });
        outcome
    }

    async fn tell(&mut self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let reports = shared.devices().reports();
        let mut gone: Vec<DeviceId> = shared.ledger.read(|state| {
            let known = state.capabilities.keys();
            let is_there = |id: &DeviceId| reports.iter().any(|it| it.properties.id == *id);
            known.filter(|id| !is_there(id)).cloned().collect()
        });
        // Children before their gateway.
        gone.sort_by_key(|id| std::cmp::Reverse(id.segments().count()));
        for device in gone {
            self.told.remove(&device);
            if self.is_refused(&device) {
                continue;
            }
            match shared.api.remove_device(&device).await {
                Ok(()) => {}
                Err(error) if is_final(&error) => {
                    self.refuse(device, "the removal", &error);
                    continue;
                }
                Err(error) => return Err(error),
            }
            tracing::info!(%device, "took the device back");
            self.refused.remove(&device);
            remember(&shared, Change::Unreported(device)).await?;
        }
        let gateway = shared.devices().root.id().clone();
        let mut gateway_is_new = false;
        for capabilities in reports {
            let device = capabilities.properties.id.clone();
            let digest = digest_of(&capabilities)?;
            let is_due = self.refused.contains_key(&device) && !self.is_refused(&device);
            if self.told.get(&device) == Some(&digest) && !is_due {
                continue;
            }
            match shared.api.report_capabilities(&capabilities).await {
                Ok(()) => {
                    self.told.insert(device.clone(), digest);
                    self.refused.remove(&device);
                    gateway_is_new |= device == gateway;
                    remember(&shared, Change::Reported(device, digest)).await?;
                }
                Err(error) if is_about_content(&error) => {
                    // Told again when they change, or after a long time.
                    self.told.insert(device.clone(), digest);
                    self.refuse(device, "the capabilities", &error);
                }
                Err(error) if error.is_not_found() && device != gateway => {
                    self.refuse(device, "the capabilities", &error);
                    if !gateway_is_new {
                        // The fleet manager does not know the gateway any more: from the beginning, the next time.
                        self.told.clear();
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the fleet manager refused something of a device a short time ago.
    fn is_refused(&self, device: &DeviceId) -> bool {
        let refused = self.refused.get(device);
        refused.is_some_and(|it| it.again > self.shared.steady.now())
    }

    fn refuse(&mut self, device: DeviceId, what: &str, error: &Error) {
        let why = match error.kind() {
            ErrorKind::Unsupported => {
                format!("{what} of {device} cannot be reported: {}", in_full(error))
            }
            _ => format!("the fleet manager refuses {what} of {device}: {error}"),
        };
        if self.refused.get(&device).is_none_or(|it| it.why != why) {
            tracing::error!(%device, "{why}");
        }
        let again = later(self.shared.steady.now(), BETWEEN_REFUSALS);
        self.refused.insert(device, Refused { why, again });
    }
}

async fn remember(shared: &Arc<Shared>, change: Change) -> Result<(), Error> {
    let written = shared.ledger.change(move |draft| draft.make(change)).await;
    shared.note_state(&written);
    written
}

fn digest_of(
    capabilities: &margo_types::capabilities::DeviceCapabilities,
) -> Result<Digest, Error> {
    let bytes = serde_json::to_vec(capabilities).map_err(|error| {
        Error::new(ErrorKind::Setup, "the capabilities cannot be written").because(error)
    })?;
    Ok(Digest::of(&bytes))
}

/// Whether the fleet manager refused what was said, and will again.
fn is_about_content(error: &Error) -> bool {
    let status = error.problem().map(|problem| problem.status);
    let cannot_be_said = error.kind() == ErrorKind::Unsupported;
    cannot_be_said || is_final(error) && matches!(status, Some(400 | 413 | 422))
}

/// Whether the fleet manager refused it, and will again, though it takes the client.
fn is_final(error: &Error) -> bool {
    let status = error.problem().map(|problem| problem.status);
    match error.kind() {
        ErrorKind::Unsupported => true,
        ErrorKind::Refused => !error.is_retryable() && !matches!(status, None | Some(401 | 403)),
        _ => false,
    }
}

fn note_failure(shared: &Shared, error: &Error) {
    let text = in_full(error);
    if error.is_integrity() {
        tracing::error!(
            security_event = true,
            error = text,
            "refused what the fleet manager sent"
        );
    } else if shared.snapshot.borrow().last_error.as_ref() != Some(&text) {
        tracing::warn!(
            error = text,
            "the fleet manager was not polled; trying again until it is"
        );
    } else {
        // Said already; days without a network must not fill the log.
        tracing::debug!(error = text, "the fleet manager was not polled");
    }
    shared.snapshot.send_modify(|snapshot| {
        snapshot.contact = Contact::Failing;
        snapshot.consecutive_failures = snapshot.consecutive_failures.saturating_add(1);
        if error.is_integrity() {
            snapshot.security_events += 1;
            snapshot.last_security_event = Some(text.clone());
        }
        snapshot.last_error = Some(text);
    });
}

/// How long what was refused for good is left alone.
const BETWEEN_REFUSALS: Duration = Duration::from_hours(1);

/// The error with what lies beneath.
pub(super) fn in_full(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(beneath) = source {
        text.push_str(": ");
        text.push_str(&beneath.to_string());
        source = beneath.source();
    }
    text
}
