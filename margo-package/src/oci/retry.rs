//! When to try again, and how long to wait before.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How failed requests are repeated: exponential waits with jitter, and never more often than `attempts`.
///
/// Repeated are requests that got 429, 500, 502, 503 or 504, and those whose connection failed. A
/// `Retry-After` of the registry lengthens the wait; one beyond `longest_wait` ends the attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How often a request is sent at most: 5. One means: never again.
    pub attempts: u32,
    /// The wait before the second attempt, before jitter: 250 ms. It doubles from attempt to attempt.
    pub first_wait: Duration,
    /// The longest wait: 30 s.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// Sends every request once.
    pub fn never() -> Self {
        Self {
            attempts: 1,
            ..Self::default()
        }
    }

    pub(crate) fn start(&self) -> Attempts {
        let waits = ExponentialBuilder::default()
            .with_min_delay(self.first_wait)
            .with_max_delay(self.longest_wait)
            .with_max_times(self.attempts.saturating_sub(1) as usize)
            .with_jitter()
            .build();
        Attempts {
            waits,
            longest: self.longest_wait,
            made: 1,
        }
    }
}

/// The attempts at one request.
#[derive(Debug)]
pub(crate) struct Attempts {
    waits: ExponentialBackoff,
    longest: Duration,
    made: u32,
}

impl Attempts {
    /// How many attempts were made.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// Waits for the next attempt; `false` when there is none.
    pub(crate) async fn again(&mut self, asked: Option<Duration>) -> bool {
        let Some(wait) = self.waits.next() else {
            return false;
        };
        let asked = asked.unwrap_or_default();
        if asked > self.longest {
            return false;
        }
        tokio::time::sleep(wait.max(asked)).await;
        self.made += 1;
        true
    }
}

/// Whether the same request may succeed a little later.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// How long the peer asks to wait: seconds or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let wait = date.duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}
