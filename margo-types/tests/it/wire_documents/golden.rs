//! Documents as authors and fleet managers of each generation write them.

use margo_types::application::{
    ApplicationDescription, DeploymentType, MatchExpression, Operator, SchemaClass,
};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeviceTarget;
use margo_types::{AnyDocument, ExtensionName, Kind, Reader, SpecVersion, read, read_any, write};
use serde_json::json;

use super::round_trip;

macro_rules! golden {
    ($path:literal) => {
        include_bytes!(concat!("../../golden/", $path)).as_slice()
    };
}

fn description(bytes: &[u8], generation: SpecVersion) -> ApplicationDescription {
    match read_any(bytes).unwrap() {
        AnyDocument::ApplicationDescription(document) => {
            assert_eq!(document.generation(), generation);
            document.into_value()
        }
        other => panic!("{:?}", other.kind()),
    }
}

fn deployment(bytes: &[u8], generation: SpecVersion) -> ApplicationDeployment {
    match read_any(bytes).unwrap() {
        AnyDocument::ApplicationDeployment(document) => {
            assert_eq!(document.generation(), generation);
            document.into_value()
        }
        other => panic!("{:?}", other.kind()),
    }
}

fn written<T: margo_types::Document>(model: &T, generation: SpecVersion) -> String {
    String::from_utf8(write(model, generation).unwrap()).unwrap()
}

#[test]
fn the_kind_and_generation_of_every_document_show_in_its_shape() {
    use Kind::{ApplicationDeployment, ApplicationDescription};
    use SpecVersion::{PreDraft, Rc1, Rc3};
    for (bytes, kind, generation) in [
        (
            golden!("rc3/application-description-hello-compose.yaml"),
            ApplicationDescription,
            Rc3,
        ),
        (
            golden!("rc3/application-description-full.yaml"),
            ApplicationDescription,
            Rc3,
        ),
        (
            golden!("rc3/application-deployment-compose.yaml"),
            ApplicationDeployment,
            Rc3,
        ),
        (
            golden!("rc3/application-deployment-helm.yaml"),
            ApplicationDeployment,
            Rc3,
        ),
        (
            golden!("rc3/application-deployment-gateway.yaml"),
            ApplicationDeployment,
            Rc3,
        ),
        (
            golden!("rc1/application-description-helm.yaml"),
            ApplicationDescription,
            Rc1,
        ),
        (
            golden!("rc1/application-deployment-helm.yaml"),
            ApplicationDeployment,
            Rc1,
        ),
        (
            golden!("rc1/application-deployment-late.yaml"),
            ApplicationDeployment,
            Rc1,
        ),
        (
            golden!("rc1/application-deployment-mixed.yaml"),
            ApplicationDeployment,
            Rc1,
        ),
        (
            golden!("rc1/application-deployment-reference.yaml"),
            ApplicationDeployment,
            Rc1,
        ),
        (
            golden!("pre-draft/application-description.yaml"),
            ApplicationDescription,
            PreDraft,
        ),
        (
            golden!("pre-draft/application-deployment-compose.yaml"),
            ApplicationDeployment,
            PreDraft,
        ),
        (
            golden!("pre-draft/application-deployment-oldest.yaml"),
            ApplicationDeployment,
            PreDraft,
        ),
    ] {
        let document = read_any(bytes).unwrap();
        assert_eq!((document.kind(), document.generation()), (kind, generation));
    }
}

#[test]
fn what_is_written_for_a_generation_looks_like_its_documents() {
    use SpecVersion::{PreDraft, Rc1};
    for (bytes, generation) in [
        (golden!("rc1/application-deployment-helm.yaml"), Rc1),
        (
            golden!("pre-draft/application-deployment-compose.yaml"),
            PreDraft,
        ),
    ] {
        let text = std::str::from_utf8(bytes).unwrap();
        assert_eq!(written(&deployment(bytes, generation), generation), text);
    }
    for (bytes, generation) in [
        (golden!("rc1/application-description-helm.yaml"), Rc1),
        (golden!("pre-draft/application-description.yaml"), PreDraft),
    ] {
        let text = std::str::from_utf8(bytes).unwrap();
        assert_eq!(written(&description(bytes, generation), generation), text);
    }
}

#[test]
fn the_same_deployment_is_the_same_in_every_layout() {
    let newest = deployment(
        golden!("rc3/application-deployment-helm.yaml"),
        SpecVersion::Rc3,
    );
    let annotated = deployment(
        golden!("rc1/application-deployment-helm.yaml"),
        SpecVersion::Rc1,
    );
    let late = deployment(
        golden!("rc1/application-deployment-late.yaml"),
        SpecVersion::Rc1,
    );
    assert_eq!(newest, annotated);
    assert_eq!(newest, late);
    assert_eq!(
        newest
            .metadata
            .device_id
            .as_ref()
            .map(ToString::to_string)
            .as_deref(),
        Some("edge-12")
    );
    round_trip(&newest, SpecVersion::Rc1).unwrap();

    // A Helm deployment of the pre-draft is written the same way, so its generation cannot be seen.
    let text = written(&newest, SpecVersion::PreDraft);
    assert_eq!(text, written(&newest, SpecVersion::Rc1));
    round_trip(&newest, SpecVersion::PreDraft).unwrap();
}

