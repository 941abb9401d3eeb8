//! Problems, their registry, and advice on trying again.

use std::time::Duration;

use jiff::Timestamp;
use margo_types::SpecVersion::{PreDraft, Rc1, Rc3};
use margo_types::problem::{BackoffStrategy, Problem, ProblemType, RetryAdvice, parse_retry_after};
use proptest::prelude::*;
use serde_json::json;

const BASE: &str = "https://docs.margo.org/specification/problem-types#";

fn now() -> Timestamp {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "what is expected may be no wait")]
fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// rc3.md section 6.
#[test]
fn registered_types_have_their_status_and_a_title() {
    for (slug, status) in [
        ("invalid-request", 400),
        ("semantic-error", 422),
        ("not-authorized", 403),
        ("gateway-not-found", 404),
        ("device-not-found", 404),
        ("invalid-bundle", 404),
        ("deployment-not-found", 404),
        ("server-cannot-generate-response", 406),
        ("discovery-document-not-found", 404),
        ("spiffe-bundle-not-found", 404),
    ] {
        let problem_type = ProblemType::from(format!("{BASE}{slug}").as_str());
        assert!(problem_type.is_known(), "{slug}");
        assert_eq!(problem_type.registered_status(), Some(status), "{slug}");
        assert_eq!(problem_type.slug(), Some(slug));
        let problem = Problem::new(problem_type.clone());
        assert_eq!(
            (problem.status, &problem.problem_type),
            (status, &problem_type)
        );
        assert!(!problem.title.is_empty());
        assert_eq!(problem.retryable, Some(false));
        assert_eq!(problem.backoff_strategy, Some(BackoffStrategy::None));
    }
    for known in ProblemType::KNOWN {
        assert_eq!(
            known.registered_status().is_some(),
            *known != ProblemType::AboutBlank,
            "{known}"
        );
    }
}

/// rc1-and-pre-draft.md section 11.
#[test]
fn types_of_the_signed_generation_are_registered_too() {
    for (slug, status) in [
        ("invalid-certificate-format", 400),
        ("invalid-digest-header", 400),
        ("invalid-request", 400),
        ("signature-verification-failed", 401),
        ("semantic-error", 422),
        ("certificate-not-trusted", 403),
        ("invalid-client", 404),
        ("invalid-bundle", 404),
        ("deployment-not-found", 404),
        ("server-cannot-generate-response", 406),
    ] {
        let uri = format!("https://docs.margo.org/specification/problems/{slug}");
        assert_eq!(
            ProblemType::from(uri.as_str()).registered_status(),
            Some(status),
            "{slug}"
        );
    }
}

#[test]
fn types_follow_the_generation() {
    let semantic = ProblemType::SemanticError.in_generation(Rc1).unwrap();
    assert_eq!(
        semantic.as_str(),
        "https://docs.margo.org/specification/problems/semantic-error"
    );
    assert_eq!(
        semantic.in_generation(Rc3),
        Some(ProblemType::SemanticError)
    );
    assert_eq!(ProblemType::GatewayNotFound.in_generation(Rc1), None);
    assert_eq!(ProblemType::SemanticError.in_generation(PreDraft), None);
    assert_eq!(
        ProblemType::AboutBlank.in_generation(PreDraft),
        Some(ProblemType::AboutBlank)
    );
}

#[test]
fn unregistered_types_have_no_status() {
    for uri in [
        "about:blank",
        "https://vendor.example/problems/disk-full",
        "https://docs.margo.org/specification/problem-types#disk-full",
        "https://docs.margo.org/specification/problem-types/#semantic-error",
        "https://docs.margo.org/specification/problem-types#invalid-digest-header",
        "https://docs.margo.org/specification/problems/gateway-not-found",
        "semantic-error",
        "",
    ] {
        let problem_type = ProblemType::from(uri);
        assert_eq!(problem_type.registered_status(), None, "{uri}");
        assert_eq!(problem_type.as_str(), uri);
    }
}

