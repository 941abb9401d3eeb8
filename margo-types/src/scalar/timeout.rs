//! Installation time-outs (rc3.md section 1.4).

use std::fmt;
use std::time::Duration;

use crate::text::{InvalidText, text_newtype};

/// How long the installation of a component may take, written in minutes and seconds: `8m30s`.
///
/// Reading also takes the other durations that Helm accepts (`30s`, `1h0m0s`), because older generations
/// set no rule; strict validation reports them ([`is_conformant`](Self::is_conformant)). Writing always gives
/// minutes and seconds. Equality compares the durations.
#[derive(Clone, Debug)]
pub struct Timeout {
    duration: Duration,
    conformant: bool,
}

impl Timeout {
    /// A time-out of whole seconds; fractions are dropped.
    pub const fn new(duration: Duration) -> Self {
        Self {
            duration: Duration::from_secs(duration.as_secs()),
            conformant: true,
        }
    }

    /// Reads a time-out.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let invalid = |why: &str| {
            InvalidText::new(
                text,
                "a time-out",
                why,
                "write minutes and seconds, such as 8m30s",
            )
        };
        let mut seconds: u64 = 0;
        let mut units = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let Some(unit) = tail.chars().next() else {
                return Err(invalid("the unit is missing"));
            };
            let factor = match unit {
                'h' => 3600,
                'm' => 60,
                's' => 1,
                _ => return Err(invalid("it has a unit other than h, m and s")),
            };
            let number: u64 = number
                .parse()
                .map_err(|_| invalid("a number is missing or too large"))?;
            seconds = number
                .checked_mul(factor)
                .and_then(|part| part.checked_add(seconds))
                .ok_or_else(|| invalid("it is longer than can be counted"))?;
            units.push(unit);
            rest = &tail[1..];
        }
        if !["h", "m", "s", "hm", "hs", "ms", "hms"].contains(&units.as_str()) {
            return Err(invalid(
                "it is not a sequence of hours, minutes and seconds",
            ));
        }
        Ok(Self {
            duration: Duration::from_secs(seconds),
            conformant: units == "ms",
        })
    }

    /// The duration, in whole seconds.
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// Whether it was written in minutes and seconds, as the newest generation requires.
    pub const fn is_conformant(&self) -> bool {
        self.conformant
    }
}

text_newtype!(Timeout, pattern: r"^\d+m\d+s$", example: "8m30s");

impl fmt::Display for Timeout {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let seconds = self.duration.as_secs();
        write!(formatter, "{}m{}s", seconds / 60, seconds % 60)
    }
}

impl PartialEq for Timeout {
    fn eq(&self, other: &Self) -> bool {
        self.duration == other.duration
    }
}

impl Eq for Timeout {}

impl From<Timeout> for Duration {
    fn from(timeout: Timeout) -> Self {
        timeout.duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_and_seconds_conform_and_other_helm_durations_are_read() {
        for (text, seconds, conformant) in [
            ("8m30s", 510, true),
            ("0m90s", 90, true),
            ("30s", 30, false),
            ("5m", 300, false),
            ("1h0m0s", 3600, false),
        ] {
            let timeout = Timeout::parse(text).unwrap();
            assert_eq!(
                (timeout.duration().as_secs(), timeout.is_conformant()),
                (seconds, conformant),
                "{text}"
            );
        }
        assert_eq!(Timeout::parse("0m90s").unwrap().to_string(), "1m30s");
        for text in [
            "",
            "5",
            "s",
            "m5",
            "5m5m",
            "5s5m",
            "-5m0s",
            "5 m0s",
            "99999999999999999999m0s",
            "18446744073709551615m0s",
            "5d",
        ] {
            assert!(Timeout::parse(text).is_err(), "{text}");
        }
    }
}