#[test]
fn compose_deployments_differ_in_spelling_only() {
    let rc1 = deployment(
        golden!("rc1/application-deployment-mixed.yaml"),
        SpecVersion::Rc1,
    );
    let bytes = golden!("pre-draft/application-deployment-compose.yaml");
    let pre_draft = deployment(bytes, SpecVersion::PreDraft);
    assert_eq!(rc1, pre_draft);
    let profile = &rc1.spec.deployment_profile;
    assert_eq!(profile.deployment_type, DeploymentType::Compose);
    let properties = &profile.components[0].properties;
    assert_eq!(
        properties.package_location.as_deref(),
        Some("https://files.riverside.example/hello.tar.gz")
    );
    assert_eq!(
        properties.key_location.as_deref(),
        Some("https://files.riverside.example/hello.asc")
    );
    assert_eq!(properties.wait, Some(true));
    assert_eq!(
        rc1.spec.parameters["greeting"].targets[0].pointer,
        "GREETING"
    );
    assert_eq!(
        rc1.metadata.extra.0["annotations"],
        json!({ "contact": "night crew" })
    );
    for generation in [SpecVersion::Rc1, SpecVersion::PreDraft] {
        round_trip(&rc1, generation).unwrap();
    }
}

#[test]
fn what_the_reference_fleet_manager_sends_is_read() {
    let bytes = golden!("rc1/application-deployment-reference.yaml");
    let model = deployment(bytes, SpecVersion::Rc1);
    assert_eq!(model.id.to_string(), "0b6f2f1e-94d1-4c0a-8a77-3c5de81b6f40");
    assert_eq!(model.spec.application_id, None);
    assert_eq!(
        model.spec.extra.0["appPackageRef"],
        json!({ "id": "pkg-17" })
    );
    let profile = &model.spec.deployment_profile;
    assert_eq!(profile.deployment_type, DeploymentType::Helm);
    assert_eq!(
        profile.components[0]
            .properties
            .revision
            .as_ref()
            .unwrap()
            .as_str(),
        "1.10"
    );
    round_trip(&model, SpecVersion::Rc1).unwrap();
}

#[test]
fn the_oldest_form_has_no_name_and_gets_none() {
    let bytes = golden!("pre-draft/application-deployment-oldest.yaml");
    let model = deployment(bytes, SpecVersion::PreDraft);
    assert_eq!(model.metadata.name, "com-riverside-hello");
    assert_eq!(model.metadata.namespace, None);
    assert_eq!(
        model.spec.parameters["greeting"].extra.0["name"],
        json!("Greeting")
    );
    assert_eq!(
        model.spec.parameters["greeting"].targets[0].pointer,
        "GREETING"
    );
    assert_eq!(
        model.spec.parameters["webPort"].targets[0].pointer,
        "PORTS.80"
    );
    let text = written(&model, SpecVersion::PreDraft);
    assert!(!text.contains("  name: com-riverside-hello"), "{text}");
    assert!(
        text.contains("pointer: PORTS.80") && text.contains("pointer: ENV.GREETING"),
        "{text}"
    );
    round_trip(&model, SpecVersion::PreDraft).unwrap();

    let mut named = model;
    named.metadata.name = "hello-line-6".to_owned();
    assert!(written(&named, SpecVersion::PreDraft).contains("  name: hello-line-6"));
    round_trip(&named, SpecVersion::PreDraft).unwrap();
}

#[test]
fn profiles_without_id_get_one_that_is_left_out_again() {
    let bytes = golden!("pre-draft/application-description.yaml");
    let mut model = description(bytes, SpecVersion::PreDraft);
    let ids: Vec<_> = model
        .deployment_profiles
        .iter()
        .map(|profile| profile.id.as_str())
        .collect();
    assert_eq!(ids, ["helm-1", "compose-2"]);
    let targets = &model.parameters["greeting"].targets;
    assert_eq!(targets[0].pointer, "app.greeting");
    assert_eq!(targets[1].pointer, "GREETING");

    "hello".clone_into(&mut model.deployment_profiles[0].id);
    let text = written(&model, SpecVersion::PreDraft);
    assert!(text.contains("id: hello\n"), "{text}");
    round_trip(&model, SpecVersion::PreDraft).unwrap();
    assert!(written(&model, SpecVersion::Rc1).contains("id: compose-2\n"));
}

#[test]
fn both_spellings_of_the_data_type_are_read() {
    let text = std::str::from_utf8(golden!("pre-draft/application-description.yaml")).unwrap();
    let other = text.replace("dataType", "datatype");
    assert_ne!(other, text);
    assert_eq!(
        description(other.as_bytes(), SpecVersion::PreDraft),
        description(text.as_bytes(), SpecVersion::PreDraft)
    );
}

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

