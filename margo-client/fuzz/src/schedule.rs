//! When to poll, as somebody wrote it.

use std::time::Duration;

use jiff::Timestamp;
use margo_client::schedule::{Schedule, ScheduleConfig};

/// A schedule in TOML.
///
/// Polls come after now, outside of downtimes, and not too late, over daylight-saving changes and whatever the windows.
pub fn schedule(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let config = match toml::from_str::<ScheduleConfig>(text) {
        Ok(config) => config,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let schedule = match Schedule::new(&config) {
        Ok(schedule) => schedule,
        Err(error) => return assert!(!error.to_string().contains('\n'), "{error}"),
    };
    let is_free = config.polling_hours.is_empty() && config.downtime.is_empty();
    for now in NOW {
        let now: Timestamp = now.parse().expect("a time");
        for random in [0, u64::MAX / 3, u64::MAX] {
            for last in [None, Some(now), Some(Timestamp::MIN), Some(Timestamp::MAX)] {
                let next = schedule.next_poll(now, last, random);
                assert!(next >= now, "{next} is over at {now}");
                if is_free {
                    let wait = Duration::try_from(next.duration_since(now)).expect("not negative");
                    assert!(wait <= config.period * 2, "{wait:?}");
                }
                if next < Timestamp::MAX {
                    assert!(!schedule.is_quiet(next), "a poll in a downtime, at {next}");
                }
            }
        }
        if let Some(end) = schedule.quiet_until(now) {
            assert!(end > now && schedule.is_quiet(now));
        }
    }
}

/// Around the changes of clocks in Europe and America, leap days, and the ends of time.
const NOW: [&str; 8] = [
    "2026-03-29T00:59:59Z",
    "2026-10-25T00:30:00Z",
    "2026-11-01T05:59:59.5Z",
    "2028-02-29T12:00:00Z",
    "2026-12-24T17:00:00Z",
    "1970-01-01T00:00:00Z",
    "-009990-01-01T00:00:00Z",
    "9999-12-30T00:00:00Z",
];
