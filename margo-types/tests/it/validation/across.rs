//! Rules that two documents together can break.

use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::manifest::StateManifest;
use margo_types::status::DeploymentStatus;
use margo_types::{
    Document, Report, SpecVersion, read, validate_capabilities_of, validate_reference,
    validate_status_against,
};
use serde_json::{Value, json};

use super::case::{changed, remove, set};
use super::{capabilities, deployment, manifest, status};

pub(super) const RULES: &[&str] = &[
    "reference.deployment-id",
    "report.deployment",
    "report.device-missing",
    "report.device",
    "report.component",
    "report.source",
    "capabilities.path-id",
];

fn document<T: Document>(value: &Value) -> T {
    read(value.to_string().as_bytes()).unwrap().into_value()
}

/// A change, the rule that it breaks, and where.
type Change = (fn(&mut Value), &'static str, &'static str);

/// The deployment that the valid report is about.
fn deployed() -> Value {
    let mut deployment = deployment::valid();
    set(
        &mut deployment,
        "/metadata/deviceId",
        "cell-2/line-1/press-4",
    );
    let mut store = deployment["spec"]["deploymentProfile"]["components"][0].clone();
    set(&mut store, "/name", "store");
    set(
        &mut deployment,
        "/spec/deploymentProfile/components/1",
        store,
    );
    deployment
}

fn report(status: &Value, deployment: &Value) -> Report {
    let deployment: ApplicationDeployment = document(deployment);
    validate_status_against(
        &document::<DeploymentStatus>(status),
        &deployment,
        SpecVersion::Rc3,
    )
}

fn assert_broken(report: &Report, rule: &str, path: &str) {
    let broken: Vec<_> = report
        .errors()
        .map(|it| (it.rule.name, it.path.to_string()))
        .collect();
    assert_eq!(broken, [(rule, path.to_owned())]);
}

/// W19.
#[test]
fn a_deployment_has_the_id_by_which_its_manifest_lists_it() {
    let manifest: StateManifest = document(&manifest::valid());
    let deployment: ApplicationDeployment = document(&deployment::valid());
    assert!(validate_reference(&deployment, &manifest.deployments[0]).is_valid());
    let report = validate_reference(&deployment, &manifest.deployments[1]);
    assert_broken(&report, RULES[0], "id");
}

/// D53 to D56.
#[test]
fn a_report_fits_its_deployment() {
    let fitting = report(&status::valid(), &deployed());
    assert!(fitting.findings().is_empty(), "{fitting}");

    let changes: &[Change] = &[
        (
            |d| set(d, "/deploymentId", "c7d1b6c4-7f0d-4f7a-8d0e-2f0a4b1e9d33"),
            "report.deployment",
            "deploymentId",
        ),
        (
            |d| remove(d, "/deviceId"),
            "report.device-missing",
            "deviceId",
        ),
        (
            |d| set(d, "/deviceId", "cell-2/line-1/press-5"),
            "report.device",
            "deviceId",
        ),
        (
            |d| d["components"].as_array_mut().unwrap().truncate(1),
            "report.component",
            "components",
        ),
        (
            |d| {
                set(
                    d,
                    "/components/2",
                    json!({ "name": "pump", "state": "pending" }),
                );
            },
            "report.component",
            "components[2].name",
        ),
        (
            |d| set(d, "/status/error/source", "store"),
            "report.source",
            "status.error.source",
        ),
    ];
    for (change, rule, path) in changes {
        assert_broken(
            &report(&changed(&status::valid(), *change), &deployed()),
            rule,
            path,
        );
    }
}

/// D48, D55: a gateway chooses the child, or says that it cannot.
#[test]
fn a_report_on_a_deployment_that_a_gateway_places_names_the_child() {
    let mut deployment = deployed();
    set(&mut deployment, "/metadata/deviceId", "cell-2/*");
    let mut status = status::valid();
    assert!(report(&status, &deployment).is_valid());
    set(&mut status, "/status/error/source", "cell-2");
    assert!(report(&status, &deployment).is_valid());
    set(&mut status, "/deviceId", "cell-3/press-4");
    set(&mut status, "/status/error/source", "press-monitor");
    assert_broken(&report(&status, &deployment), "report.device", "deviceId");
    set(&mut status, "/deviceId", "cell-2");
    assert!(report(&status, &deployment).is_valid());
    remove(&mut status, "/deviceId");
    assert_broken(
        &report(&status, &deployment),
        "report.device-missing",
        "deviceId",
    );
}

/// rc3.md ambiguity 35.
#[test]
fn capabilities_are_of_the_device_in_the_path() {
    let reported: DeviceCapabilities = document(&capabilities::valid());
    assert!(validate_capabilities_of(&"cell-2/press-4".parse().unwrap(), &reported).is_valid());
    let report = validate_capabilities_of(&"cell-2".parse().unwrap(), &reported);
    assert_broken(&report, "capabilities.path-id", "properties.id");
}
