//! Times and durations as people write them.

use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use serde::de::{Deserialize as _, Deserializer, Error as _};

/// A length of time such as `30s`, `5m` or `1h 30m`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is no length of time; write for example \"30s\", \"5m\" or \"1h 30m\""
            ))
        })
}

/// A day and time such as `2026-12-24T18:00`; of a day alone, what `of_day` makes of it.
pub(super) fn date_time(
    text: &str,
    of_day: impl FnOnce(Date) -> Option<DateTime>,
) -> Result<DateTime, String> {
    let invalid = || {
        format!(
            "{text:?} is no day and time; write for example \"2026-12-24T18:00\" or \"2026-12-24\", in the local time of time-zone"
        )
    };
    let (day, time) = match text.trim().split_once(['T', ' ']) {
        Some((day, time)) => (day, Some(time.trim())),
        None => (text.trim(), None),
    };
    let is_date = day.len() == 10;
    let day: Date = day.parse().ok().filter(|_| is_date).ok_or_else(invalid)?;
    match time {
        None => of_day(day).ok_or_else(invalid),
        Some(time) => {
            let minute = minute_of_day(time).filter(|minute| *minute < MINUTES_OF_DAY);
            at_minute(day, minute.ok_or_else(invalid)?).ok_or_else(invalid)
        }
    }
}

/// The minute of the day that `HH:MM` stands for; `24:00` is the end of the day.
pub(super) fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, longest: usize| {
        let is_plain =
            (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_plain)
    };
    let (hour, minute) = (
        number(hour, 2)?,
        number(minute, 2).filter(|_| minute.len() == 2)?,
    );
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= MINUTES_OF_DAY).then_some(of_day)
}

/// That minute of a day; the last one and beyond belong to the next day.
pub(super) fn at_minute(day: Date, minute: u16) -> Option<DateTime> {
    let day = (0..minute / MINUTES_OF_DAY).try_fold(day, |day, _| day.tomorrow().ok())?;
    let minute = minute % MINUTES_OF_DAY;
    let hour = i8::try_from(minute / 60).ok()?;
    let time = Time::new(hour, i8::try_from(minute % 60).ok()?, 0, 0).ok()?;
    Some(day.to_datetime(time))
}

pub(super) const MINUTES_OF_DAY: u16 = 24 * 60;
