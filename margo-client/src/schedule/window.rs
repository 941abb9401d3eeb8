//! Spans of time that are written down once and come again, or do not.

use std::fmt;

use jiff::civil::{Date, DateTime, Time, Weekday};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::setup;
use super::text::{MINUTES_OF_DAY, at_minute, date_time, minute_of_day};
use crate::Error;

/// A span of local time: hours of some days of every week, or a single one with dates.
///
/// In a configuration file it is `"22:00-06:00"`, `{ days = ["mon-fri"], hours = "22:00-06:00" }` or
/// `{ from = "2026-12-24T18:00", to = "2026-12-27" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window(Span);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Span {
    Weekly { days: Days, start: u16, end: u16 },
    Once { from: DateTime, to: DateTime },
}

impl Window {
    /// These hours of every day, such as `22:00-06:00`. An end that is not after the start is on the next day.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`](crate::ErrorKind::Setup) when the text is of another form.
    pub fn daily(hours: &str) -> Result<Self, Error> {
        Self::read_weekly(None, Some(hours)).map_err(setup)
    }

    /// These hours of these days: `mon` to `sun`, and ranges such as `mon-fri`.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`](crate::ErrorKind::Setup) when a text is of another form.
    pub fn weekly(days: &[&str], hours: &str) -> Result<Self, Error> {
        let days: Vec<String> = days.iter().map(ToString::to_string).collect();
        Self::read_weekly(Some(&days), Some(hours)).map_err(setup)
    }

    /// Once, from one time to another, such as `2026-12-24T18:00`. A day alone means all of it, at either end.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`](crate::ErrorKind::Setup) when a text is of another form, or the end is not after the
    /// start.
    pub fn once(from: &str, to: &str) -> Result<Self, Error> {
        Self::read_once(from, to).map_err(setup)
    }

    /// When it begins and ends if it comes every week and begins on this day.
    pub(super) fn on(&self, day: Date) -> Option<(DateTime, DateTime)> {
        match &self.0 {
            Span::Weekly { days, start, end } if days.contains(day.weekday()) => {
                Some((at_minute(day, *start)?, at_minute(day, *end)?))
            }
            _ => None,
        }
    }

    /// When it begins and ends, if it comes only once.
    pub(super) fn single(&self) -> Option<(DateTime, DateTime)> {
        match &self.0 {
            Span::Once { from, to } => Some((*from, *to)),
            Span::Weekly { .. } => None,
        }
    }

    fn read_weekly(days: Option<&[String]>, hours: Option<&str>) -> Result<Self, String> {
        let days = days.map_or(Ok(Days::ALL), Days::read)?;
        let (start, end) = hours.map_or(Ok((0, MINUTES_OF_DAY)), read_hours)?;
        Ok(Self(Span::Weekly { days, start, end }))
    }

    fn read_once(from: &str, to: &str) -> Result<Self, String> {
        let midnight = |day: Date| day.to_datetime(Time::midnight());
        let from = date_time(from, |day| Some(midnight(day)))?;
        let to = date_time(to, |day| day.tomorrow().ok().map(midnight))?;
        if to <= from {
            return Err(format!(
                "the window ends at {to}, not after its start at {from}; write a later \"to\""
            ));
        }
        Ok(Self(Span::Once { from, to }))
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WindowVisitor)
    }
}

struct WindowVisitor;

impl<'de> Visitor<'de> for WindowVisitor {
    type Value = Window;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, hours: &str) -> Result<Window, E> {
        Window::read_weekly(None, Some(hours)).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Window, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map))?;
        match written {
            Written {
                from: Some(from),
                to: Some(to),
                days: None,
                hours: None,
            } => Window::read_once(&from, &to),
            Written {
                from: None,
                to: None,
                days,
                hours,
            } if days.is_some() || hours.is_some() => {
                Window::read_weekly(days.as_deref(), hours.as_deref())
            }
            _ => Err(format!("write {EXPECTED}")),
        }
        .map_err(A::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    days: Option<Vec<String>>,
    hours: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Days([bool; 7]);

impl Days {
    const ALL: Self = Self([true; 7]);

    fn read(texts: &[String]) -> Result<Self, String> {
        let mut days = [false; 7];
        for text in texts {
            let (first, last) = text
                .split_once("..")
                .or_else(|| text.split_once('-'))
                .unwrap_or((text, text));
            let (first, last) = (read_day(first)?, read_day(last)?);
            let length = (last + 7 - first) % 7;
            for day in first..=first + length {
                if let Some(day) = days.get_mut(day % 7) {
                    *day = true;
                }
            }
        }
        if days == [false; 7] {
            return Err(
                "days is empty; write for example [\"mon-fri\"], or leave it out for every day"
                    .to_owned(),
            );
        }
        Ok(Self(days))
    }

    fn contains(self, day: Weekday) -> bool {
        let index = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
        self.0.get(index).copied().unwrap_or_default()
    }
}

/// How many days after Monday.
fn read_day(text: &str) -> Result<usize, String> {
    let text = text.trim().to_ascii_lowercase();
    DAYS.iter()
        .position(|day| text.len() >= 3 && day.starts_with(&text))
        .ok_or_else(|| format!("{text:?} is no day; write mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri"))
}

/// The minutes after midnight of the first day at which a window begins and ends.
fn read_hours(text: &str) -> Result<(u16, u16), String> {
    let invalid = || format!("{text:?} are no hours; write for example \"22:00-06:00\"");
    let (start, end) = text.split_once('-').ok_or_else(invalid)?;
    let start = minute_of_day(start).filter(|start| *start < MINUTES_OF_DAY);
    let (start, end) = (
        start.ok_or_else(invalid)?,
        minute_of_day(end).ok_or_else(invalid)?,
    );
    match end {
        end if end == start => Err(format!(
            "the hours {text:?} end when they begin; write \"00:00-24:00\" for the whole day"
        )),
        end if end < start => Ok((start, end + MINUTES_OF_DAY)),
        end => Ok((start, end)),
    }
}

/// A week in minutes, to see whether windows leave any time at all.
pub(super) struct Week {
    open: Vec<bool>,
}

impl Week {
    /// The minutes in which polling is allowed in a week without one-off windows.
    pub(super) fn of(polling_hours: &[Window], downtime: &[Window]) -> Self {
        let mut open = vec![polling_hours.is_empty(); usize::from(MINUTES_OF_DAY) * 7];
        for window in polling_hours {
            window.paint(&mut open, true);
        }
        for window in downtime {
            window.paint(&mut open, false);
        }
        // One-off polling hours may be at any time.
        if polling_hours.iter().any(|window| window.single().is_some()) {
            open.fill(true);
        }
        Self { open }
    }

    /// Whether there is none.
    pub(super) fn is_never(&self) -> bool {
        !self.open.contains(&true)
    }
}

impl Window {
    fn paint(&self, week: &mut [bool], value: bool) {
        let Span::Weekly { days, start, end } = &self.0 else {
            return;
        };
        for (day, _) in days.0.iter().enumerate().filter(|(_, is_in)| **is_in) {
            for minute in *start..*end {
                let minute = (day * usize::from(MINUTES_OF_DAY) + usize::from(minute)) % week.len();
                if let Some(place) = week.get_mut(minute) {
                    *place = value;
                }
            }
        }
    }
}

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const EXPECTED: &str = "hours such as \"22:00-06:00\", { days = [\"mon-fri\"], hours = \"22:00-06:00\" }, or { from = \"2026-12-24T18:00\", to = \"2026-12-27\" }";
