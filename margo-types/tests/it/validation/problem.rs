//! Problems (rc3.md 6).

use serde_json::{Value, json};

use super::case::{Case, case, check, remove, report_on, set};

pub(super) fn valid() -> Value {
    json!({
        "type": "https://docs.margo.org/specification/problem-types#semantic-error",
        "title": "Semantic Error",
        "status": 422,
        "detail": "a field is wrong",
        "instance": "/api/v1/capabilities/press-4",
        "retryable": false,
        "backoffStrategy": "none",
        "errors": [{ "field": "properties.id", "message": "is empty" }],
        "trace_id": "4bf92f",
    })
}

fn unavailable(document: &mut Value) {
    *document = json!({
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "retryable": true,
        "retryAfterSeconds": 30,
        "backoffStrategy": "exponential",
    });
}

pub(super) const CASES: &[Case] = &[
    case(
        "6: type that is no URI",
        |d| set(d, "/type", "semantic error"),
        "problem.type",
        "type",
    ),
    case(
        "W11: type of a vendor in the namespace of Margo",
        |d| {
            set(
                d,
                "/type",
                "https://docs.margo.org/specification/problem-types#quota",
            );
        },
        "problem.unregistered-type",
        "type",
    ),
    case(
        "6: status beyond 599",
        |d| {
            set(d, "/type", "https://vendor.example/quota");
            set(d, "/status", 600);
        },
        "problem.status",
        "status",
    ),
    case(
        "6: registered type with another status",
        |d| set(d, "/status", 400),
        "problem.registered-status",
        "status",
    ),
    case(
        "6: empty title",
        |d| set(d, "/title", ""),
        "text.empty",
        "title",
    ),
    case(
        "W8: title of about:blank",
        |d| {
            unavailable(d);
            set(d, "/title", "Oops");
        },
        "problem.title",
        "title",
    ),
    case(
        "W10: semantic error without errors",
        |d| remove(d, "/errors"),
        "problem.errors",
        "errors",
    ),
    case(
        "6: unknown strategy",
        |d| set(d, "/backoffStrategy", "random"),
        "problem.backoff",
        "backoffStrategy",
    ),
    case(
        "6: retryable, and not",
        |d| set(d, "/retryable", true),
        "problem.retry",
        "retryable",
    ),
    case(
        "6: not retryable, and after 5 s",
        |d| set(d, "/retryAfterSeconds", 5),
        "problem.retry",
        "retryable",
    ),
    case(
        "W9: 503 that is not retryable",
        |d| {
            unavailable(d);
            set(d, "/retryable", false);
        },
        "problem.transient",
        "retryable",
    ),
    case(
        "W9: 429 with another strategy",
        |d| {
            unavailable(d);
            set(d, "/status", 429);
            set(d, "/title", "Too Many Requests");
            set(d, "/backoffStrategy", "fixed");
        },
        "problem.transient",
        "backoffStrategy",
    ),
    case(
        "W9: 500 that does not say how to retry",
        |d| {
            unavailable(d);
            set(d, "/status", 500);
            set(d, "/title", "Internal Server Error");
            remove(d, "/retryable");
        },
        "problem.transient-members",
        "retryable",
    ),
    case(
        "6: short name of a member",
        |d| set(d, "/id", 4),
        "problem.vendor-member",
        "id",
    ),
    case(
        "6: member with a dash",
        |d| set(d, "/trace-id", 4),
        "problem.vendor-member",
        "trace-id",
    ),
];

#[test]
fn problems() {
    check(&valid(), CASES);
}

/// rc3.md section 6: the registry, and its retryable 404 (ambiguity 17).
#[test]
fn registered_types_and_types_of_vendors_are_valid() {
    const REGISTRY: &str = "https://docs.margo.org/specification/problem-types#";
    for (fragment, status) in [
        ("invalid-request", 400),
        ("not-authorized", 403),
        ("gateway-not-found", 404),
        ("device-not-found", 404),
        ("invalid-bundle", 404),
        ("deployment-not-found", 404),
        ("discovery-document-not-found", 404),
        ("server-cannot-generate-response", 406),
    ] {
        let document =
            json!({ "type": format!("{REGISTRY}{fragment}"), "title": "T", "status": status });
        let report = report_on(&document);
        assert!(report.findings().is_empty(), "{report}");
        let mut other = document;
        set(&mut other, "/status", 409);
        assert!(!report_on(&other).is_valid(), "{fragment}");
    }
    for document in [
        json!({
            "type": format!("{REGISTRY}spiffe-bundle-not-found"),
            "title": "T",
            "status": 404,
            "retryable": true,
            "retryAfterSeconds": 30,
            "backoffStrategy": "exponential",
        }),
        json!({ "type": "https://vendor.example/quota", "title": "Quota", "status": 403 }),
        json!({ "type": "about:blank", "title": "Conflict", "status": 409 }),
    ] {
        let report = report_on(&document);
        assert!(report.findings().is_empty(), "{report}");
    }
}
