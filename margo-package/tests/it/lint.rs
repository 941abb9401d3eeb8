//! Lint findings, one change of a clean description at a time.

mod components;

use margo_package::lint::{lint_description, rules};
use margo_types::application::ApplicationDescription;
use margo_types::{Location, read};

const CLEAN: &str = "\
apiVersion: v1
id: pump-monitor
metadata:
  name: Pump monitor
  version: 2.1.0
  catalog:
    organization:
      - name: Pumps
deploymentProfiles:
  - type: compose
    id: compose
    components:
      - name: monitor
        properties:
          repository: oci://registry.example/pumps/monitor
          revision: 2.1.0
          timeout: 2m0s
    deviceConstraints:
      capacityRequirements:
        memory: 64Mi
parameters:
  greeting:
    value: Hello
    targets:
      - pointer: GREETING
        components: [monitor]
configuration:
  sections:
    - name: General
      settings:
        - parameter: greeting
          name: Greeting
          schema: text
  schema:
    - name: text
      dataType: string
";

#[test]
fn a_careful_description_has_no_findings() {
    assert_eq!(found(CLEAN), [] as [(&str, String); 0]);
}

#[test]
fn every_rule_finds_what_it_is_for() {
    let constraints = "    deviceConstraints:\n      capacityRequirements:\n        memory: 64Mi\n";
    let setting =
        "        - parameter: greeting\n          name: Greeting\n          schema: text\n";
    let cases = [
        (
            "lint.profile-constraints",
            "deploymentProfiles[0]",
            CLEAN.replace(constraints, ""),
        ),
        (
            "lint.component-timeout",
            "deploymentProfiles[0].components[0].properties",
            CLEAN.replace("          timeout: 2m0s\n", ""),
        ),
        (
            "lint.parameter-fixed",
            "parameters.fixed",
            CLEAN.replace(
                "parameters:\n",
                "parameters:\n  fixed:\n    value: 1\n    targets: []\n",
            ),
        ),
        (
            "lint.parameter-unused",
            "parameters.unused",
            CLEAN.replace("parameters:\n", "parameters:\n  unused:\n    targets: []\n"),
        ),
        (
            "lint.setting-default",
            "parameters.greeting",
            CLEAN.replace("    value: Hello\n", ""),
        ),
        (
            "lint.secret-default",
            "parameters.greeting.value",
            CLEAN.replace("name: Greeting", "name: API key"),
        ),
        (
            "lint.schema-unused",
            "configuration.schema[1]",
            format!("{CLEAN}    - name: other\n      dataType: integer\n"),
        ),
    ];
    for (rule, path, text) in &cases {
        assert_eq!(found(text), [(*rule, (*path).to_owned())], "{rule}");
    }
    let tested = cases.iter().map(|(name, ..)| *name).collect::<Vec<_>>();
    let untested: Vec<_> = rules()
        .map(|rule| rule.name)
        .filter(|name| !tested.contains(name) && !components::TESTED.contains(name))
        .collect();
    assert_eq!(untested, [] as [&str; 0]);
    assert!(CLEAN.contains(setting) && CLEAN.contains(constraints));
}

#[test]
fn findings_say_where_they_are() {
    let description =
        read::<ApplicationDescription>(CLEAN.replace("    value: Hello\n", "").as_bytes()).unwrap();
    let report = lint_description(&description);
    assert_eq!(
        report.findings()[0].location,
        Some(Location {
            line: 23,
            column: 5
        }),
        "{report}"
    );
}

fn found(text: &str) -> Vec<(&'static str, String)> {
    let description = read::<ApplicationDescription>(text.as_bytes()).unwrap();
    let report = lint_description(&description);
    assert!(report.is_valid(), "lint only warns: {report}");
    report
        .findings()
        .iter()
        .map(|finding| (finding.rule.name, finding.path.to_string()))
        .collect()
}
