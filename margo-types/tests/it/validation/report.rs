//! Reports: all findings at once, each with its place, and bounded.

use margo_types::application::ApplicationDescription;
use margo_types::{Location, read};
use serde_json::json;

use super::application::valid;
use super::case::{report_on, set};

const YAML: &str = "\
apiVersion: v2
id: press
metadata:
  name: Press
  version: '1'
  catalog:
    organization: []
deploymentProfiles:
  - type: compose
    id: single
    components:
      - name: web
        properties:
          repository: oci://registry.example/web
          timeout: 30s
";

#[test]
fn all_findings_come_at_once_with_line_and_column() {
    let report = read::<ApplicationDescription>(YAML.as_bytes())
        .unwrap()
        .validate();
    let findings: Vec<_> = report
        .findings()
        .iter()
        .map(|it| {
            (
                it.rule.name,
                it.location
                    .map(|Location { line, column, .. }| (line, column)),
            )
        })
        .collect();
    assert_eq!(
        findings,
        [
            ("application.api-version", Some((1, 13))),
            ("application.organization", Some((7, 19))),
            // What is missing is where it would have to be.
            ("component.revision", Some((14, 11))),
            ("component.timeout", Some((15, 20))),
        ]
    );
}

#[test]
fn a_finding_says_where_what_and_why() {
    let report = read::<ApplicationDescription>(YAML.as_bytes())
        .unwrap()
        .validate();
    assert_eq!(
        report.findings()[3].to_string(),
        "error: deploymentProfiles[0].components[0].properties.timeout (line 15, column 20): \
         the time-out is not written in minutes and seconds; write 0m30s \
         [component.timeout, rc3.md 1.4]"
    );
}

/// A document of a megabyte must not become a report of hundreds.
#[test]
fn a_report_is_bounded_and_warnings_do_not_hide_errors() {
    let mut document = valid();
    for number in 0..5000 {
        set(&mut document, &format!("/unknown-{number}"), number);
    }
    set(&mut document, "/x-acme-extensions", "no object");
    set(
        &mut document,
        "/deploymentProfiles/0/components/0/properties/timeout",
        "1s",
    );
    set(&mut document, "/configuration/schema/2/dataType", "float");
    let report = report_on(&document);
    assert!(!report.is_valid());
    assert_eq!(report.errors().count(), 3);
    assert_eq!(report.warnings().count(), 100);

    let components: Vec<_> = (0..5000)
        .map(|_| json!({ "name": "a", "properties": {} }))
        .collect();
    set(
        &mut document,
        "/deploymentProfiles/1/components",
        components,
    );
    let report = report_on(&document);
    assert!(!report.is_valid());
    assert_eq!(report.errors().count(), 100);
}
