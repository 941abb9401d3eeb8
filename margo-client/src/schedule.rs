//! When a device polls, and when it keeps quiet (rc3.md section 6 "Extended downtime", D26, D89).
//!
//! ```
//! use jiff::Timestamp;
//! use margo_client::schedule::{Schedule, ScheduleConfig, Window};
//!
//! let mut config = ScheduleConfig::default();
//! config.jitter_percent = 0;
//! config.time_zone = Some("Europe/Berlin".to_owned());
//! config.polling_hours = vec![Window::weekly(&["mon-fri"], "22:00-06:00")?];
//! let schedule = Schedule::new(&config)?;
//!
//! let noon: Timestamp = "2026-03-04T12:00:00+01:00".parse()?;
//! let evening: Timestamp = "2026-03-04T22:00:00+01:00".parse()?;
//! assert_eq!(schedule.next_poll(noon, None, 0), evening);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod interval;
mod text;
mod window;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::jitter::{later, share_of};

use self::interval::Intervals;
use self::window::Week;
pub use self::window::Window;

/// When a device polls, as it is written in a configuration file.
///
/// ```toml
/// period = "1m"                    # how often: "30s", "5m", "1h 30m"; 1 minute when absent
/// jitter-percent = 10              # how much a period varies by chance, 0 to 100; 10 when absent
/// time-zone = "Europe/Berlin"      # an IANA name; the system's zone when absent
/// polling-hours = [                # when to poll; always when absent
///     "22:00-06:00",                                     # every day, past midnight
///     { days = ["sat", "sun"] },                         # whole days
///     { days = ["mon-fri"], hours = "12:00-13:00" },
/// ]
/// downtime = [                     # when to keep quiet altogether; never when absent
///     { days = ["sun"], hours = "02:00-04:00" },
///     { from = "2026-12-24T18:00", to = "2026-12-27" },  # once; the day of `to` is included
/// ]
/// ```
///
/// A window past midnight belongs to the day on which it begins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ScheduleConfig {
    /// The time from one poll to the next: 1 minute.
    #[serde(deserialize_with = "text::duration")]
    pub period: Duration,
    /// By how many percent of itself the period varies in either direction: 10.
    pub jitter_percent: u8,
    /// The IANA name of the time zone of all windows; `None` for the system's.
    pub time_zone: Option<String>,
    /// When polling happens; always, when there are none.
    pub polling_hours: Vec<Window>,
    /// When there is no traffic at all and communication errors do not count.
    pub downtime: Vec<Window>,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            period: Duration::from_mins(1),
            jitter_percent: 10,
            time_zone: None,
            polling_hours: Vec::new(),
            downtime: Vec::new(),
        }
    }
}

/// When a device polls. Nothing in it asks the clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "ScheduleConfig")]
pub struct Schedule {
    period: Duration,
    jitter_percent: u8,
    zone: TimeZone,
    polling_hours: Vec<Window>,
    downtime: Vec<Window>,
}

impl Schedule {
    /// The schedule that a configuration describes.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the period is shorter than 100 ms or longer than 30 days, the jitter is more than
    /// 100 %, the time zone is unknown, or there would never be a poll.
    pub fn new(config: &ScheduleConfig) -> Result<Self, Error> {
        if !(SHORTEST_PERIOD..=LONGEST_PERIOD).contains(&config.period) {
            return Err(setup(
                "the polling period is out of range; write 100ms to 30d",
            ));
        }
        if config.jitter_percent > 100 {
            return Err(setup("jitter-percent is more than 100; write 0 to 100"));
        }
        if Week::of(&config.polling_hours, &config.downtime).is_never() {
            let message = "the downtime covers all polling hours, so there would never be a poll; shorten one of them";
            return Err(setup(message));
        }
        let has_windows = !config.polling_hours.is_empty() || !config.downtime.is_empty();
        let zone = match &config.time_zone {
            Some(name) => TimeZone::get(name).map_err(|error| {
                let message = format!(
                    "there is no time zone {name:?}; write an IANA name such as \"Europe/Berlin\", and install the system's time zone data if it is missing"
                );
                setup(message).because(error)
            })?,
            None if has_windows => TimeZone::try_system().map_err(|error| {
                let message = "the system's time zone cannot be found; write time-zone = \"<IANA name>\" or set TZ";
                setup(message).because(error)
            })?,
            None => TimeZone::UTC,
        };
        Ok(Self {
            period: config.period,
            jitter_percent: config.jitter_percent,
            zone,
            polling_hours: config.polling_hours.clone(),
            downtime: config.downtime.clone(),
        })
    }

    /// When to poll next, `last` being the time of the last poll since the start.
    ///
    /// Without one, that is at once. A time outside the polling hours or inside a downtime moves to the next
    /// opening, and from there by chance within one period, so that a fleet does not wake up in the same second.
    /// `random` is any number, [`random()`](crate::random) in earnest.
    pub fn next_poll(&self, now: Timestamp, last: Option<Timestamp>, random: u64) -> Timestamp {
        let due = last.map_or(now, |last| {
            let wait = self.wait(random);
            // a clock that was set back does not prolong the wait
            later(last, wait).clamp(now, later(now, wait))
        });
        let opening = self.opening(due);
        if opening == due || self.jitter_percent == 0 {
            return opening;
        }
        let spread = later(opening, share_of(self.period, random));
        if self.opening(spread) == spread {
            spread
        } else {
            opening
        }
    }

    /// Whether `now` is in a downtime: no traffic, and communication errors do not count (D89).
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.quiet_until(now).is_some()
    }

    /// When the downtime ends that `now` is in; `None` when it is in none.
    pub fn quiet_until(&self, now: Timestamp) -> Option<Timestamp> {
        let downtime = Intervals::new(&self.downtime, &self.zone);
        let mut end = downtime.end_around(now)?;
        for _ in 0..MAX_STEPS {
            match downtime.end_around(end) {
                Some(later) => end = later,
                None => break,
            }
        }
        Some(end)
    }

    /// The time from one poll to the next, with chance in it.
    fn wait(&self, random: u64) -> Duration {
        let swing = self.period / 100 * u32::from(self.jitter_percent);
        self.period.saturating_sub(swing) + share_of(swing * 2, random)
    }

    /// The first time from `at` on at which polling is allowed.
    fn opening(&self, mut at: Timestamp) -> Timestamp {
        let hours = Intervals::new(&self.polling_hours, &self.zone);
        for _ in 0..MAX_STEPS {
            if let Some(end) = self.quiet_until(at) {
                at = end;
            } else if self.polling_hours.is_empty() || hours.end_around(at).is_some() {
                break;
            } else if let Some(start) = hours.next_start(at) {
                at = start;
            } else {
                // Only one-off polling hours, and all of them are over.
                return Timestamp::MAX;
            }
        }
        at
    }
}

impl TryFrom<ScheduleConfig> for Schedule {
    type Error = Error;

    fn try_from(config: ScheduleConfig) -> Result<Self, Self::Error> {
        Self::new(&config)
    }
}

fn setup(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Setup, message)
}

const SHORTEST_PERIOD: Duration = Duration::from_millis(100);
const LONGEST_PERIOD: Duration = Duration::from_hours(30 * 24);
/// More windows than can follow each other without a gap; beyond, the caller asks again when the time has come.
const MAX_STEPS: usize = 1000;

#[cfg(test)]
mod tests;
