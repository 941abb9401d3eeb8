//! The trust bundle that is held, and when it is refreshed.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use margo_types::svid::Identity;
use margo_types::trust::TrustBundle;
use tokio::time::Instant;

use super::mis::HeldBundle;
use super::{Fetched, Mis, read_bundle};
use crate::error::{Error, ErrorKind};
use crate::files::{read_regular, write_durably};
use crate::jitter::{later, random};
use crate::retry::{Attempts, NextAttempt, RetryPolicy};
use crate::schedule::Schedule;

/// When the trust bundle is refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeeperOptions {
    /// After this time when the bundle has no `spiffe_refresh_hint`: 5 min.
    pub interval: Duration,
    /// Not more often than this, whatever the hint: 1 min. The reference service publishes 500 ns as a hint.
    pub floor: Duration,
    /// At least this often, whatever the hint: 24 h.
    pub ceiling: Duration,
    /// How failed retrievals are repeated.
    pub retry: RetryPolicy,
}

impl Default for KeeperOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(5),
            floor: Duration::from_mins(1),
            ceiling: Duration::from_hours(24),
            retry: RetryPolicy::default(),
        }
    }
}

/// Holds the trust bundle of the domain in a file and refreshes it.
///
/// An accepted bundle replaces the one before; a retrieval that fails or brings an unacceptable one changes nothing,
/// for as long as it takes. Entity tags save transfer, and never a retrieval that is due (C21). There is no limit on
/// the age of a bundle. Without any, there is nobody to trust.
#[derive(Debug)]
pub struct TrustKeeper {
    mis: Mis,
    cache: PathBuf,
    options: KeeperOptions,
    bundle: Option<TrustBundle>,
    held: Option<HeldBundle>,
    attempts: Attempts,
    /// When a refresh is due if the last one succeeded, or was not to be repeated.
    due: Option<Timestamp>,
}

impl TrustKeeper {
    /// Reads the bundle that is in the file, if there is one. A refresh is due at once.
    ///
    /// A file that is damaged counts as absent, and is logged: nobody is trusted by what is left of it.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when the file exists and cannot be read.
    pub fn open(
        mis: Mis,
        cache: impl Into<PathBuf>,
        options: KeeperOptions,
    ) -> Result<Self, Error> {
        let cache = cache.into();
        let bundle = match read_regular(&cache) {
            Ok(bytes) => read_bundle(&bytes)
                .inspect_err(|error| {
                    let path = cache.display();
                    tracing::warn!(%error, "the trust bundle {path} is damaged and has to be fetched again");
                })
                .ok(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let message = format!("the trust bundle {} cannot be read; check its owner and mode", cache.display());
                return Err(Error::new(ErrorKind::State, message).because(error));
            }
        };
        Ok(Self {
            mis,
            cache,
            options,
            bundle,
            held: None,
            attempts: Attempts::new(),
            due: None,
        })
    }

    /// The current bundle.
    ///
    /// # Errors
    /// [`ErrorKind::Untrusted`] when there is none yet: nobody can be verified, so nobody is trusted (D67).
    pub fn bundle(&self) -> Result<&TrustBundle, Error> {
        self.bundle.as_ref().ok_or_else(|| {
            let message = format!(
                "there is no trust bundle yet, so nobody can be trusted; make the identity service reachable, or put the bundle into {}",
                self.cache.display()
            );
            Error::new(ErrorKind::Untrusted, message)
        })
    }

    /// When the next refresh is due; it may have been long ago.
    pub fn due(&self) -> Timestamp {
        let due = self.due.unwrap_or(Timestamp::MIN);
        match self.attempts.next() {
            NextAttempt::At(time) => time.max(due),
            NextAttempt::AtOnce | NextAttempt::Never => due,
        }
    }

    /// Fetches the bundle now, due or not.
    ///
    /// The file is written before this returns; if that fails, the new bundle counts all the same, because what it
    /// no longer trusts may be in the hands of an attacker.
    ///
    /// # Errors
    /// When no acceptable bundle comes. Nothing has changed then.
    pub async fn refresh(&mut self) -> Result<Refreshed, Error> {
        let fetched = self.mis.fetch(self.held.as_ref()).await;
        let now = Timestamp::now();
        let fetched = fetched.inspect_err(|error| self.failed(error, now))?;
        self.attempts.succeeded();
        let refreshed = match fetched {
            Fetched::Unchanged => Refreshed::Unchanged,
            Fetched::Bundle(fetched) => {
                let is_same = self.bundle.as_ref() == Some(&fetched.bundle);
                self.bundle = Some(fetched.bundle);
                self.held = fetched.held;
                if is_same {
                    Refreshed::Unchanged
                } else {
                    self.store(fetched.bytes).await;
                    Refreshed::Replaced
                }
            }
        };
        self.due = Some(later(now, self.lifetime()));
        Ok(refreshed)
    }

