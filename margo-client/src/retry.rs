//! Whether and when to try again what failed (rc3.md section 6, D64, D65).
//!
//! The rules are pure: clock and chance are arguments. One [`Attempts`] stands for one thing that is to be achieved,
//! such as delivering a report.
//!
//! | the error | the next attempt |
//! |---|---|
//! | an answer that says `retryable: false`, or has such a status | none, until there is a new reason |
//! | an answer that may be repeated, with a wait (`Retry-After`, `retryAfterSeconds`) | after that wait and the strategy's |
//! | an answer that may be repeated | after the strategy's wait |
//! | no answer at all | as for the strategy `exponential` |
//!
//! `exponential` waits are drawn from zero to a bound that doubles with every failure ("full jitter"), `fixed` ones
//! from a bound that stays. An answer with `retryable: true` and the strategy `none` contradicts itself; it counts
//! as `fixed`.

use std::time::Duration;

use jiff::Timestamp;
use margo_types::problem::BackoffStrategy;

use crate::Error;
use crate::jitter::{later, share_of};

/// How long failed exchanges wait. There is no limit on attempts: a device may be offline for months.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The bound of the first exponential wait: 1 s. It doubles with every failure.
    pub first_wait: Duration,
    /// The bound at which exponential waits stop growing: 5 min.
    pub longest_wait: Duration,
    /// The bound of fixed waits: 30 s.
    pub fixed_wait: Duration,
    /// The longest wait that a fleet manager may ask for: 24 h.
    ///
    /// A longer one is shortened to this. It is the one case in which a device tries earlier than it was told to:
    /// otherwise one mistyped header would silence a fleet for good.
    pub longest_asked: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(5),
            fixed_wait: Duration::from_secs(30),
            longest_asked: Duration::from_hours(24),
        }
    }
}

/// The attempts at one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    failures: u32,
    not_before: Option<Timestamp>,
    stopped: bool,
}

impl Attempts {
    /// None so far: the first may be made at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a failure and says when the next attempt may be made.
    ///
    /// `random` is any number, [`random()`](crate::random) in earnest.
    pub fn failed(
        &mut self,
        policy: &RetryPolicy,
        error: &Error,
        now: Timestamp,
        random: u64,
    ) -> NextAttempt {
        self.failures = self.failures.saturating_add(1);
        let advice = error.retry_advice();
        let fixed = advice.is_some_and(|advice| advice.backoff != BackoffStrategy::Exponential);
        let bound = if fixed {
            policy.fixed_wait
        } else {
            policy.exponential_bound(self.failures)
        };
        let asked = advice.and_then(|advice| advice.after).unwrap_or_default();
        let asked = asked.min(policy.longest_asked);
        self.stopped = advice.is_some_and(|advice| !advice.retryable);
        let wait = if self.stopped {
            asked
        } else {
            asked.saturating_add(share_of(bound, random))
        };
        self.not_before = Some(later(now, wait));
        self.next()
    }

    /// Notes a success: whatever comes next starts afresh.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// There is a new reason to try, such as other content: lifts a stop, but not a wait.
    pub fn resume(&mut self) {
        self.stopped = false;
    }

    /// When the next attempt may be made.
    pub fn next(&self) -> NextAttempt {
        match self.not_before {
            _ if self.stopped => NextAttempt::Never,
            Some(time) => NextAttempt::At(time),
            None => NextAttempt::AtOnce,
        }
    }

    /// Whether an attempt may be made now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        match self.next() {
            NextAttempt::AtOnce => true,
            NextAttempt::At(time) => time <= now,
            NextAttempt::Never => false,
        }
    }

    /// How many attempts failed since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextAttempt {
    /// Nothing has failed.
    AtOnce,
    /// Not before this time.
    At(Timestamp),
    /// Not before there is a [new reason](Attempts::resume).
    Never,
}

impl RetryPolicy {
    fn exponential_bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first_wait
            .saturating_mul(1 << doublings)
            .min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests;
