//! Whether and when to try again (rc3.md section 6, D61 to D65).

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::registry::is_retryable;
use super::{BackoffStrategy, Problem};

/// What a failed response says about trying again.
///
/// The advice is the peer's: bounds on absurd waits and on the number of attempts stay with the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct RetryAdvice {
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// How long to wait at least before the next attempt; `None` when the response does not say.
    pub after: Option<Duration>,
    /// How the time between attempts grows.
    pub backoff: BackoffStrategy,
}

impl RetryAdvice {
    /// The advice of a response: its problem if it had one, its status, and its `Retry-After` header.
    ///
    /// What the problem says wins over the defaults of the status (429, 500 and 503 are retryable, with
    /// exponential backoff); the header wins over the problem's `retryAfterSeconds` (rc3.md ambiguities 11
    /// and 12). A header that cannot be read counts as absent. `now` turns a date into a wait.
    ///
    /// An unknown backoff strategy counts as exponential, the most patient one. Members that contradict each
    /// other, such as `retryable: true` with the strategy `none`, are returned as they are.
    pub fn new(
        problem: Option<&Problem>,
        status: u16,
        retry_after: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let stated = problem.and_then(|problem| problem.retryable);
        let retryable = stated.unwrap_or_else(|| is_retryable(status));
        let backoff = match problem.and_then(|problem| problem.backoff_strategy.clone()) {
            Some(strategy) if strategy.is_known() => strategy,
            Some(_) => BackoffStrategy::Exponential,
            None if retryable => BackoffStrategy::Exponential,
            None => BackoffStrategy::None,
        };
        let header = retry_after.and_then(|value| parse_retry_after(value, now));
        let member = problem.and_then(|problem| problem.retry_after_seconds);
        Self {
            retryable,
            after: header.or(member.map(Duration::from_secs)),
            backoff,
        }
    }
}

/// The wait in a `Retry-After` header (RFC 9110 section 10.2.3): seconds, or a date in IMF-fixdate.
///
/// More seconds than fit count as [`u64::MAX`]; a date that has passed is no wait at all. `None` when it is
/// neither; the obsolete forms of dates are not read.
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let zoned = rfc2822::DateTimeParser::new()
        .parse_zoned(imf_fixdate(value)?)
        .ok()?;
    let wait = zoned.timestamp().duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// The value if it has the shape of an IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`); RFC 2822 allows more.
fn imf_fixdate(value: &str) -> Option<&str> {
    (value.len() == 29 && value.is_ascii() && value.ends_with(" GMT")).then_some(value)
}
