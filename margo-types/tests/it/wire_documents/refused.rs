//! What older generations cannot express is refused by name, never dropped.

mod constraints;

use margo_types::application::{
    ApplicationDescription, Component, DeploymentType, DeviceConstraints, Target,
};
use margo_types::deployment::{ApplicationDeployment, DeployedProfile};
use margo_types::id::DeviceTarget;
use margo_types::scalar::Repository;
use margo_types::{Document, Extra, SpecVersion, WriteError, read, write};
use serde_json::{Value, json};

use SpecVersion::{PreDraft, Rc1};

fn deployment() -> ApplicationDeployment {
    let bytes = include_bytes!("../../golden/rc1/application-deployment-mixed.yaml");
    read(bytes).unwrap().into_value()
}

fn description() -> ApplicationDescription {
    let bytes = include_bytes!("../../golden/pre-draft/application-description.yaml");
    read(bytes).unwrap().into_value()
}

#[track_caller]
fn assert_refused<T: Document>(model: &T, generations: &[SpecVersion], field: &str, word: &str) {
    for &generation in generations {
        match write(model, generation) {
            Err(WriteError::Unrepresentable(refusal)) => {
                assert_eq!(
                    (refusal.field.as_str(), refusal.generation),
                    (field, generation)
                );
                assert!(refusal.why.contains(word), "{refusal}");
            }
            other => panic!("{generation}: {other:?}"),
        }
    }
}

fn profile(deployment: &mut ApplicationDeployment) -> &mut DeployedProfile {
    &mut deployment.spec.deployment_profile
}

fn component(deployment: &mut ApplicationDeployment) -> &mut Component {
    &mut profile(deployment).components[0]
}

fn component_of(description: &mut ApplicationDescription, profile: usize) -> &mut Component {
    &mut description.deployment_profiles[profile].components[0]
}

fn annotate(deployment: &mut ApplicationDeployment, annotations: Value) {
    deployment.metadata.extra = member("annotations", annotations);
}

fn target(deployment: &mut ApplicationDeployment, text: &str) {
    deployment.metadata.device_id = Some(DeviceTarget::parse(text).unwrap());
}

fn point(target: &mut Target) {
    "ENV.A".clone_into(&mut target.pointer);
}

/// A change to a document, the generations that refuse it, the field they name and a word of the reason.
type Case<T> = (
    fn(&mut T),
    &'static [SpecVersion],
    &'static str,
    &'static str,
);

fn member(key: &str, value: Value) -> Extra {
    Extra([(key.to_owned(), value)].into())
}

fn repository() -> Option<Repository> {
    Repository::parse("oci://registry.example/compose/hello").ok()
}

fn resources() -> DeviceConstraints {
    DeviceConstraints::default()
}

fn extension() -> Extra {
    member("x-acme-extensions", json!({}))
}

const BOTH: &[SpecVersion] = &[PreDraft, Rc1];
const OLDEST: &[SpecVersion] = &[PreDraft];

#[test]
fn members_of_deployments_that_mean_something_else() {
    refuse_each(
        &deployment(),
        &[
            (
                |d| annotate(d, json!({"id": "a"})),
                BOTH,
                "metadata.annotations.id",
                "rename",
            ),
            (
                |d| annotate(d, json!({"deviceId": "a"})),
                BOTH,
                "metadata.annotations.deviceId",
                "rename",
            ),
            (
                |d| annotate(d, json!({})),
                BOTH,
                "metadata.annotations",
                "annotations are",
            ),
            (
                |d| annotate(d, json!("a")),
                BOTH,
                "metadata.annotations",
                "annotations are",
            ),
            (
                |d| d.metadata.extra = member("id", json!("a")),
                BOTH,
                "metadata.id",
                "rename",
            ),
            (
                |d| d.metadata.extra = member("applicationId", json!("a")),
                BOTH,
                "metadata.applicationId",
                "rename",
            ),
            (
                |d| d.extra = member("kind", json!("a")),
                BOTH,
                "kind",
                "rename",
            ),
            (
                |d| d.extra = member("apiVersion", json!("a")),
                BOTH,
                "apiVersion",
                "rename",
            ),
            (
                |d| profile(d).extra = member("requiredResources", json!({})),
                BOTH,
                "spec.deploymentProfile.requiredResources",
                "rename",
            ),
        ],
    );
}

