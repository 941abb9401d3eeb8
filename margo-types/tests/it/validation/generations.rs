//! What only the newest generation demands (rc1-and-pre-draft.md 7 to 10, 16 to 18).

use margo_types::{Document, Report, SpecVersion, read, validate};
use serde_json::{Value, json};

use super::case::{changed, remove, set};
use super::{application, capabilities, deployment, manifest, problem, status};

/// The rules that only older generations have.
pub(super) const RULES: &[&str] = &["component.location"];

fn report<T: Document>(value: &Value, generation: SpecVersion) -> Report {
    let document = read::<T>(value.to_string().as_bytes()).unwrap();
    validate(document.value(), generation)
}

/// Checks that only the newest generation refuses the changed document.
fn newest_only<T: Document>(valid: &Value, change: fn(&mut Value), rule: &str) {
    let document = changed(valid, change);
    let broken = report::<T>(&document, SpecVersion::Rc3);
    assert_eq!(
        broken
            .findings()
            .iter()
            .map(|it| it.rule.name)
            .collect::<Vec<_>>(),
        [rule]
    );
    for older in [SpecVersion::Rc1, SpecVersion::PreDraft] {
        let report = report::<T>(&document, older);
        assert!(
            report.errors().all(|it| it.rule.name != rule),
            "{older}: {report}"
        );
        assert!(report.is_valid(), "{older}: {report}");
    }
}

#[test]
fn descriptions() {
    use margo_types::application::ApplicationDescription as Description;

    let valid = application::valid();
    let check = |change, rule| newest_only::<Description>(&valid, change, rule);
    check(
        |d| set(d, "/apiVersion", "margo.org/v1-alpha1"),
        "application.api-version",
    );
    check(|d| set(d, "/deploymentProfiles/1/id", ""), "text.empty");
    check(
        |d| set(d, "/deploymentProfiles/1/id", "cluster"),
        "application.profile-id",
    );
    let properties = "/deploymentProfiles/0/components/0/properties";
    assert_eq!(
        valid.pointer(properties).unwrap()["revision"],
        "1.4.0-rc.1_b.7"
    );
    check(
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/revision",
                "v1",
            );
        },
        "component.revision",
    );
    check(
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/timeout",
                "90s",
            );
        },
        "component.timeout",
    );
    check(
        |d| {
            set(
                d,
                "/deploymentProfiles/0/components/0/properties/repository",
                "https://charts.example/a",
            );
        },
        "component.repository",
    );
    check(
        |d| {
            set(
                d,
                "/deploymentProfiles/1/components/0/properties/packageLocation",
                "https://x.example/a",
            );
        },
        "component.package-location",
    );
    check(
        |d| {
            set(
                d,
                "/parameters/interval/targets/1/pointer",
                "ENV.POLL_INTERVAL",
            );
        },
        "parameter.env-prefix",
    );
    check(
        |d| set(d, "/deploymentProfiles/0/components/0/colour", "red"),
        "member.forbidden",
    );
}

#[test]
fn older_components_are_somewhere() {
    use margo_types::application::ApplicationDescription;

    let mut document = application::valid();
    let properties = "/deploymentProfiles/1/components/0/properties";
    set(
        &mut document,
        properties,
        json!({ "packageLocation": "https://x.example/a.tgz" }),
    );
    for older in [SpecVersion::Rc1, SpecVersion::PreDraft] {
        let report = report::<ApplicationDescription>(&document, older);
        assert!(report.findings().is_empty(), "{report}");
    }
    set(&mut document, properties, json!({}));
    for older in [SpecVersion::Rc1, SpecVersion::PreDraft] {
        let report = report::<ApplicationDescription>(&document, older);
        let error = report.errors().next().unwrap();
        assert_eq!(error.rule.name, RULES[0]);
        assert_eq!(
            error.path.to_string(),
            "deploymentProfiles[1].components[0].properties"
        );
    }
}

#[test]
fn deployments() {
    use margo_types::deployment::ApplicationDeployment as Deployment;

    let valid = deployment::valid();
    let check = |change, rule| newest_only::<Deployment>(&valid, change, rule);
    check(|d| remove(d, "/metadata/namespace"), "deployment.namespace");
    check(|d| remove(d, "/metadata/deviceId"), "deployment.device-id");
    check(
        |d| remove(d, "/spec/applicationId"),
        "deployment.application-id",
    );
    check(|d| set(d, "/spec/colour", "red"), "member.forbidden");
}

#[test]
fn capabilities_of_hosts() {
    use margo_types::capabilities::DeviceCapabilities as Capabilities;

    let valid = capabilities::valid();
    let check = |change, rule| newest_only::<Capabilities>(&valid, change, rule);
    check(
        |d| remove(d, "/properties/otelCollector"),
        "capabilities.host-property",
    );
    check(
        |d| remove(d, "/properties/supportedRuntimes"),
        "capabilities.host-property",
    );
    check(
        |d| set(d, "/properties/otelCollector", false),
        "capabilities.otel-collector",
    );

    let without = changed(&valid, |d| remove(d, "/properties/peripherals"));
    assert!(report::<Capabilities>(&without, SpecVersion::Rc1).is_valid());
    assert!(!report::<Capabilities>(&without, SpecVersion::PreDraft).is_valid());
    let without = changed(&valid, |d| remove(d, "/properties/cpus"));
    assert!(!report::<Capabilities>(&without, SpecVersion::Rc1).is_valid());
}

#[test]
fn statuses() {
    use margo_types::status::DeploymentStatus as Status;

    let valid = status::valid();
    let check = |change, rule| newest_only::<Status>(&valid, change, rule);
    check(
        |d| remove(d, "/adoptedManifestVersion"),
        "status.adopted-manifest-version",
    );
    check(
        |d| remove(d, "/status/error/source"),
        "status.error-members",
    );
    check(
        |d| set(d, "/components/1/error/source", "pump"),
        "status.component-source",
    );
    check(
        |d| set(d, "/components/1/error/code", "101"),
        "status.reserved-code",
    );

    let milder = changed(&valid, |d| set(d, "/status/state", "installing"));
    assert!(!report::<Status>(&milder, SpecVersion::Rc1).is_valid());
    assert!(report::<Status>(&milder, SpecVersion::PreDraft).is_valid());
}

#[test]
fn urls_name_the_client_before_rc_2() {
    use margo_types::manifest::StateManifest as Manifest;

    let newest = manifest::valid().to_string();
    for client in ["clients/c-1", "devices/d-1"] {
        let older = newest.replace("/api/v1/", &format!("/api/v1/{client}/"));
        let older = serde_json::from_str(&older).unwrap();
        assert!(
            report::<Manifest>(&older, SpecVersion::Rc1)
                .findings()
                .is_empty()
        );
        let errors = report::<Manifest>(&older, SpecVersion::Rc3);
        assert!(errors.errors().all(|it| it.rule.name == "manifest.url"));
        assert_eq!(errors.errors().count(), 3);
    }
    assert!(!report::<Manifest>(&manifest::valid(), SpecVersion::Rc1).is_valid());
}

#[test]
fn problem_types_were_registered_late() {
    use margo_types::problem::Problem;

    let document = changed(&problem::valid(), |d| set(d, "/status", 400));
    assert!(!report::<Problem>(&document, SpecVersion::Rc3).is_valid());
    assert!(report::<Problem>(&document, SpecVersion::Rc1).is_valid());
}
