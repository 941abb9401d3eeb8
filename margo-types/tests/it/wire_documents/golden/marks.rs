//! The marks by which an older document is known, each alone.

use margo_types::SpecVersion::{self, PreDraft, Rc1, Rc3};
use margo_types::application::ApplicationDescription;
use margo_types::deployment::ApplicationDeployment;
use margo_types::{Document, read};

use super::golden;

#[track_caller]
fn assert_generation<T: Document + std::fmt::Debug>(
    text: &str,
    changes: &[(&str, &str)],
    generation: SpecVersion,
) {
    let mut text = text.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    assert_eq!(
        read::<T>(text.as_bytes()).unwrap().generation(),
        generation,
        "{text}"
    );
}

#[test]
fn of_a_deployment() {
    let text = std::str::from_utf8(golden!("rc3/application-deployment-compose.yaml")).unwrap();
    let id = "5c1f7a9e-3b60-4d52-9a3e-0f4b8f2d6c11";
    let annotated = format!("metadata:\n  annotations: {{id: {id}}}\n");
    let with_id = format!("metadata:\n  id: {id}\n");
    let application = "applicationId: com-riverside-hello";
    let annotated_application = format!("metadata:\n  annotations: {{{application}}}\n");
    let with_application = format!("metadata:\n  {application}\n");
    let cases: [(&[(&str, &str)], SpecVersion); 12] = [
        (&[], Rc3),
        (&[("id:", "apiVersion: v1\nid:")], Rc3),
        (
            &[(
                "metadata:\n",
                "metadata:\n  annotations: {contact: night crew}\n",
            )],
            Rc3,
        ),
        (&[("id:", "kind: ApplicationDeployment\nid:")], Rc1),
        (
            &[
                ("id:", "apiVersion: margo.org\nid:"),
                ("  deviceId: edge-07\n", ""),
            ],
            Rc1,
        ),
        (&[("metadata:\n", &annotated)], Rc1),
        (&[("metadata:\n", &with_id)], Rc1),
        (&[("metadata:\n", &annotated_application)], Rc1),
        (&[("metadata:\n", &with_application)], Rc1),
        (&[("type: compose", "type: helm.v3")], Rc1),
        (
            &[("type: compose", "requiredResources: {}\n    type: compose")],
            Rc1,
        ),
        (&[("type: compose", "type: docker-compose")], PreDraft),
    ];
    for (changes, generation) in cases {
        assert_generation::<ApplicationDeployment>(text, changes, generation);
    }
    let nameless = [
        ("  name: hello-line-4\n", ""),
        ("metadata:\n", with_id.as_str()),
    ];
    assert_generation::<ApplicationDeployment>(text, &nameless, PreDraft);
}

#[test]
fn of_a_description() {
    let bytes = golden!("rc3/application-description-hello-compose.yaml");
    let text = std::str::from_utf8(bytes).unwrap();
    let id = "id: com-riverside-hello";
    let annotated = format!("metadata:\n  annotations: {{{id}}}\n");
    let with_id = format!("metadata:\n  {id}\n");
    let cases: [(&str, &str, SpecVersion); 9] = [
        ("v1", "v1", Rc3),
        ("v1", "margo.org/v1-alpha1", Rc3),
        ("id:", "kind: ApplicationDescription\nid:", Rc1),
        ("metadata:\n", &annotated, Rc1),
        ("metadata:\n", &with_id, Rc1),
        ("type: compose", "type: helm.v3", Rc3),
        (
            "type: compose",
            "requiredResources: {}\n    type: compose",
            Rc1,
        ),
        ("type: compose", "type: docker-compose", PreDraft),
        ("id:", "kind: application\nid:", PreDraft),
    ];
    for (from, to, generation) in cases {
        assert_generation::<ApplicationDescription>(text, &[(from, to)], generation);
    }
}