#[test]
fn deployments() {
    refuse_each(
        &deployment(),
        &[
            (
                |d| target(d, "gw/edge"),
                BOTH,
                "metadata.deviceId",
                "gateways",
            ),
            (|d| target(d, "gw/*"), BOTH, "metadata.deviceId", "gateways"),
            (
                |d| d.extra = extension(),
                BOTH,
                "x-acme-extensions",
                "no extensions",
            ),
            (
                |d| d.spec.extra = extension(),
                BOTH,
                "spec.x-acme-extensions",
                "no extensions",
            ),
            (
                |d| profile(d).extra = extension(),
                BOTH,
                "spec.deploymentProfile.x-acme-extensions",
                "no extensions",
            ),
            (
                |d| component(d).extra = extension(),
                BOTH,
                "spec.deploymentProfile.components[0].x-acme-extensions",
                "no extensions",
            ),
            (
                |d| profile(d).deployment_type = DeploymentType::Custom,
                BOTH,
                "spec.deploymentProfile.type",
                "\"custom\"",
            ),
            (
                |d| profile(d).deployment_type = "wasm".into(),
                BOTH,
                "spec.deploymentProfile.type",
                "\"wasm\"",
            ),
            (
                |d| profile(d).deployment_type = DeploymentType::Helm,
                BOTH,
                "spec.deploymentProfile.components[0].properties.packageLocation",
                "chart",
            ),
            (
                |d| {
                    profile(d).deployment_type = DeploymentType::Helm;
                    component(d).properties.package_location = None;
                },
                BOTH,
                "spec.deploymentProfile.components[0].properties.keyLocation",
                "chart",
            ),
            (
                |d| point(&mut d.spec.parameters.get_mut("greeting").unwrap().targets[0]),
                BOTH,
                "spec.parameters.greeting.targets[0].pointer",
                "ENV.",
            ),
            (
                |d| component(d).properties.repository = repository(),
                OLDEST,
                "spec.deploymentProfile.components[0].properties.repository",
                "packageLocation",
            ),
            (
                |d| component(d).properties.revision = "1.0.0".parse().ok(),
                OLDEST,
                "spec.deploymentProfile.components[0].properties.revision",
                "packageLocation",
            ),
            (
                |d| profile(d).device_constraints = Some(resources()),
                OLDEST,
                "spec.deploymentProfile.deviceConstraints",
                "remove",
            ),
        ],
    );
}

#[test]
fn descriptions() {
    refuse_each(
        &description(),
        &[
            (
                |d| d.extra = extension(),
                BOTH,
                "x-acme-extensions",
                "no extensions",
            ),
            (
                |d| d.extra = member("kind", json!("a")),
                BOTH,
                "kind",
                "rename",
            ),
            (
                |d| d.metadata.extra = member("id", json!("a")),
                BOTH,
                "metadata.id",
                "rename",
            ),
            (
                |d| d.metadata.extra = member("annotations", json!({"id": "a"})),
                BOTH,
                "metadata.annotations.id",
                "rename",
            ),
            (
                |d| d.metadata.extra = member("annotations", json!([])),
                BOTH,
                "metadata.annotations",
                "annotations are",
            ),
            (
                |d| d.deployment_profiles[1].deployment_type = DeploymentType::Custom,
                BOTH,
                "deploymentProfiles[1].type",
                "\"custom\"",
            ),
            (
                |d| d.deployment_profiles[1].extra = extension(),
                BOTH,
                "deploymentProfiles[1].x-acme-extensions",
                "no extensions",
            ),
            (
                |d| d.deployment_profiles[1].extra = member("requiredResources", json!({})),
                BOTH,
                "deploymentProfiles[1].requiredResources",
                "rename",
            ),
            (
                |d| component_of(d, 0).extra = extension(),
                BOTH,
                "deploymentProfiles[0].components[0].x-acme-extensions",
                "no extensions",
            ),
            (
                |d| component_of(d, 0).properties.package_location = Some(String::new()),
                BOTH,
                "deploymentProfiles[0].components[0].properties.packageLocation",
                "chart",
            ),
            (
                |d| point(&mut d.parameters.get_mut("greeting").unwrap().targets[1]),
                BOTH,
                "parameters.greeting.targets[1].pointer",
                "ENV.",
            ),
            (
                |d| component_of(d, 1).properties.repository = repository(),
                OLDEST,
                "deploymentProfiles[1].components[0].properties.repository",
                "packageLocation",
            ),
            (
                |d| d.deployment_profiles[0].device_constraints = Some(resources()),
                OLDEST,
                "deploymentProfiles[0].deviceConstraints",
                "remove",
            ),
            (
                |d| "helm-1".clone_into(&mut d.deployment_profiles[1].id),
                OLDEST,
                "deploymentProfiles[1].id",
                "earlier",
            ),
        ],
    );
}

/// What only the oldest generation refuses, rc.1 keeps.
fn refuse_each<T: Document + Clone + PartialEq + std::fmt::Debug>(model: &T, cases: &[Case<T>]) {
    for (change, generations, field, word) in cases {
        let mut model = model.clone();
        change(&mut model);
        assert_refused(&model, generations, field, word);
        if !generations.contains(&Rc1) {
            super::round_trip(&model, Rc1).unwrap();
        }
    }
}
