//! What older documents cannot mean, and what older generations cannot say: each with its place.

use margo_types::capabilities::{Cpu, DeviceCapabilities, Peripheral, PeripheralType, Runtime};
use margo_types::manifest::{ManifestVersion, StateManifest};
use margo_types::onboarding::{Certificate, OnboardingRequest, OnboardingResponse};
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus};
use margo_types::{Document, Location, ReadError, SpecVersion, WriteError, read, write};
use serde_json::{Value, json};

/// Asserts that a document is refused at `path` with a message that contains `why`.
fn rejected<T: Document>(document: &Value, path: &str, why: &str) {
    let error = read::<T>(document.to_string().as_bytes()).err();
    let error = error.unwrap_or_else(|| panic!("{document} was accepted"));
    let ReadError::Unfit { faults, .. } = &error else {
        panic!("{error}");
    };
    let [fault] = faults.as_slice() else {
        panic!("{error}");
    };
    assert_eq!(fault.path.to_string(), path, "{error}");
    assert!(fault.message.contains(why), "{error}");
    assert!(fault.location.is_some(), "{error}");
}

fn unrepresentable<T: Document>(document: &T, generation: SpecVersion, field: &str, why: &str) {
    match write(document, generation) {
        Err(WriteError::Unrepresentable(refusal)) => {
            assert_eq!(refusal.field, field, "{refusal}");
            assert_eq!(refusal.generation, generation);
            assert!(refusal.why.contains(why), "{refusal}");
        }
        other => panic!("{other:?}"),
    }
}

const OLDER: [SpecVersion; 2] = [SpecVersion::PreDraft, SpecVersion::Rc1];

/// Capabilities of rc.1 with these members added to `properties`.
fn rc1(members: Value) -> Value {
    let mut document = json!({
        "apiVersion": "device.margo.org/v1alpha1",
        "kind": "DeviceCapabilitiesManifest",
        "properties": {"id": "d", "vendor": "v", "modelNumber": "m", "serialNumber": "s"},
    });
    let properties = document["properties"].as_object_mut().unwrap();
    if let Value::Object(members) = members {
        properties.extend(members);
    }
    document
}

fn pre_draft(members: Value) -> Value {
    let mut document = rc1(members);
    document["kind"] = "DeviceCapability".into();
    document
}

fn host() -> DeviceCapabilities {
    let roles = json!({"roles": ["Standalone Cluster"]});
    let bytes = rc1(roles).to_string();
    read(bytes.as_bytes()).unwrap().into_value()
}

#[test]
fn an_unknown_role_is_refused_with_its_place_and_the_known_roles() {
    let text = r#"{
  "kind": "DeviceCapabilitiesManifest",
  "properties": {
    "id": "d", "vendor": "v", "modelNumber": "m", "serialNumber": "s",
    "roles": ["Gateway", "Coffee Machine"],
    "resources": {"cpu": {"cores": 4}, "memory": "8Gi", "storage": "8Gi"}
  }
}"#;
    let error = read::<DeviceCapabilities>(text.as_bytes()).unwrap_err();
    let [fault] = error.faults() else {
        panic!("{error}");
    };
    assert_eq!(fault.path.to_string(), "properties.roles[1]");
    assert_eq!(
        fault.location,
        Some(Location {
            line: 5,
            column: 26
        })
    );
    assert_eq!(
        fault.message,
        "the role \"Coffee Machine\" is unknown; write one of Standalone Cluster, Cluster Leader, \
         Standalone Device, Gateway"
    );
}

#[test]
fn contradictions_inside_capabilities_are_refused() {
    let refused = |members, path, why| rejected::<DeviceCapabilities>(&rc1(members), path, why);
    refused(
        json!({"roles": ["Standalone Device"], "supportedDeploymentTypes": ["helm"]}),
        "properties.supportedDeploymentTypes",
        "the roles promise compose; make both agree",
    );
    refused(
        json!({"roles": ["Gateway"], "supportedDeploymentTypes": ["helm"]}),
        "properties.supportedDeploymentTypes",
        "no deployment type",
    );
    refused(
        json!({"memory": "8Gi", "resources": {"memory": "8Gi"}}),
        "properties.memory",
        "keep one",
    );
    refused(
        json!({"cpu": {"cores": 1}, "cpus": [{"cores": 1}]}),
        "properties",
        "`cpu` is given twice",
    );
    refused(
        json!({"resources": [{}, {}]}),
        "properties.resources",
        "a list of exactly one",
    );
    refused(
        json!({"resources": []}),
        "properties.resources",
        "a list of exactly one",
    );
    refused(
        json!({"resources": {"cpu": [{"cores": 1}, {"architecture": "arm"}]}}),
        "properties.resources.cpu[1]",
        "`cores` is missing",
    );
    let mut reserved = rc1(json!({"roles": ["Gateway"]}));
    reserved["x-margo-rc1-extensions"] = json!({});
    rejected::<DeviceCapabilities>(&reserved, "x-margo-rc1-extensions", "reserved");
}

