//! Identifiers and spellings that moved from place to place.

use margo_types::SpecVersion;
use margo_types::application::DeploymentType;
use serde_json::json;

use super::{deployment, description, golden, round_trip, written};

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
fn a_prefix_is_kept_where_the_component_may_be_a_chart() {
    let text = std::str::from_utf8(golden!("pre-draft/application-description.yaml")).unwrap();
    let shared = text.replace("name: hello-compose\n", "name: hello\n");
    let of_nothing = text.replace("components:\n      - hello-compose\n", "components: []\n");
    let of_both = text.replace("- hello-compose\n", "- hello-compose\n      - hello\n");
    for text in [shared, of_nothing, of_both] {
        let model = description(text.as_bytes(), SpecVersion::PreDraft);
        let pointer = &model.parameters["greeting"].targets[1].pointer;
        assert_eq!(pointer, "ENV.GREETING", "{text}");
        round_trip(&model, SpecVersion::PreDraft).unwrap();
        round_trip(&model, SpecVersion::Rc1).unwrap();
    }
}