#[test]
fn the_namespace_of_margo_is_recognised() {
    for (uri, expected) in [
        (format!("{BASE}semantic-error"), true),
        (format!("{BASE}disk-full"), true),
        (
            "https://docs.margo.org/specification/problem-types/".to_owned(),
            true,
        ),
        (
            "https://docs.margo.org/specification/problems/x".to_owned(),
            true,
        ),
        (
            "https://docs.margo.org/specification/problem-typesetting".to_owned(),
            false,
        ),
        ("https://vendor.example/x".to_owned(), false),
        ("about:blank".to_owned(), false),
    ] {
        assert_eq!(
            ProblemType::from(uri.as_str()).is_in_margo_namespace(),
            expected,
            "{uri}"
        );
    }
}

#[test]
fn problems_are_written_as_the_interface_says() {
    let problem = Problem::new(ProblemType::SemanticError)
        .with_detail("two members are wrong")
        .with_instance("/api/v1/capabilities/pump-7")
        .with_field_error("properties.vendor", "missing")
        .with_field_error("properties.memory", "not a quantity");
    assert_eq!(
        serde_json::to_value(&problem).unwrap(),
        json!({
            "type": format!("{BASE}semantic-error"),
            "title": "Semantic error",
            "status": 422,
            "detail": "two members are wrong",
            "instance": "/api/v1/capabilities/pump-7",
            "retryable": false,
            "backoffStrategy": "none",
            "errors": [
                { "field": "properties.vendor", "message": "missing" },
                { "field": "properties.memory", "message": "not a quantity" },
            ],
        })
    );
    let busy = Problem::about_blank(503).with_retry_after_seconds(30);
    assert_eq!(
        serde_json::to_value(&busy).unwrap(),
        json!({
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "retryable": true,
            "retryAfterSeconds": 30,
            "backoffStrategy": "exponential",
        })
    );
    // rc3.md ambiguity 17: a 404 may be retryable
    let no_bundle = Problem::new(ProblemType::SpiffeBundleNotFound).with_retry_after_seconds(30);
    assert_eq!((no_bundle.status, no_bundle.retryable), (404, Some(true)));
    assert_eq!(
        no_bundle.backoff_strategy,
        Some(BackoffStrategy::Exponential)
    );
    let vendor = Problem::of_vendor("https://vendor.example/disk-full", "Disk full", 507);
    assert_eq!(
        vendor.problem_type.as_str(),
        "https://vendor.example/disk-full"
    );
    assert!(!vendor.problem_type.is_known());
}