#[test]
fn invalid_texts_inside_drifted_shapes_are_reported_together() {
    let members = json!({"resources": [{"memory": "8 gigs", "storage": "lots"}]});
    let mut document = rc1(members);
    document["properties"]["id"] = "a//b".into();
    let error = read::<DeviceCapabilities>(document.to_string().as_bytes()).unwrap_err();
    let mut paths: Vec<_> = error
        .faults()
        .iter()
        .map(|fault| fault.path.to_string())
        .collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "properties.id",
            "properties.resources[0].memory",
            "properties.resources[0].storage"
        ]
    );
}

#[test]
fn the_pre_draft_has_its_own_roles_amounts_and_members() {
    let refused = |members, path, why| {
        rejected::<DeviceCapabilities>(&pre_draft(members), path, why);
    };
    refused(
        json!({"roles": ["standalone device", "Gateway"]}),
        "properties.roles[1]",
        "no gateways",
    );
    refused(json!({}), "properties", "`roles` is missing");
    refused(
        json!({"roles": ["Standalone Device"], "memory": "8Gi"}),
        "properties.memory",
        "no such member",
    );
    for amount in [
        json!("64 bananas"),
        json!(-1),
        json!("GB"),
        json!("1.2.3 GB"),
        json!(true),
    ] {
        let members = json!({"roles": ["Standalone Device"], "resources": {"memory": amount}});
        let error = read::<DeviceCapabilities>(pre_draft(members).to_string().as_bytes());
        let error = error.unwrap_err();
        let path = error.faults()[0].path.to_string();
        assert_eq!(path, "properties.resources.memory", "{error}");
    }
    let mut labelled = pre_draft(json!({"roles": ["Standalone Device"]}));
    labelled["labels"] = json!({"a": "b"});
    rejected::<DeviceCapabilities>(&labelled, "labels", "no such member");
}

#[test]
fn amounts_of_the_pre_draft_are_exact_to_a_kibibyte_and_never_too_large() {
    for (written, bytes) in [
        (json!(1), 1_000_000_000 / 1024 * 1024),
        (json!(64.0), 64_000_000_000),
        (json!("64.0 GB"), 64_000_000_000),
        (json!("1.5TB"), 1_500_000_000_000),
        (json!("512 MB"), 512_000_000),
        (json!("8Gi"), 8 << 30),
        (json!("8 Gi"), 8 << 30),
        (json!(0), 0),
    ] {
        let members = json!({"roles": ["Standalone Device"], "resources": {"memory": written}});
        let device = read::<DeviceCapabilities>(pre_draft(members).to_string().as_bytes());
        let memory = device.unwrap().into_value().properties.memory.unwrap();
        assert_eq!(memory.bytes(), bytes, "{written}");
    }
}

#[test]
fn what_came_after_rc1_is_not_written_for_it() {
    for generation in OLDER {
        let refused = |change: fn(&mut DeviceCapabilities), field, why| {
            let mut device = host();
            change(&mut device);
            unrepresentable(&device, generation, field, why);
        };
        refused(
            |device| {
                device.labels = serde_json::from_value(json!({"line": 7})).unwrap();
            },
            "labels",
            "leave them out",
        );
        refused(
            |device| device.properties.supported_runtimes = Some(vec![Runtime::Custom]),
            "properties.supportedRuntimes",
            "set supportedRuntimes to [oci]",
        );
        refused(
            |device| {
                device.properties.supported_deployment_types =
                    Some(vec!["helm".into(), "custom".into()]);
            },
            "properties.supportedDeploymentTypes",
            "leave out other deployment types",
        );
        refused(
            |device| device.properties.supported_deployment_types = None,
            "properties.supportedDeploymentTypes",
            "helm or compose",
        );
        refused(
            |device| device.properties.otel_collector = Some(false),
            "properties.otelCollector",
            "set otelCollector to true",
        );
        refused(
            |device| device.properties.otel_collector = None,
            "properties.otelCollector",
            "set otelCollector to true",
        );
        refused(
            |device| {
                device
                    .properties
                    .extra
                    .0
                    .insert("resources".into(), json!({}));
            },
            "properties.resources",
            "another meaning",
        );
        refused(
            |device| {
                device.extra.0.insert("apiVersion".into(), "v1".into());
            },
            "apiVersion",
            "remove it",
        );
    }
}

#[test]
fn an_extension_that_contradicts_the_capabilities_is_refused() {
    for generation in OLDER {
        let refused = |extension: Value, field: &str, why: &str| {
            let mut device = host();
            device
                .extra
                .0
                .insert("x-margo-rc1-extensions".into(), extension);
            unrepresentable(&device, generation, field, why);
        };
        let roles = "x-margo-rc1-extensions.roles";
        refused(
            json!({"roles": ["Standalone Device"]}),
            roles,
            "remove the extension",
        );
        let extension = "x-margo-rc1-extensions";
        refused(json!({"roles": ["Butler"]}), extension, "Butler");
        refused(
            json!({"color": "red"}),
            extension,
            "`roles` and `resources` only",
        );
        refused(json!("red"), extension, "`roles` and `resources` only");
    }
    let mut device = host();
    let doubled = json!({"resources": {"memory": "8Gi"}});
    device
        .extra
        .0
        .insert("x-margo-rc1-extensions".into(), doubled);
    let rc1_field = "x-margo-rc1-extensions.resources";
    unrepresentable(&device, SpecVersion::Rc1, rc1_field, "remove it");
    let field = "x-margo-rc1-extensions.resources.memory";
    unrepresentable(&device, SpecVersion::PreDraft, field, "remove it");
}

