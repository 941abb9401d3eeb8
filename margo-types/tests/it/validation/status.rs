//! Deployment status (rc3.md 5).

use serde_json::{Value, json};

use super::case::{Case, case, check, remove, report_on, set};

pub(super) fn valid() -> Value {
    json!({
        "deploymentId": "5f2c9a6e-0c1b-4f0e-9a53-6d1f0e7b8a21",
        "deviceId": "cell-2/line-1/press-4",
        "adoptedManifestVersion": 12,
        "status": {
            "state": "failed",
            "error": { "code": "E7", "source": "press-monitor", "message": "the store does not start" },
        },
        "components": [
            { "name": "monitor", "state": "installed" },
            {
                "name": "store",
                "state": "failed",
                "error": { "code": "E7", "source": "store", "message": "no space" },
            },
        ],
    })
}

fn states(document: &mut Value, overall: &str, components: [&str; 2]) {
    document["status"] = json!({ "state": overall });
    document["components"] = json!([
        { "name": "monitor", "state": components[0] },
        { "name": "store", "state": components[1] },
    ]);
}

pub(super) const CASES: &[Case] = &[
    case(
        "D59: no adopted manifest",
        |d| remove(d, "/adoptedManifestVersion"),
        "status.adopted-manifest-version",
        "adoptedManifestVersion",
    ),
    case(
        "D51: unknown overall state",
        |d| set(d, "/status/state", "Failed"),
        "status.state",
        "status.state",
    ),
    case(
        "D51: unknown state of a component",
        |d| set(d, "/components/0/state", "running"),
        "status.state",
        "components[0].state",
    ),
    case(
        "D52: less severe than a component",
        |d| set(d, "/status/state", "installed"),
        "status.worst-of",
        "status.state",
    ),
    case(
        "D52: more severe than every component",
        |d| states(d, "removing", ["installing", "pending"]),
        "status.worst-of",
        "status.state",
    ),
    case(
        "D52: pending is less severe than installing",
        |d| states(d, "pending", ["installing", "pending"]),
        "status.worst-of",
        "status.state",
    ),
    case(
        "D52: neither installed nor removed",
        |d| states(d, "pending", ["installed", "removed"]),
        "status.worst-of",
        "status.state",
    ),
    case(
        "D53: no component",
        |d| set(d, "/components", json!([])),
        "status.no-components",
        "components",
    ),
    case(
        "D53: component reported twice",
        |d| {
            set(
                d,
                "/components/2",
                json!({ "name": "monitor", "state": "installed" }),
            );
        },
        "status.repeated-component",
        "components[2].name",
    ),
    case(
        "5: error without a message",
        |d| remove(d, "/status/error/message"),
        "status.error-members",
        "status.error.message",
    ),
    case(
        "5: error without a code",
        |d| set(d, "/components/1/error/code", ""),
        "status.error-members",
        "components[1].error.code",
    ),
    case(
        "D56: error without a source",
        |d| remove(d, "/status/error/source"),
        "status.error-members",
        "status.error.source",
    ),
    case(
        "D57: error of a component with another one as source",
        |d| set(d, "/components/1/error/source", "monitor"),
        "status.component-source",
        "components[1].error.source",
    ),
    case(
        "D55: error of a component with a gateway that the device is not behind",
        |d| set(d, "/components/1/error/source", "cell-3"),
        "status.component-source",
        "components[1].error.source",
    ),
    case(
        "D58: reserved code with a component as source",
        |d| set(d, "/components/1/error/code", "101"),
        "status.reserved-code",
        "components[1].error.source",
    ),
    case(
        "D58: reserved code with the deployment as source",
        |d| set(d, "/status/error/code", "102"),
        "status.reserved-code",
        "status.error.source",
    ),
    case(
        "5: failure without an error",
        |d| states(d, "failed", ["failed", "installed"]),
        "status.unexplained-failure",
        "status.error",
    ),
    case(
        "9: there is no extension point",
        |d| set(d, "/x-acme-extensions", json!({})),
        "extension.place",
        "x-acme-extensions",
    ),
    case(
        "9: unknown member",
        |d| set(d, "/status/colour", "red"),
        "member.unknown",
        "status.colour",
    ),
];

#[test]
fn statuses() {
    check(&valid(), CASES);
}

/// D52: failed > removing > installing > pending > installed; rc3.md ambiguity 20 for `removed`.
#[test]
fn the_overall_state_is_the_most_severe() {
    for (overall, components) in [
        ("removing", ["installing", "removing"]),
        ("installing", ["pending", "installing"]),
        ("pending", ["installed", "pending"]),
        ("installed", ["installed", "installed"]),
        ("removed", ["removed", "removed"]),
        ("installed", ["installed", "removed"]),
        ("removed", ["installed", "removed"]),
    ] {
        let mut document = valid();
        states(&mut document, overall, components);
        let report = report_on(&document);
        assert!(report.findings().is_empty(), "{overall}: {report}");
    }
}

/// D55, D58: a gateway may be the source of every error, and of the reserved codes only it.
#[test]
fn gateways_are_sources() {
    for (code, source) in [
        ("E7", "cell-2"),
        ("E7", "cell-2/line-1"),
        ("101", "cell-2"),
        ("102", "cell-2/line-1"),
        ("103", "cell-2/line-1/press-4"),
    ] {
        let mut document = valid();
        let error = json!({ "code": code, "source": source, "message": "m" });
        set(&mut document, "/components/1/error", error.clone());
        set(&mut document, "/status/error", error);
        let report = report_on(&document);
        assert!(report.is_valid(), "{code} {source}: {report}");
    }
    let mut document = valid();
    remove(&mut document, "/deviceId");
    set(&mut document, "/components/1/error/code", "103");
    assert!(
        !report_on(&document).is_valid(),
        "a component is no gateway"
    );
    set(&mut document, "/components/1/error/source", "cell-2");
    assert!(report_on(&document).is_valid());
}

/// What the specification does not define is kept, and warned of, in errors as everywhere else.
#[test]
fn unknown_members_of_errors_are_reported() {
    let mut document = valid();
    let error = json!({ "code": "E7", "source": "cell-2", "message": "m", "attempt": 3 });
    set(&mut document, "/components/1/error", error);
    let report = report_on(&document);
    assert!(report.is_valid(), "{report}");
    let paths = report.findings().iter().map(|it| it.path.to_string());
    assert_eq!(paths.collect::<Vec<_>>(), ["components[1].error.attempt"]);
}

/// rc3.md ambiguity 22.
#[test]
fn errors_of_empty_texts_are_no_errors() {
    let mut document = valid();
    states(&mut document, "pending", ["pending", "installed"]);
    let empty = json!({ "code": "", "source": "", "message": "" });
    set(&mut document, "/status/error", empty.clone());
    set(&mut document, "/components/0/error", empty);
    let report = report_on(&document);
    assert!(report.findings().is_empty(), "{report}");
}
