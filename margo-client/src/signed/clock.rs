//! The time that signatures are created at, on a device whose clock may be wrong.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

/// The clock of the device, corrected by what a fleet manager said.
#[derive(Debug, Default)]
pub(super) struct SigningClock {
    /// How far the fleet manager's clock is ahead.
    ahead: Mutex<SignedDuration>,
}

/// What the answer to a refused signature says about the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learnt {
    /// It was not the clock.
    Nothing,
    /// It was, and is made up for from now on.
    Corrected(Off),
    /// It is so wrong that it has to be set.
    TooMuch(Off),
}

/// How far the device's clock is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Off(SignedDuration);

impl SigningClock {
    /// The time to sign with.
    pub(super) fn now(&self) -> Timestamp {
        self.at(Timestamp::now())
    }

    /// Takes over the `Date` of an answer that refused a signature, within [`MOST`].
    pub(super) fn learn(&self, date: Option<&str>) -> Learnt {
        self.learn_at(date, Timestamp::now())
    }

    fn at(&self, device: Timestamp) -> Timestamp {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        device.checked_add(ahead).unwrap_or(device)
    }

    fn learn_at(&self, date: Option<&str>, device: Timestamp) -> Learnt {
        let parsed = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        let Some(theirs) = parsed else {
            return Learnt::Nothing;
        };
        let still_off = theirs.duration_since(self.at(device));
        if still_off.abs() <= NOISE {
            return Learnt::Nothing;
        }
        let ahead = theirs.duration_since(device);
        if ahead.abs() > MOST {
            return Learnt::TooMuch(Off(ahead));
        }
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = ahead;
        Learnt::Corrected(Off(ahead))
    }
}

impl fmt::Display for Off {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let direction = if self.0.is_negative() {
            "ahead"
        } else {
            "behind"
        };
        let seconds = self.0.abs().as_secs();
        write!(formatter, "{seconds} s {direction}")
    }
}

/// What a busy server and a slow line account for.
const NOISE: SignedDuration = SignedDuration::from_secs(15);
/// A wrong time zone or a day that was mistyped. Beyond it certificates and polling hours are wrong as well, and nobody is
/// to make a device sign for next year.
const MOST: SignedDuration = SignedDuration::from_hours(26);

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_wrong_clock_is_made_up_for_within_bounds() {
        let clock = SigningClock::default();
        let device = time("2026-03-01T10:00:00Z");
        let learn = |date| clock.learn_at(Some(date), device);
        assert_eq!(learn("Sun, 01 Mar 2026 10:00:14 GMT"), Learnt::Nothing);
        let behind = Learnt::Corrected(Off(SignedDuration::from_hours(2)));
        assert_eq!(learn("Sun, 01 Mar 2026 12:00:00 GMT"), behind);
        assert_eq!(clock.at(device), time("2026-03-01T12:00:00Z"));
        // Once is enough: the signature failed for another reason.
        assert_eq!(learn("Sun, 01 Mar 2026 12:00:01 GMT"), Learnt::Nothing);
        let far = Learnt::TooMuch(Off(SignedDuration::from_hours(24 * 31)));
        assert_eq!(learn("Wed, 01 Apr 2026 10:00:00 GMT"), far);
        assert_eq!(clock.at(device), time("2026-03-01T12:00:00Z"), "unchanged");
        // The clock was set meanwhile.
        let back = Learnt::Corrected(Off(SignedDuration::ZERO));
        assert_eq!(learn("Sun, 01 Mar 2026 10:00:00 GMT"), back);
        assert_eq!(clock.at(device), device);
    }

    #[test]
    fn a_date_that_is_none_says_nothing() {
        let clock = SigningClock::default();
        for date in [None, Some(""), Some("yesterday"), Some("1767225600")] {
            assert_eq!(clock.learn(date), Learnt::Nothing, "{date:?}");
        }
    }

    #[test]
    fn it_is_said_in_which_direction() {
        assert_eq!(
            Off(SignedDuration::from_secs(60)).to_string(),
            "60 s behind"
        );
        assert_eq!(
            Off(SignedDuration::from_secs(-60)).to_string(),
            "60 s ahead"
        );
    }
}
