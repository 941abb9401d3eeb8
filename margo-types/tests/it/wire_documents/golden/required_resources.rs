//! What a device must offer, in both forms.

use margo_types::SpecVersion;
use serde_json::json;

use super::{deployment, description, golden, round_trip, written};

#[test]
fn required_resources_are_constraints() {
    let bytes = golden!("rc1/application-description-helm.yaml");
    let model = description(bytes, SpecVersion::Rc1);
    let constraints = model.deployment_profiles[0]
        .device_constraints
        .as_ref()
        .unwrap();
    let expected = json!({
        "capacityRequirements": {
            "cpu": { "cores": 1.5, "architectures": ["amd64", "riscv64"] },
            "memory": "1024Mi",
            "storage": "10Gi",
        },
        "eligibilityRules": [{ "propertySelector": { "matchExpressions": [
            {
                "key": "/peripherals",
                "operator": "ContainsAll",
                "itemSelector": { "matchExpressions": [
                    { "key": "/type", "operator": "In", "values": ["gpu"] },
                    { "key": "/manufacturer", "operator": "In", "values": ["Lumen"] },
                    { "key": "/model", "operator": "In", "values": ["L4"] },
                ] },
            },
            {
                "key": "/peripherals",
                "operator": "ContainsAll",
                "itemSelector": { "matchExpressions": [
                    { "key": "/type", "operator": "In", "values": ["display"] },
                ] },
            },
            {
                "key": "/interfaces",
                "operator": "ContainsAll",
                "itemSelector": { "matchExpressions": [
                    { "key": "/type", "operator": "In", "values": ["ethernet"] },
                ] },
            },
            {
                "key": "/interfaces",
                "operator": "ContainsAll",
                "itemSelector": { "matchExpressions": [
                    { "key": "/type", "operator": "In", "values": ["canbus"] },
                ] },
            },
        ] } }],
    });
    assert_eq!(serde_json::to_value(constraints).unwrap(), expected);
}

#[test]
fn a_deployment_takes_its_constraints_along() {
    let bytes = golden!("rc1/application-description-helm.yaml");
    let profile = description(bytes, SpecVersion::Rc1)
        .deployment_profiles
        .swap_remove(0);
    let mut model = deployment(
        golden!("rc1/application-deployment-helm.yaml"),
        SpecVersion::Rc1,
    );
    model.spec.deployment_profile.device_constraints = profile.device_constraints;
    assert!(written(&model, SpecVersion::Rc1).contains("requiredResources:"));
    round_trip(&model, SpecVersion::Rc1).unwrap();
}

#[test]
fn intermediate_snapshots_have_the_newer_constraints_already() {
    let text = std::str::from_utf8(golden!("rc1/application-description-helm.yaml")).unwrap();
    let (before, rest) = text.split_once("  requiredResources:\n").unwrap();
    let (_, after) = rest.split_once("- type: compose\n").unwrap();
    let newer = "  deviceConstraints:\n    capacityRequirements:\n      memory: 1Gi\n";
    let text = format!("{before}{newer}- type: compose\n{after}");
    let model = description(text.as_bytes(), SpecVersion::Rc1);
    let constraints = model.deployment_profiles[0]
        .device_constraints
        .as_ref()
        .unwrap();
    let memory = constraints
        .capacity_requirements
        .as_ref()
        .unwrap()
        .memory
        .as_ref();
    assert_eq!(memory.unwrap().bytes(), 1 << 30);
    assert!(written(&model, SpecVersion::Rc1).contains("requiredResources:\n    memory: 1Gi\n"));
}

#[test]
fn a_second_name_of_an_architecture_is_read() {
    let text = std::str::from_utf8(golden!("rc1/application-description-helm.yaml")).unwrap();
    let other = text.replace("- amd64", "- x86_64");
    assert_eq!(
        description(other.as_bytes(), SpecVersion::Rc1),
        description(text.as_bytes(), SpecVersion::Rc1)
    );
}