#[test]
fn the_pre_draft_cannot_say_everything_that_rc1_can() {
    let refused = |change: fn(&mut DeviceCapabilities), field, why| {
        let mut device = host();
        change(&mut device);
        write(&device, SpecVersion::Rc1).unwrap();
        unrepresentable(&device, SpecVersion::PreDraft, field, why);
    };
    refused(
        |device| device.properties.storage = Some("8Gi".parse().unwrap()),
        "properties.storage",
        "whole GB",
    );
    refused(
        |device| device.properties.cpus = Some(vec![Cpu::new(2.0, None), Cpu::new(0.5, None)]),
        "properties.cpus[1].cores",
        "whole cores",
    );
    refused(
        |device| {
            let mut camera = Peripheral::new(PeripheralType::Camera);
            camera.manufacturer = Some("Example".into());
            device.properties.peripherals = Some(vec![camera]);
        },
        "properties.peripherals[0].manufacturer",
        "leave it out",
    );
    refused(
        |device| {
            let kept = json!({"roles": ["Gateway", "Standalone Cluster"]});
            device.extra.0.insert("x-margo-rc1-extensions".into(), kept);
        },
        "x-margo-rc1-extensions.roles",
        "no gateways",
    );
    let gateway = rc1(json!({"roles": ["Gateway"]})).to_string();
    let gateway = read::<DeviceCapabilities>(gateway.as_bytes()).unwrap();
    let field = "properties.supportedDeploymentTypes";
    unrepresentable(gateway.value(), SpecVersion::PreDraft, field, "no gateways");
}

#[test]
fn removal_has_no_state_in_the_pre_draft() {
    let id = "6f1d2c0a-3b54-4a8e-9d57-0c2f5b7e8a91".parse().unwrap();
    let web = ComponentStatus::new("web".parse().unwrap(), DeploymentState::Installed);
    let store = ComponentStatus::new("store".parse().unwrap(), DeploymentState::Removing);
    let mut status = DeploymentStatus::new(id, ManifestVersion::FIRST, vec![web, store]);
    let why = "report nothing";
    unrepresentable(&status, SpecVersion::PreDraft, "status.state", why);
    status.status.state = DeploymentState::Installed;
    unrepresentable(&status, SpecVersion::PreDraft, "components[1].state", why);
    status.components[1].state = DeploymentState::Removed;
    unrepresentable(&status, SpecVersion::PreDraft, "components[1].state", why);
    write(&status, SpecVersion::Rc1).unwrap();
    status.extra.0.insert("kind".into(), "Mine".into());
    unrepresentable(&status, SpecVersion::Rc1, "kind", "another meaning");
}

#[test]
fn a_status_has_one_overall_state_and_named_components() {
    let status = |overall: Value, name: &str| {
        json!({
            "kind": "DeploymentStatus", "deploymentId": "6f1d2c0a-3b54-4a8e-9d57-0c2f5b7e8a91",
            "status": overall, "components": [{"name": name, "state": "Pending"}],
        })
    };
    let two = json!([{"state": "Pending"}, {"state": "Failed"}]);
    rejected::<DeploymentStatus>(&status(two, "web"), "status", "exactly one");
    let one = status(json!([{"state": "Pending"}]), "Web");
    rejected::<DeploymentStatus>(&one, "components[0].name", "lower-case");
    let none = status(json!([{}]), "web");
    rejected::<DeploymentStatus>(&none, "status[0]", "`state` is missing");
}

#[test]
fn what_a_generation_does_not_have_is_not_written_for_it() {
    let manifest = StateManifest::new(ManifestVersion::FIRST, None, Vec::new());
    unrepresentable(&manifest, SpecVersion::PreDraft, "manifestVersion", "Git");
    let request = OnboardingRequest::new(Certificate::from_text("MAMCAQU="));
    let response = OnboardingResponse::new("c-1".parse().unwrap());
    for (generation, why) in [
        (SpecVersion::PreDraft, "undefined"),
        (SpecVersion::Rc3, "X.509-SVID"),
    ] {
        unrepresentable(&request, generation, "certificate", why);
        unrepresentable(&response, generation, "clientId", why);
    }
}

#[test]
fn two_spellings_that_disagree_are_refused() {
    let request = json!({"certificate": "MAMCAQU=", "public_certificate": "MAMCAQY="});
    rejected::<OnboardingRequest>(&request, "public_certificate", "differs from `certificate`");
    rejected::<OnboardingRequest>(&json!({}), "document", "`certificate` is missing");
    let response = json!({"clientId": "c-1", "client_id": "c-2"});
    rejected::<OnboardingResponse>(&response, "client_id", "differs from `clientId`");
    rejected::<OnboardingResponse>(&json!({"client_id": "a/b"}), "client_id", "not allowed");
}
