//! A line on standard error about what goes on: kept fresh on a terminal, else one now and then.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Duration;

pub(crate) struct Line {
    is_terminal: bool,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self {
            is_terminal: stderr().is_terminal(),
        }
    }

    /// How long a line stays that is shown after so long a time. The longer something takes, the less often it is told where
    /// lines add up.
    pub(crate) fn pause(&self, elapsed: Duration) -> Duration {
        if self.is_terminal {
            FRESH
        } else {
            (elapsed / 10).clamp(SHORTEST, LONGEST)
        }
    }

    /// A closed standard error is no reason to end what goes on.
    pub(crate) fn show(&self, text: &str) {
        _ = if self.is_terminal {
            write!(stderr(), "{WIPE}{text}")
        } else {
            writeln!(stderr(), "{text}")
        };
    }

    /// Makes room for what is said at the end.
    pub(crate) fn wipe(&self) {
        if self.is_terminal {
            _ = write!(stderr(), "{WIPE}");
        }
    }
}

const WIPE: &str = "\r\x1b[K";
const FRESH: Duration = Duration::from_millis(500);
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_add_up_become_rare() {
        let line = Line { is_terminal: false };
        let (mut elapsed, mut lines) = (Duration::ZERO, 0);
        while elapsed < Duration::from_hours(1) {
            elapsed += line.pause(elapsed);
            lines += 1;
        }
        assert!((60..120).contains(&lines), "{lines}");
        let line = Line { is_terminal: true };
        assert_eq!(line.pause(Duration::from_hours(1)), FRESH);
    }
}