#[test]
fn the_id_is_read_wherever_it_was_once_written() {
    let text = std::str::from_utf8(golden!("rc1/application-description-helm.yaml")).unwrap();
    let model = description(text.as_bytes(), SpecVersion::Rc1);
    let id = "  id: com-riverside-pump-monitor\n";
    let at_root = text.replacen(
        &format!("metadata:\n{id}"),
        &format!("{}metadata:\n", &id[2..]),
        1,
    );
    let annotated = text.replacen(id, &format!("  annotations:\n  {id}"), 1);
    let everywhere = at_root.replacen(
        "metadata:\n",
        &format!("metadata:\n{id}  annotations:\n  {id}"),
        1,
    );
    for text in [at_root, annotated, everywhere] {
        assert_eq!(
            description(text.as_bytes(), SpecVersion::Rc1),
            model,
            "{text}"
        );
    }

    let text = std::str::from_utf8(golden!("rc1/application-deployment-helm.yaml")).unwrap();
    let model = deployment(text.as_bytes(), SpecVersion::Rc1);
    let id = "    applicationId: com-riverside-pump-monitor\n";
    let in_metadata =
        text.replacen(id, "", 1)
            .replacen("metadata:\n", &format!("metadata:\n{}", &id[2..]), 1);
    let in_spec = text
        .replacen(id, "", 1)
        .replacen("spec:\n", &format!("spec:\n{}", &id[2..]), 1);
    for text in [in_metadata, in_spec] {
        assert_eq!(
            deployment(text.as_bytes(), SpecVersion::Rc1),
            model,
            "{text}"
        );
    }
}

#[test]
fn a_reader_told_the_newest_generation_uses_its_shape() {
    let bytes = golden!("rc1/application-deployment-reference.yaml");
    let reader = Reader::new().generation(SpecVersion::Rc3);
    let error = reader.read::<ApplicationDeployment>(bytes).unwrap_err();
    assert_eq!(error.faults()[0].message, "`id` is missing");

    let late = golden!("rc1/application-deployment-late.yaml");
    let model = reader
        .read::<ApplicationDeployment>(late)
        .unwrap()
        .into_value();
    assert_eq!(model.extra.0["kind"], json!("ApplicationDeployment"));

    // Left-over `apiVersion` alone makes no older document.
    let text = std::str::from_utf8(late)
        .unwrap()
        .replace("kind: ApplicationDeployment\n", "");
    assert_eq!(
        read::<ApplicationDeployment>(text.as_bytes())
            .unwrap()
            .generation(),
        SpecVersion::Rc3
    );
}

#[test]
fn the_misspelled_operator_is_read_in_every_generation() {
    let text = std::str::from_utf8(golden!("rc3/application-description-full.yaml")).unwrap();
    let other = text.replace("ContainsAny", "ContainersAny");
    assert_ne!(other, text);
    let model = description(other.as_bytes(), SpecVersion::Rc3);
    assert_eq!(model, description(text.as_bytes(), SpecVersion::Rc3));
    assert!(!written(&model, SpecVersion::Rc3).contains("ContainersAny"));
    let unknown = MatchExpression::new("/id", Operator::from("Matches"));
    assert_eq!(unknown.operator.as_str(), "Matches");
}

#[test]
fn the_newest_generation_keeps_everything() {
    let full = description(
        golden!("rc3/application-description-full.yaml"),
        SpecVersion::Rc3,
    );
    let extension = ExtensionName::parse("riverside").unwrap();
    assert_eq!(
        full.extra.extension(&extension).unwrap()["catalogRank"],
        json!(12)
    );
    let component = &full.deployment_profiles[0].components[1];
    assert_eq!(
        component.extra.extension(&extension).unwrap()["surface"],
        json!("control-room")
    );
    let classes: Vec<_> = full
        .configuration
        .as_ref()
        .unwrap()
        .schema
        .iter()
        .map(|schema| schema.class().unwrap())
        .collect();
    assert_eq!(
        classes,
        [
            SchemaClass::Text,
            SchemaClass::Boolean,
            SchemaClass::Integer,
            SchemaClass::Double,
            SchemaClass::Select
        ]
    );
    round_trip(&full, SpecVersion::Rc3).unwrap();

    let hello = description(
        golden!("rc3/application-description-hello-compose.yaml"),
        SpecVersion::Rc3,
    );
    assert_eq!(hello.metadata.version, "1.0");
    round_trip(&hello, SpecVersion::Rc3).unwrap();
    round_trip(&hello, SpecVersion::Rc1).unwrap();

    let gateway = deployment(
        golden!("rc3/application-deployment-gateway.yaml"),
        SpecVersion::Rc3,
    );
    assert!(matches!(
        gateway.metadata.device_id,
        Some(DeviceTarget::AnyBehind(_))
    ));
    assert_eq!(gateway.metadata.labels["crew"], "night");
    assert_eq!(gateway.spec.extra.extensions().count(), 1);
    round_trip(&gateway, SpecVersion::Rc3).unwrap();

    let compose = deployment(
        golden!("rc3/application-deployment-compose.yaml"),
        SpecVersion::Rc3,
    );
    round_trip(&compose, SpecVersion::Rc3).unwrap();
    round_trip(&compose, SpecVersion::Rc1).unwrap();
}
