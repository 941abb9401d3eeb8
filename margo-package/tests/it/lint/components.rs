//! Lint of components and resources, one change of a clean package at a time.

use std::fs;
use std::path::Path;

use margo_package::chart;
use margo_package::lint::{FileFinding, lint_components, lint_directory, lint_resources};
use margo_types::application::ApplicationDescription;
use margo_types::{Severity, read};
use tempfile::TempDir;

use super::CLEAN;
use crate::support::write_tree;

/// What the tests of this file trigger.
pub(super) const TESTED: &[&str] = &[
    "lint.compose-image-tag",
    "lint.compose-limits",
    "lint.compose-privileged",
    "lint.compose-host-network",
    "lint.compose-socket-mount",
    "lint.compose-health-check",
    "chart.lookup",
    "chart.hook",
    "chart.crd-directory",
    "chart.crd-template",
    "lint.chart-values-schema",
    "lint.file-unreferenced",
    "component.compose",
    "component.chart",
];

const COMPOSE: &str = "\
services:
  web:
    image: registry.example/pumps/web:2.1.0
    ports: [\"8080:8080\"]
    volumes:
      - data:/data
    healthcheck:
      test: [\"CMD\", \"true\"]
    deploy:
      resources:
        limits:
          cpus: \"0.5\"
          memory: 64M
";
const CHART: &str = "{apiVersion: v2, name: gauge, version: 1.0.0}";

/// A package with both kinds of component in which nothing is wrong.
fn clean() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write_tree(
        directory.path(),
        &[
            ("components/monitor/compose.yaml", COMPOSE),
            ("components/gauge/Chart.yaml", CHART),
            ("components/gauge/values.schema.json", "{}"),
            ("components/gauge/templates/pod.yaml", "kind: Pod\n"),
            ("components/README.md", "about"),
        ],
    );
    directory
}

#[test]
fn a_careful_package_has_no_findings() {
    let directory = clean();
    let description = read::<ApplicationDescription>(CLEAN.as_bytes()).unwrap();
    assert_eq!(lint_directory(directory.path(), &description), []);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(lint_directory(empty.path(), &description), []);
}

#[test]
fn compose_rules_find_what_they_are_for() {
    let image = "registry.example/pumps/web:2.1.0";
    let cases = [
        ("lint.compose-image-tag", 3, image, "web"),
        ("lint.compose-image-tag", 3, image, "web:latest"),
        (
            "lint.compose-image-tag",
            3,
            image,
            "registry.example:5000/web",
        ),
        ("lint.compose-image-tag", 3, image, "${IMAGE:-web:stable}"),
        ("lint.compose-limits", 3, "          memory: 64M\n", ""),
        ("lint.compose-limits", 3, "          cpus: \"0.5\"\n", ""),
        (
            "lint.compose-privileged",
            4,
            "    ports: [\"8080:8080\"]",
            "    privileged: true",
        ),
        (
            "lint.compose-host-network",
            4,
            "    ports: [\"8080:8080\"]",
            "    network_mode: host",
        ),
        (
            "lint.compose-socket-mount",
            6,
            "data:/data",
            "/var/run/docker.sock:/var/run/docker.sock",
        ),
        (
            "lint.compose-socket-mount",
            6,
            "- data:/data",
            "- {type: bind, source: /run/podman/podman.sock, target: /s}",
        ),
        (
            "lint.compose-health-check",
            3,
            "test: [\"CMD\", \"true\"]",
            "disable: true",
        ),
    ];
    for (rule, line, old, new) in cases {
        let changed = COMPOSE.replace(old, new);
        assert_ne!(changed, COMPOSE, "{old}");
        let findings = with("components/monitor/compose.yaml", &changed);
        assert_eq!(names(&findings), [rule], "{findings:?}");
        assert_eq!(findings[0].file, "components/monitor/compose.yaml");
        assert_eq!(findings[0].finding.severity, Severity::Warning);
        let location = findings[0].finding.location.unwrap();
        assert_eq!(location.line, line, "{rule}: {}", findings[0]);
    }
}

#[test]
fn what_is_known_elsewhere_is_not_missed() {
    let digest = format!("web@sha256:{}", "a".repeat(64));
    let short = "    mem_limit: 64m\n    cpus: 0.5\n";
    let limits = COMPOSE.find("    deploy:").unwrap();
    for good in [
        COMPOSE.replace("registry.example/pumps/web:2.1.0", &digest),
        COMPOSE.replace("registry.example/pumps/web:2.1.0", "${IMAGE}"),
        format!("{}{short}", &COMPOSE[..limits]),
        "services:\n  a:\n    extends: {service: b}\n".to_owned(),
    ] {
        assert_eq!(with("components/monitor/compose.yaml", &good), [], "{good}");
    }
}

#[test]
fn what_the_specification_forbids_in_charts_is_an_error() {
    let cases = [
        (
            "chart.lookup",
            "templates/a.yaml",
            2,
            "\n{{ lookup \"v1\" \"Pod\" \"\" \"\" }}",
        ),
        (
            "chart.hook",
            "templates/a.yaml",
            1,
            "helm.sh/hook: pre-install",
        ),
        ("chart.crd-directory", "crds/a.yaml", 0, "x"),
        (
            "chart.crd-template",
            "templates/a.yaml",
            1,
            "kind: CustomResourceDefinition",
        ),
        (
            "component.chart",
            "Chart.yaml",
            0,
            "{apiVersion: v1, name: gauge, version: 1.0.0}",
        ),
    ];
    for (rule, file, line, content) in cases {
        let file = format!("components/gauge/{file}");
        let findings = with(&file, content);
        assert_eq!(names(&findings), [rule]);
        assert_eq!(findings[0].finding.severity, Severity::Error);
        assert_eq!(findings[0].finding.location.map_or(0, |at| at.line), line);
        assert!(file.starts_with(&findings[0].file), "{}", findings[0]);
    }
    let directory = clean();
    fs::remove_file(directory.path().join("components/gauge/values.schema.json")).unwrap();
    let findings = lint_components(directory.path());
    assert_eq!(names(&findings), ["lint.chart-values-schema"]);
    assert_eq!(findings[0].finding.severity, Severity::Warning);
}

#[test]
fn packed_components_are_searched_too() {
    let directory = clean();
    let components = directory.path().join("components");
    let gauge = components.join("gauge");
    fs::write(gauge.join("templates/pod.yaml"), "helm.sh/hook: test").unwrap();
    pack(&gauge, &components.join("gauge.tgz"));
    let monitor = components.join("monitor");
    fs::write(
        monitor.join("compose.yaml"),
        "services: {web: {image: web}}",
    )
    .unwrap();
    let name = "monitor".parse().unwrap();
    let mut packed = Vec::new();
    margo_package::compose::pack(&monitor, &name, &mut packed).unwrap();
    fs::write(components.join("monitor.tar.gz"), packed).unwrap();
    fs::remove_dir_all(gauge).unwrap();
    fs::remove_dir_all(monitor).unwrap();
    fs::write(components.join("broken.tgz"), "x").unwrap();

    let findings = lint_components(directory.path());
    let found: Vec<_> = findings
        .iter()
        .map(|found| (found.file.as_str(), found.finding.rule.name))
        .collect();
    let compose = "components/monitor.tar.gz/monitor/compose.yaml";
    assert_eq!(
        found,
        [
            ("components/broken.tgz", "component.compose"),
            (
                "components/gauge.tgz/gauge/templates/pod.yaml",
                "chart.hook"
            ),
            (compose, "lint.compose-image-tag"),
            (compose, "lint.compose-limits"),
            (compose, "lint.compose-health-check"),
        ]
    );
}

#[test]
fn every_broken_rule_of_an_archive_is_named() {
    let broken = "services: {web: {image: web, env_file: [a.env, ../b.env]}}";
    let findings = with("components/monitor/compose.yaml", broken);
    assert_eq!(names(&findings), ["component.compose"; 2]);
    assert!(findings[0].to_string().contains("a.env"), "{}", findings[0]);
    let unreadable = with("components/monitor/compose.yaml", "services:\n  - [");
    assert_eq!(names(&unreadable), ["component.compose"]);
    assert!(
        unreadable[0].finding.location.is_some(),
        "{}",
        unreadable[0]
    );
}

#[test]
fn resources_that_nobody_refers_to() {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        "resources/icon.png",
        "resources/old/icon.png",
        "resources/.hidden",
    ];
    write_tree(directory.path(), &files.map(|file| (file, "x")));
    let catalog = "  catalog:\n    application: {icon: ./resources/icon.png}\n";
    let description = CLEAN.replace("  catalog:\n", catalog);
    let description = read::<ApplicationDescription>(description.as_bytes()).unwrap();
    let findings = lint_resources(directory.path(), description.value());
    assert_eq!(names(&findings), ["lint.file-unreferenced"]);
    assert_eq!(findings[0].file, "resources/old/icon.png");
}

/// The findings when one file of the clean package is another.
fn with(file: &str, content: &str) -> Vec<FileFinding> {
    let directory = clean();
    write_tree(directory.path(), &[(file, content)]);
    lint_components(directory.path())
}

fn names(findings: &[FileFinding]) -> Vec<&str> {
    findings
        .iter()
        .map(|found| found.finding.rule.name)
        .collect()
}

fn pack(directory: &Path, file: &Path) {
    let mut packed = Vec::new();
    chart::pack(directory, &mut packed).unwrap();
    fs::write(file, packed).unwrap();
}
