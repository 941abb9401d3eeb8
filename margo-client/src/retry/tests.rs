use margo_types::problem::{Problem, RetryAdvice};
use proptest::prelude::*;

use super::*;
use crate::ErrorKind;

fn now() -> Timestamp {
    "2026-03-04T12:00:00Z".parse().expect("a time")
}

fn in_seconds(seconds: u64) -> NextAttempt {
    NextAttempt::At(later(now(), Duration::from_secs(seconds)))
}

fn unreachable() -> Error {
    Error::new(ErrorKind::Unreachable, "the network is down")
}

/// The error of an answer with this status and body.
fn refused(status: u16, retry_after: Option<&str>, body: &str) -> Error {
    let problem = Problem::from_error_body(status, None, body.as_bytes());
    let advice = RetryAdvice::new(Some(&problem), status, retry_after, now());
    Error::new(ErrorKind::Refused, "refused").with_response(Some(problem), advice)
}

/// Chance as it would be at its very end: one nanosecond below the bound.
const MOST: u64 = u64::MAX;

fn bound(attempts: &mut Attempts, error: &Error) -> u64 {
    match attempts.failed(&RetryPolicy::default(), error, now(), MOST) {
        NextAttempt::At(time) => {
            let wait = Duration::try_from(time.duration_since(now())).expect("not before now");
            (wait + Duration::from_nanos(1)).as_secs()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn waits_double_up_to_a_bound_and_start_afresh_after_a_success() {
    let mut attempts = Attempts::new();
    let bounds: Vec<u64> = (0..11)
        .map(|_| bound(&mut attempts, &unreachable()))
        .collect();
    assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(attempts.failures(), 11);
    attempts.succeeded();
    assert_eq!(attempts.next(), NextAttempt::AtOnce);
    assert_eq!(bound(&mut attempts, &unreachable()), 1);
}

#[test]
fn jitter_is_full() {
    let policy = RetryPolicy::default();
    for (random, expected) in [(0, 0), (1 << 63, 500), (1 << 62, 250)] {
        let next = Attempts::new().failed(&policy, &unreachable(), now(), random);
        let time = later(now(), Duration::from_millis(expected));
        assert_eq!(next, NextAttempt::At(time), "{random}");
    }
}

#[test]
fn a_wait_that_is_asked_for_comes_before_the_own_one() {
    let policy = RetryPolicy::default();
    let busy = |retry_after, body| refused(503, retry_after, body);
    for (error, seconds) in [
        (busy(Some("120"), ""), 120),
        (busy(Some("Wed, 04 Mar 2026 12:05:00 GMT"), ""), 300),
        (
            busy(
                None,
                r#"{"type":"about:blank","title":"t","retryAfterSeconds":40}"#,
            ),
            40,
        ),
        // the header wins
        (
            busy(
                Some("7"),
                r#"{"type":"about:blank","title":"t","retryAfterSeconds":40}"#,
            ),
            7,
        ),
        // beyond what a device obeys
        (busy(Some("99999999999999999999"), ""), 24 * 3600),
    ] {
        let mut attempts = Attempts::new();
        assert_eq!(
            attempts.failed(&policy, &error, now(), 0),
            in_seconds(seconds)
        );
        assert!(!attempts.is_due(later(now(), Duration::from_secs(seconds - 1))));
        assert!(attempts.is_due(later(now(), Duration::from_secs(seconds))));
    }
}

#[test]
fn what_must_not_be_repeated_waits_for_a_new_reason() {
    let policy = RetryPolicy::default();
    for error in [
        refused(403, None, ""),
        refused(422, None, ""),
        refused(
            503,
            None,
            r#"{"type":"about:blank","title":"t","retryable":false}"#,
        ),
    ] {
        let mut attempts = Attempts::new();
        assert_eq!(
            attempts.failed(&policy, &error, now(), MOST),
            NextAttempt::Never
        );
        assert!(!attempts.is_due(Timestamp::MAX));
        attempts.resume();
        assert!(attempts.is_due(now()), "{error:?}");
    }
}

#[test]
fn a_new_reason_lifts_a_stop_but_not_a_wait() {
    let error = refused(403, Some("60"), "");
    let mut attempts = Attempts::new();
    attempts.failed(&RetryPolicy::default(), &error, now(), MOST);
    attempts.resume();
    assert_eq!(attempts.next(), in_seconds(60));
}

#[test]
fn strategies_grow_as_they_say() {
    let with = |strategy: &str| {
        let body = format!(
            r#"{{"type":"about:blank","title":"t","retryable":true,"backoffStrategy":"{strategy}"}}"#
        );
        refused(500, None, &body)
    };
    for (strategy, bounds) in [
        ("fixed", [30, 30, 30]),
        ("exponential", [1, 2, 4]),
        ("something-new", [1, 2, 4]),
        // contradicts itself
        ("none", [30, 30, 30]),
    ] {
        let mut attempts = Attempts::new();
        let found = [(); 3].map(|()| bound(&mut attempts, &with(strategy)));
        assert_eq!(found, bounds, "{strategy}");
    }
}

proptest! {
    #[test]
    fn never_earlier_than_asked_and_never_later_than_bounded(
        asked in proptest::option::of(0u64..=86_400),
        failures in 1u32..200,
        random: u64,
    ) {
        let policy = RetryPolicy::default();
        let header = asked.map(|seconds| seconds.to_string());
        let error = refused(429, header.as_deref(), "");
        let mut attempts = Attempts::new();
        for _ in 0..failures {
            attempts.failed(&policy, &error, now(), random);
        }
        let asked = Duration::from_secs(asked.unwrap_or_default());
        let NextAttempt::At(time) = attempts.next() else { panic!("retryable") };
        prop_assert!(time >= later(now(), asked));
        prop_assert!(time <= later(now(), asked + policy.longest_wait));
    }
}
