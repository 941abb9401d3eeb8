//! Older documents that contradict themselves or lack what the model needs.

use margo_types::application::ApplicationDescription;
use margo_types::deployment::ApplicationDeployment;
use margo_types::{Document, Reader, SpecVersion};

const DEPLOYMENT: &str = include_str!("../../golden/rc1/application-deployment-helm.yaml");
const DESCRIPTION: &str = include_str!("../../golden/rc1/application-description-helm.yaml");

/// The text with one part replaced, and what the reader says of it: path, line, column and message.
#[track_caller]
fn faults<T: Document + std::fmt::Debug>(
    text: &str,
    from: &str,
    to: &str,
) -> Vec<(String, usize, usize, String)> {
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    let error = Reader::new()
        .generation(SpecVersion::Rc1)
        .read::<T>(text.as_bytes())
        .unwrap_err();
    let faults = error.faults().iter().map(|fault| {
        let location = fault.location.unwrap();
        let path = fault.path.to_string();
        (path, location.line, location.column, fault.message.clone())
    });
    faults.collect()
}

#[test]
fn ids_that_disagree_are_named_both() {
    let found =
        faults::<ApplicationDescription>(DESCRIPTION, "metadata:\n", "id: other\nmetadata:\n");
    let message = "this is com-riverside-pump-monitor, but id is other; keep one of the two";
    assert_eq!(
        found,
        [("metadata.id".to_owned(), 5, 7, message.to_owned())]
    );

    let annotated = "metadata:\n  annotations: {id: other}\n";
    let found = faults::<ApplicationDescription>(DESCRIPTION, "metadata:\n", annotated);
    let message =
        "this is other, but metadata.id is com-riverside-pump-monitor; keep one of the two";
    assert_eq!(
        found,
        [(
            "metadata.annotations.id".to_owned(),
            4,
            21,
            message.to_owned()
        )]
    );

    let other = "metadata:\n  id: 00000000-0000-4000-8000-000000000000\n";
    let found = faults::<ApplicationDeployment>(DEPLOYMENT, "metadata:\n", other);
    let (path, line, column, message) = &found[0];
    assert_eq!(
        (path.as_str(), *line, *column),
        ("metadata.annotations.id", 6, 9)
    );
    assert!(
        message.contains("but metadata.id is 00000000-0000-4000-8000-000000000000"),
        "{message}"
    );

    for (from, to, path, other) in [
        (
            "spec:\n",
            "spec:\n  applicationId: other\n",
            "metadata.annotations.applicationId",
            "spec.applicationId",
        ),
        (
            "metadata:\n",
            "metadata:\n  applicationId: other\n",
            "metadata.applicationId",
            "metadata.annotations.applicationId",
        ),
        (
            "metadata:\n",
            "metadata:\n  deviceId: other\n",
            "metadata.annotations.deviceId",
            "metadata.deviceId",
        ),
    ] {
        let found = faults::<ApplicationDeployment>(DEPLOYMENT, from, to);
        assert_eq!(found[0].0, path);
        assert!(found[0].3.contains(&format!("but {other} is")), "{found:?}");
    }
}

#[test]
fn what_every_document_needs_is_asked_for() {
    let id = "    id: 9d8b1c52-77aa-4c3d-8e21-6a5f0b9c4e37\n";
    let found = faults::<ApplicationDeployment>(DEPLOYMENT, id, "");
    let message = "the id of the deployment is missing; write it here";
    assert_eq!(
        found,
        [(
            "metadata.annotations.id".to_owned(),
            5,
            5,
            message.to_owned()
        )]
    );

    let found = faults::<ApplicationDeployment>(DEPLOYMENT, "  name: pump-monitor-hall-2\n", "");
    assert_eq!((found[0].0.as_str(), found[0].1), ("metadata.name", 4));

    let found =
        faults::<ApplicationDescription>(DESCRIPTION, "  id: com-riverside-pump-monitor\n", "");
    assert_eq!((found[0].0.as_str(), found[0].1), ("metadata.id", 4));
}

#[test]
fn a_profile_needs_an_id_when_its_own_is_taken() {
    let text = DESCRIPTION.replace("id: pump-monitor-compose\n", "id: helm-1\n");
    let found = faults::<ApplicationDescription>(&text, "  id: pump-monitor-helm\n", "");
    assert_eq!(
        (found[0].0.as_str(), found[0].1),
        ("deploymentProfiles[0].id", 12)
    );
}

#[test]
fn two_kinds_of_requirements_are_one_too_many() {
    let both = "  deviceConstraints: {}\n  requiredResources:\n";
    let found = faults::<ApplicationDescription>(DESCRIPTION, "  requiredResources:\n", both);
    let message = "the profile has deviceConstraints, too; keep one of the two";
    let path = "deploymentProfiles[0].requiredResources".to_owned();
    assert_eq!(found, [(path, 24, 5, message.to_owned())]);

    let both = "    requiredResources: {}\n    deviceConstraints: {}\n    components:\n";
    let found = faults::<ApplicationDeployment>(DEPLOYMENT, "    components:\n", both);
    assert_eq!(
        (found[0].0.as_str(), found[0].1),
        ("spec.deploymentProfile.requiredResources", 13)
    );
}

#[test]
fn invalid_identifiers_are_reported_together_wherever_they_are() {
    let text = DEPLOYMENT.replace("id: 9d8b1c52-77aa-4c3d-8e21-6a5f0b9c4e37", "id: nine");
    let found = faults::<ApplicationDeployment>(&text, "revision: \"3.1.0\"", "revision: 3+1");
    let places: Vec<_> = found
        .iter()
        .map(|(path, line, ..)| (path.as_str(), *line))
        .collect();
    let revision = "spec.deploymentProfile.components[0].properties.revision";
    assert_eq!(places, [("metadata.annotations.id", 5), (revision, 17)]);
}

#[test]
fn waiting_is_yes_or_no() {
    let found = faults::<ApplicationDeployment>(DEPLOYMENT, "wait: \"true\"", "wait: often");
    let path = "spec.deploymentProfile.components[0].properties.wait".to_owned();
    let message = "expected true or false, found the text \"often\"";
    assert_eq!(found, [(path, 18, 15, message.to_owned())]);
}
