//! A server's error body is never lost, whatever it looks like.

use margo_types::problem::{BackoffStrategy, Problem, ProblemType};
use margo_types::{SpecVersion, read, write};
use proptest::prelude::*;
use serde_json::json;

fn of(status: u16, content_type: &str, body: &str) -> Problem {
    Problem::from_error_body(status, Some(content_type), body.as_bytes())
}

#[test]
fn a_problem_document_is_kept_whole() {
    let body = json!({
        "type": "https://docs.margo.org/specification/problem-types#semantic-error",
        "title": "Semantic Error", "status": 422, "detail": "see errors", "instance": "/api/v1/x",
        "retryable": false, "retryAfterSeconds": 7, "backoffStrategy": "fixed",
        "errors": [{"field": "properties.id", "message": "is taken"}], "traceId": "a-1",
    });
    for content_type in [
        "application/problem+json",
        "application/problem+json; charset=utf-8",
        "text/plain",
    ] {
        let problem = of(422, content_type, &body.to_string());
        assert_eq!(problem.problem_type, ProblemType::SemanticError);
        assert_eq!(problem.backoff_strategy, Some(BackoffStrategy::Fixed));
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            body,
            "{content_type}"
        );
    }
}

#[test]
fn the_status_of_the_response_wins_over_that_of_the_body() {
    let problem = of(
        503,
        "application/problem+json",
        r#"{"title": "Busy", "status": 500}"#,
    );
    assert_eq!((problem.status, &*problem.title), (503, "Busy"));
    assert_eq!(problem.problem_type, ProblemType::AboutBlank);
}

#[test]
fn legacy_bodies_become_title_and_detail() {
    let problem = of(
        400,
        "application/json",
        r#"{"error": "Invalid certificate"}"#,
    );
    assert_eq!(
        (problem.status, &*problem.title),
        (400, "Invalid certificate")
    );
    assert_eq!(problem.problem_type, ProblemType::AboutBlank);
    assert_eq!(problem.detail, None);
    assert!(problem.extra.is_empty());

    let body = r#"{"error": "Invalid signature", "message": "the header is missing", "id": 3}"#;
    let problem = of(401, "application/json", body);
    assert_eq!(problem.title, "Invalid signature");
    assert_eq!(problem.detail.as_deref(), Some("the header is missing"));
    assert_eq!(problem.extra.0["id"], 3);
}

