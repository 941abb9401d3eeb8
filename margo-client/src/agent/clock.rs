//! The time of day, which tests set.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

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

/// Waits for a time of day. Looks at the clock every minute: it may be set, or the machine may sleep.
///
/// When the clock is set back, the wait ends when it would have ended otherwise: a device whose clock was wrong by years
/// must not be silent for years.
pub(super) async fn sleep_until(clock: &dyn Clock, time: Timestamp) {
    let left = || Duration::try_from(time.duration_since(clock.now())).unwrap_or_default();
    let mut at_most = left();
    while !at_most.is_zero() {
        let nap = at_most.min(Duration::from_mins(1));
        tokio::time::sleep(nap).await;
        at_most = left().min(at_most.saturating_sub(nap));
    }
}
