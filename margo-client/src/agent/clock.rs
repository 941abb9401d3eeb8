//! The time of day, which tests set.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::jitter::later;

/// Tells the time of day. Waiting is always tokio's; with its clock paused and a `Clock` that follows
/// [`tokio::time::Instant`], days pass in a moment.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "it never has anything to hold")]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Time that only passes: it begins with the time of day and is never set.
///
/// What is remembered of the past and planned for the future is measured by it, so that a clock that is set neither cuts a
/// wait short nor prolongs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    begin: Timestamp,
    since: Instant,
}

impl Steady {
    pub(super) fn new(begin: Timestamp) -> Self {
        Self {
            begin,
            since: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        later(self.begin, self.since.elapsed())
    }

    /// The time of day at which the steady clock has this time, where it is `now` by the time of day.
    pub(super) fn time_of_day(&self, steady: Timestamp, now: Timestamp) -> Timestamp {
        let left = steady.duration_since(self.now());
        now.saturating_add(left).unwrap_or(Timestamp::MAX)
    }
}

/// Waits for a time of day; `true` when it has come. `false` when the clock was set, or the machine slept: whoever waits has
/// to think again.
pub(super) async fn sleep_until(clock: &dyn Clock, time: Timestamp) -> bool {
    loop {
        let (now, asleep) = (clock.now(), Instant::now());
        let left = Duration::try_from(time.duration_since(now)).unwrap_or_default();
        if left.is_zero() {
            return true;
        }
        tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        let expected = later(now, asleep.elapsed());
        if clock.now().duration_since(expected).unsigned_abs() > UNNOTICED {
            return false;
        }
    }
}

/// The clock is looked at this often.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// A clock that is corrected by less was not set.
const UNNOTICED: Duration = Duration::from_secs(5);
