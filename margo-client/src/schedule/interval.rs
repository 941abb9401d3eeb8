//! From local times to instants, over daylight-saving changes.
//!
//! A local time that the clock skips stands for the moment of the jump. Of one that comes twice, a window begins at
//! the first and ends at the second. So a window never loses time that the clock shows, and a window that the clock
//! skips as a whole does not happen.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

use super::window::Window;

/// Windows in a time zone, as spans of instants.
pub(super) struct Intervals<'a> {
    windows: &'a [Window],
    zone: &'a TimeZone,
}

impl<'a> Intervals<'a> {
    pub(super) fn new(windows: &'a [Window], zone: &'a TimeZone) -> Self {
        Self { windows, zone }
    }

    /// The latest end of those that `at` is in; the end itself is not in them.
    pub(super) fn end_around(&self, at: Timestamp) -> Option<Timestamp> {
        // A window that begins on a day may last until the end of the next one.
        self.near(at, -2, 1)
            .filter(|(start, end)| *start <= at && at < *end)
            .map(|(_, end)| end)
            .max()
    }

    /// The first start from `at` on.
    pub(super) fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        // A daylight-saving change may swallow one week's window, but not that of the week after.
        self.near(at, -1, 15)
            .map(|(start, _)| start)
            .filter(|start| *start >= at)
            .min()
    }

    /// Those that come only once, and of the others those that begin up to so many days before and after.
    fn near(
        &self,
        at: Timestamp,
        first: i32,
        last: i32,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = self.zone.to_datetime(at).date();
        let recurring = (first..=last)
            .filter_map(move |days| today.checked_add(days.days()).ok())
            .flat_map(|day: Date| self.windows.iter().filter_map(move |window| window.on(day)));
        let single = self.windows.iter().filter_map(Window::single);
        single
            .chain(recurring)
            .filter_map(|(from, to)| {
                Some((
                    self.instant(from, Bound::Start)?,
                    self.instant(to, Bound::End)?,
                ))
            })
            .filter(|(start, end)| start < end)
    }

    /// `None` beyond the years that can be represented.
    fn instant(&self, local: DateTime, bound: Bound) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        let offset = match (ambiguous.offset(), bound) {
            (AmbiguousOffset::Unambiguous { offset }, _) => offset,
            (AmbiguousOffset::Fold { before, .. }, Bound::Start) => before,
            (AmbiguousOffset::Fold { after, .. }, Bound::End) => after,
            (AmbiguousOffset::Gap { before, .. }, _) => {
                // Read with the old offset, a skipped time lies after the jump by less than the gap.
                let after_jump = before.to_timestamp(local).ok()?;
                let just_after = after_jump.checked_add(1.nanosecond()).ok()?;
                return self
                    .zone
                    .preceding(just_after)
                    .next()
                    .map(|jump| jump.timestamp());
            }
        };
        offset.to_timestamp(local).ok()
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Start,
    End,
}
