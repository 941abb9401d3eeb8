//! Chance, so that many devices do not act at once. The rules that use it take it as an argument.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use jiff::Timestamp;

/// A random number, all 64 bits alike: what [`Attempts::failed`](crate::retry::Attempts::failed) and
/// [`Schedule::next_poll`](crate::schedule::Schedule::next_poll) want. For spreading load, never for secrets.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The share of `whole` that `random` stands for: nothing for 0, nearly all for [`u64::MAX`].
pub(crate) fn share_of(whole: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    let share = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(share).unwrap_or(nanos))
}

/// That much later, or the end of time.
pub(crate) fn later(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}