#[test]
fn any_other_json_is_kept() {
    let problem = of(
        409,
        "application/json",
        r#"{"error": {"code": 17}, "message": "taken"}"#,
    );
    assert_eq!(problem.title, "Conflict");
    assert_eq!(problem.detail.as_deref(), Some("taken"));
    assert_eq!(problem.extra.0["error"], json!({"code": 17}));

    let problem = of(500, "application/json", r#""out of paper""#);
    assert_eq!(problem.detail.as_deref(), Some("out of paper"));
    let problem = of(500, "application/json", r#"["out", "of", "paper"]"#);
    assert_eq!(problem.detail.as_deref(), Some(r#"["out", "of", "paper"]"#));
}

#[test]
fn a_member_of_the_wrong_type_counts_as_missing_and_the_body_is_kept() {
    let body = r#"{"type": 3, "title": "", "retryable": "yes", "code": 5}"#;
    let problem = of(418, "application/problem+json", body);
    assert_eq!(problem.problem_type, ProblemType::AboutBlank);
    assert_eq!(problem.title, "Client Error");
    assert_eq!(problem.retryable, None);
    assert_eq!(problem.detail.as_deref(), Some(body));
    assert_eq!(problem.extra.0["code"], 5);
    assert!(!problem.extra.0.contains_key("type"));
}

#[test]
fn text_and_html_are_kept_in_part() {
    let problem = of(
        502,
        "text/html; charset=utf-8",
        "\n<html>upstream is down</html>\n",
    );
    assert_eq!(problem.title, "Bad Gateway");
    assert_eq!(
        problem.detail.as_deref(),
        Some("<html>upstream is down</html>")
    );

    let long = "ü".repeat(600) + &"x".repeat(70_000);
    let detail = of(502, "text/plain", &long).detail.unwrap();
    assert_eq!(detail, "ü".repeat(512));

    let odd = of(502, "text/plain", &format!("\n {long}")).detail.unwrap();
    assert_eq!(odd, "ü".repeat(512));
    let odd = of(502, "text/plain", &format!("x{long}")).detail.unwrap();
    assert_eq!(odd, format!("x{}", "ü".repeat(511)));

    let huge = format!("{{\"error\": \"{}\"}}", "x".repeat(100_000));
    let problem = of(500, "application/json", &huge);
    assert_eq!(problem.detail.as_deref(), Some(&huge[..1024]));

    let latin =
        Problem::from_error_body(500, Some("text/plain;Charset=\"ISO-8859-1\""), b"gr\xfcn");
    assert_eq!(latin.detail.as_deref(), Some("grün"));
    let binary = Problem::from_error_body(500, None, b"gr\xfcn");
    assert_eq!(binary.detail.as_deref(), Some("gr\u{fffd}n"));
    assert_eq!(Problem::from_error_body(404, None, b" \r\n").detail, None);
}

#[test]
fn problem_types_of_rc1_are_recognised_and_written_for_rc1() {
    for (slug, status, expected) in [
        ("invalid-request", 400, ProblemType::InvalidRequest),
        ("semantic-error", 422, ProblemType::SemanticError),
        ("invalid-bundle", 404, ProblemType::InvalidBundle),
        ("deployment-not-found", 404, ProblemType::DeploymentNotFound),
        (
            "server-cannot-generate-response",
            406,
            ProblemType::ServerCannotGenerateResponse,
        ),
        (
            "invalid-certificate-format",
            400,
            ProblemType::InvalidCertificateFormat,
        ),
        (
            "invalid-digest-header",
            400,
            ProblemType::InvalidDigestHeader,
        ),
        (
            "signature-verification-failed",
            401,
            ProblemType::SignatureVerificationFailed,
        ),
        (
            "certificate-not-trusted",
            403,
            ProblemType::CertificateNotTrusted,
        ),
        ("invalid-client", 404, ProblemType::InvalidClient),
    ] {
        let uri = format!("https://docs.margo.org/specification/problems/{slug}");
        let body = json!({"type": uri, "title": "T", "status": status}).to_string();
        let problem = of(status, "application/problem+json", &body);
        assert_eq!(problem.problem_type, expected, "{slug}");
        let document = read::<Problem>(body.as_bytes()).unwrap().into_value();
        assert_eq!(document, problem, "{slug}");
        let written = String::from_utf8(write(&problem, SpecVersion::Rc1).unwrap()).unwrap();
        assert!(
            written.contains(&format!("\"type\":\"{uri}\"")),
            "{written}"
        );
    }
    let mut newer = of(404, "application/json", "{}");
    newer.problem_type = ProblemType::DeviceNotFound;
    let written = String::from_utf8(write(&newer, SpecVersion::Rc1).unwrap()).unwrap();
    assert!(
        written.contains("/problem-types#device-not-found"),
        "{written}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_body_becomes_a_problem_that_can_be_written(
        status in any::<u16>(),
        content_type in proptest::option::of(".{0,40}"),
        body in prop_oneof![any::<Vec<u8>>(), "\\{\"[a-z]{0,6}\":[0-9\"\\[\\]{}a-z,]{0,12}\\}".prop_map(String::into_bytes)],
    ) {
        let problem = Problem::from_error_body(status, content_type.as_deref(), &body);
        prop_assert_eq!(problem.status, status);
        prop_assert!(!problem.title.is_empty());
        let detail = problem.detail.as_deref().unwrap_or_default();
        prop_assert!(detail.len() <= 4096);
        write(&problem, SpecVersion::Rc3).unwrap();
    }
}
