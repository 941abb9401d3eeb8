//! Documents as authors and fleet managers of each generation write them.

mod layouts;
mod marks;
mod required_resources;

use margo_types::application::{ApplicationDescription, MatchExpression, Operator, SchemaClass};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeviceTarget;
use margo_types::{AnyDocument, ExtensionName, Kind, Reader, SpecVersion, read, read_any, write};
use serde_json::json;

use super::round_trip;

macro_rules! golden {
    ($path:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/", $path)).as_slice()
    };
}
use golden;

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
fn a_reader_told_the_newest_generation_uses_its_shape() {
    let bytes = golden!("rc1/application-deployment-reference.yaml");
    let reader = Reader::new().generation(SpecVersion::Rc3);
    let error = reader.read::<ApplicationDeployment>(bytes).unwrap_err();
    assert_eq!(error.faults()[0].message, "`id` is missing; write it");

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