    /// Refreshes the bundle whenever that is due and no downtime is on, for ever, and has `identity` trust it.
    pub async fn run(mut self, identity: Identity, schedule: Schedule) {
        let mut last_fault = None;
        let mut waits = Waits::default();
        loop {
            let now = Timestamp::now();
            let quiet_until = schedule.quiet_until(now).unwrap_or(now);
            let next = quiet_until.max(waits.end(self.due(), now));
            if next > now {
                let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
                // Not for longer: the clock may be set meanwhile.
                tokio::time::sleep(wait.min(LONGEST_SLEEP)).await;
                continue;
            }
            match self.refresh().await {
                Ok(Refreshed::Replaced) => tracing::info!("the trust bundle was replaced"),
                Ok(_) => tracing::debug!("the trust bundle is current"),
                Err(error) => {
                    let fault = Some(error.to_string());
                    if fault != last_fault {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::warn!(%error, cause, "the trust bundle was not refreshed; the current one stays");
                    }
                    last_fault = fault;
                    continue;
                }
            }
            last_fault = None;
            if let Some(Err(error)) = self
                .bundle
                .as_ref()
                .map(|bundle| identity.replace_bundle(bundle))
            {
                tracing::error!(%error, "the trust bundle cannot be used; the current anchors stay");
            }
        }
    }

    fn failed(&mut self, error: &Error, now: Timestamp) {
        let next = self
            .attempts
            .failed(&self.options.retry, error, now, random());
        if next == NextAttempt::Never {
            // The next regular refresh is the new reason, but not before a wait that was asked for.
            self.attempts.resume();
            self.due = Some(later(now, self.lifetime()));
        }
    }

    /// How long the current bundle is good for.
    fn lifetime(&self) -> Duration {
        let hint = self.bundle.as_ref().and_then(TrustBundle::refresh_after);
        hint.unwrap_or(self.options.interval)
            .min(self.options.ceiling)
            .max(self.options.floor)
    }

    async fn store(&self, bytes: Vec<u8>) {
        let path = self.cache.clone();
        let written = tokio::task::spawn_blocking(move || write_durably(&path, &bytes)).await;
        let fault = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let path = self.cache.display();
        tracing::error!(
            "the trust bundle was replaced but cannot be written to {path}: {fault}; make room there, or the old one is back after a restart"
        );
    }
}

/// For which time is waited, and until when by a clock that is never set.
#[derive(Debug, Default)]
struct Waits(Option<(Timestamp, Instant)>);

impl Waits {
    /// When the wait for `due` ends: then, but no later than after the time that was left when it began. A clock that is
    /// set back does not prolong it.
    fn end(&mut self, due: Timestamp, now: Timestamp) -> Timestamp {
        let left =
            |until: Timestamp| Duration::try_from(until.duration_since(now)).unwrap_or_default();
        match self.0 {
            Some((known, end)) if known == due => {
                due.min(later(now, end.saturating_duration_since(Instant::now())))
            }
            _ => {
                self.0 = Some((due, Instant::now() + left(due).min(LONGEST_WAIT)));
                due
            }
        }
    }
}

/// What a refresh did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refreshed {
    /// The bundle is another one now.
    Replaced,
    /// It is what it was.
    Unchanged,
}

const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// Nothing is due later: neither a refresh nor a repetition waits for more than a day, and some minutes by chance.
const LONGEST_WAIT: Duration = Duration::from_hours(48);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_does_not_prolong_the_wait() {
        let now: Timestamp = "2036-01-01T00:00:00Z".parse().unwrap();
        let due = later(now, Duration::from_mins(5));
        let mut waits = Waits::default();
        assert_eq!(waits.end(due, now), due);
        tokio::time::advance(Duration::from_mins(3)).await;
        let set_back: Timestamp = "2026-01-01T00:03:00Z".parse().unwrap();
        let left = Duration::from_mins(2);
        assert_eq!(waits.end(due, set_back), later(set_back, left));
        assert_eq!(waits.end(due, due), due, "set forward");
    }
}