#[test]
fn blank_problems_follow_their_status() {
    for (status, title, retryable) in [
        (404, "Not Found", false),
        (409, "Conflict", false),
        (422, "Unprocessable Content", false),
        (429, "Too Many Requests", true),
        (500, "Internal Server Error", true),
        (501, "Not Implemented", false),
        (503, "Service Unavailable", true),
        (499, "Client Error", false),
        (599, "Server Error", false),
    ] {
        let problem = Problem::about_blank(status);
        assert_eq!((problem.status, problem.title.as_str()), (status, title));
        assert_eq!(problem.retryable, Some(retryable), "{status}");
        assert_eq!(
            problem.backoff_strategy == Some(BackoffStrategy::Exponential),
            retryable
        );
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    for (value, expected) in [
        ("0", seconds(0)),
        ("120", seconds(120)),
        (" 7\t", seconds(7)),
        ("007", seconds(7)),
        ("18446744073709551615", seconds(u64::MAX)),
        ("99999999999999999999999999", seconds(u64::MAX)),
        ("Wed, 04 Mar 2026 05:06:37 GMT", seconds(30)),
        ("Wed, 04 Mar 2026 05:06:07 GMT", seconds(0)),
        ("Wed, 04 Mar 2020 05:06:07 GMT", seconds(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1 s", None),
        ("١٢", None),
        ("soon", None),
        ("Wed, 04 Mar 2026 05:06:37 CET", None),
        ("Thu, 04 Mar 2026 05:06:37 GMT", None),
        ("Wed, 34 Mar 2026 05:06:37 GMT", None),
        ("2026-03-04T05:06:37Z", None),
        ("Wednesday, 04-Mar-26 05:06:37 GMT", None),
    ] {
        if value.contains("9999 ") {
            // beyond what timestamps reach or a very long wait, but never a wrong one
            assert!(
                parse_retry_after(value, now())
                    .is_none_or(|wait| wait > Duration::from_secs(1 << 30))
            );
            continue;
        }
        assert_eq!(parse_retry_after(value, now()), expected, "{value:?}");
    }
}

fn problem(members: serde_json::Value) -> Problem {
    serde_json::from_value(members).unwrap()
}

/// D61 to D65.
#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn advice_comes_from_header_problem_and_status_in_this_order() {
    let (none, fixed, exponential) = (
        BackoffStrategy::None,
        BackoffStrategy::Fixed,
        BackoffStrategy::Exponential,
    );
    let blank = |status| Some(problem(json!({ "title": "t", "status": status })));
    let with = |retryable: Option<bool>, wait: Option<u64>, strategy: Option<&str>| {
        let mut members = json!({ "type": "about:blank", "title": "t", "status": 409 });
        if let Some(retryable) = retryable {
            members["retryable"] = json!(retryable);
        }
        if let Some(wait) = wait {
            members["retryAfterSeconds"] = json!(wait);
        }
        if let Some(strategy) = strategy {
            members["backoffStrategy"] = json!(strategy);
        }
        Some(problem(members))
    };
    for (problem, status, header, retryable, after, backoff) in [
        // without a problem, the status decides
        (None, 429, Some("5"), true, seconds(5), &exponential),
        (None, 503, None, true, None, &exponential),
        (None, 500, None, true, None, &exponential),
        (None, 404, None, false, None, &none),
        (None, 501, None, false, None, &none),
        (None, 502, None, false, None, &none),
        (blank(503), 503, None, true, None, &exponential),
        (blank(422), 422, None, false, None, &none),
        // what the problem says wins over the status
        (with(Some(false), None, None), 503, None, false, None, &none),
        (
            with(Some(true), None, None),
            404,
            None,
            true,
            None,
            &exponential,
        ),
        (
            with(Some(true), Some(30), Some("fixed")),
            404,
            None,
            true,
            seconds(30),
            &fixed,
        ),
        (
            with(None, None, Some("fixed")),
            500,
            None,
            true,
            None,
            &fixed,
        ),
        (
            with(Some(true), None, Some("none")),
            500,
            None,
            true,
            None,
            &none,
        ),
        (
            with(Some(true), None, Some("fibonacci")),
            500,
            None,
            true,
            None,
            &exponential,
        ),
        (
            with(None, Some(u64::MAX), None),
            503,
            None,
            true,
            seconds(u64::MAX),
            &exponential,
        ),
        // the header wins over the member
        (
            with(Some(true), Some(30), None),
            503,
            Some("7"),
            true,
            seconds(7),
            &exponential,
        ),
        (
            with(Some(true), Some(30), None),
            503,
            Some("soon"),
            true,
            seconds(30),
            &exponential,
        ),
        (
            with(Some(true), Some(30), None),
            503,
            Some("Wed, 04 Mar 2026 05:07:07 GMT"),
            true,
            seconds(60),
            &exponential,
        ),
    ] {
        let advice = RetryAdvice::new(problem.as_ref(), status, header, now());
        let case = format!("{problem:?} {status} {header:?}");
        assert_eq!(advice.retryable, retryable, "{case}");
        assert_eq!(advice.after, after, "{case}");
        assert_eq!(&advice.backoff, backoff, "{case}");
    }
}

proptest! {
    #[test]
    fn any_retry_after_is_answered(value in "[0-9]{0,40}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT|.{0,40}") {
        let _ = parse_retry_after(&value, now());
        let _ = parse_retry_after(&value, Timestamp::MAX);
        let _ = parse_retry_after(&value, Timestamp::MIN);
    }
}
