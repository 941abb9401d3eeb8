//! Choosing profiles and devices.

use margo_types::application::{
    ApplicationDescription, CapacityRequirements, DeploymentProfile, DeploymentType,
    DeviceConstraints, Metadata,
};
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec,
};
use margo_types::eligibility::{Constraints, choose_profile, fitting_profiles};

use super::press_line;

fn profile(id: &str, deployment_type: &str, memory: Option<&str>) -> DeploymentProfile {
    let mut profile = DeploymentProfile::new(DeploymentType::from(deployment_type), id, vec![]);
    profile.device_constraints = memory.map(|memory| {
        let mut required = CapacityRequirements::default();
        required.memory = Some(memory.parse().unwrap());
        let mut constraints = DeviceConstraints::default();
        constraints.capacity_requirements = Some(required);
        constraints
    });
    profile
}

fn description(profiles: Vec<DeploymentProfile>) -> ApplicationDescription {
    let metadata: Metadata = serde_json::from_value(serde_json::json!({
        "name": "Press monitor",
        "version": "1.0.0",
        "catalog": { "organization": [{ "name": "Example" }] },
    }))
    .unwrap();
    ApplicationDescription::new("press-monitor".parse().unwrap(), metadata, profiles)
}

fn named(id: &str, memory: &str) -> DeviceCapabilities {
    let mut device = press_line();
    device.properties.id = id.parse().unwrap();
    device.properties.memory = Some(memory.parse().unwrap());
    device
}

#[test]
fn profiles_go_by_constraints_and_then_by_order() {
    let application = description(vec![
        profile("charts", "helm", None),
        profile("large", "compose", Some("128Gi")),
        profile("medium", "compose", Some("32Gi")),
        profile("small", "compose", None),
    ]);
    let device = press_line();
    let ids: Vec<&str> = fitting_profiles(&application, &device)
        .map(|profile| profile.id.as_str())
        .collect();
    assert_eq!(ids, ["medium", "small"]);
    assert_eq!(choose_profile(&application, &device).unwrap().id, "medium");
}

#[test]
fn an_application_without_fitting_profile_is_not_placeable() {
    let application = description(vec![
        profile("charts", "helm", None),
        profile("large", "compose", Some("128Gi")),
    ]);
    let refusal = choose_profile(&application, &press_line()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "not placeable: nothing fits\n\
         profile charts: not placeable: supports deployment type helm is false: the device supports compose, wasm\n\
         profile large: not placeable: memory >= 128Gi is false: the device has 59Gi"
    );
}

#[test]
fn types_nobody_knows_fit_by_name_and_as_custom() {
    let device = press_line();
    let fits = |name| Constraints::of_profile(&profile("p", name, None)).matches(&device);
    assert!(fits("compose") && fits("wasm") && fits("custom"));
    assert!(!fits("helm") && !fits("unikernel"));

    let mut plain = press_line();
    plain.properties.supported_deployment_types = Some(vec![DeploymentType::Custom]);
    assert!(Constraints::of_profile(&profile("p", "custom", None)).matches(&plain));
    assert!(!Constraints::of_profile(&profile("p", "wasm", None)).matches(&plain));
    plain.properties.supported_deployment_types = None;
    assert!(!Constraints::of_profile(&profile("p", "compose", None)).matches(&plain));
}

#[test]
fn the_first_fitting_device_or_all_of_them() {
    let compiled = Constraints::of_profile(&profile("p", "compose", Some("8Gi")));
    let devices = [
        named("a", "4Gi"),
        named("b", "8Gi"),
        named("c", "1Gi"),
        named("d", "16Gi"),
    ];
    let ids: Vec<&str> = compiled
        .fitting(&devices)
        .map(|device| device.properties.id.as_str())
        .collect();
    assert_eq!(ids, ["b", "d"]);
    assert_eq!(
        compiled.choose(&devices).unwrap().properties.id.as_str(),
        "b"
    );

    let refusal = compiled.choose([&devices[0], &devices[2]]).unwrap_err();
    assert_eq!(refusal.considered.len(), 2);
    assert!(
        refusal
            .to_string()
            .contains("device c: not placeable: memory >= 8Gi is false")
    );
    let nothing = compiled.choose([]).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "not placeable: there is nothing to choose from"
    );
}

#[test]
fn a_gateway_chooses_among_the_devices_its_deployment_is_for() {
    let deployment = |target: &str| {
        let profile = DeployedProfile::new(DeploymentType::Compose, vec![]);
        ApplicationDeployment::new(
            "0f9c1c7e-6d1f-4f0e-9d3f-6a0b3f6f2a11".parse().unwrap(),
            DeploymentMetadata::new("press", "default", target.parse().unwrap()),
            DeploymentSpec::new("press-monitor".parse().unwrap(), profile),
        )
    };
    let devices = [
        named("hall-3", "8Gi"),
        named("hall-3/a", "8Gi"),
        named("hall-3/b", "8Gi"),
    ];
    for (target, chosen) in [
        ("hall-3/*", "hall-3/a"),
        ("hall-3/b", "hall-3/b"),
        ("hall-3", "hall-3"),
    ] {
        let compiled = Constraints::of_deployment(&deployment(target));
        let device = compiled.choose(&devices).unwrap();
        assert_eq!(device.properties.id.as_str(), chosen, "{target}");
    }
    let elsewhere = Constraints::of_deployment(&deployment("hall-4/*"));
    assert_eq!(
        elsewhere.explain(&devices[1]).to_string(),
        "not placeable: is hall-4/* is false: the device is hall-3/a"
    );
}
