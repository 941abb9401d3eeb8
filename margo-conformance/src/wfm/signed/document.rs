//! Documents of deployments (rc1-and-pre-draft.md section 10.1; peers.md 4c).

use std::fmt::Write as _;

use bytes::Bytes;
use margo_types::SpecVersion;
use margo_types::application::{Component, DeploymentType};
use margo_types::deployment::ApplicationDeployment;
use serde_json::{Value, json};

use crate::interop::DocumentForm;

/// The document of a deployment in a form.
pub(in super::super) fn document(form: DocumentForm, deployment: &ApplicationDeployment) -> Bytes {
    match form {
        DocumentForm::Specification => margo_types::write(deployment, SpecVersion::Rc1)
            .expect("the signed generation can express the deployment")
            .into(),
        DocumentForm::Reference { kind } => reference(kind, deployment).into(),
    }
}

/// The mixture of the reference: ids where its OpenAPI has them, types of the earlier texts.
fn reference(kind: &str, deployment: &ApplicationDeployment) -> String {
    let ApplicationDeployment {
        id, metadata, spec, ..
    } = deployment;
    let profile = &spec.deployment_profile;
    let profile_type = match &profile.deployment_type {
        DeploymentType::Helm => "helm.v3",
        other => other.as_str(),
    };
    let mut yaml = format!(
        "apiVersion: non-margo.org\nkind: {kind}\nmetadata:\n  id: {id}\n  name: {}\n  namespace: {}\nspec:\n",
        json!(metadata.name),
        json!(metadata.namespace.as_deref().unwrap_or("default")),
    );
    if let Some(application) = &spec.application_id {
        line(&mut yaml, 2, "applicationId", &json!(application));
    }
    line(&mut yaml, 2, "deploymentProfile", &Value::Null);
    line(&mut yaml, 4, "type", &json!(profile_type));
    line(&mut yaml, 4, "components", &Value::Null);
    for component in &profile.components {
        line(&mut yaml, 6, "- name", &json!(component.name));
        line(&mut yaml, 8, "properties", &Value::Null);
        for (name, value) in properties(component) {
            line(&mut yaml, 10, name, &value);
        }
    }
    if !spec.parameters.is_empty() {
        line(&mut yaml, 2, "parameters", &Value::Null);
    }
    for (name, parameter) in &spec.parameters {
        line(&mut yaml, 4, name, &Value::Null);
        line(&mut yaml, 6, "value", &parameter.value);
        line(&mut yaml, 6, "targets", &Value::Null);
        for target in &parameter.targets {
            line(&mut yaml, 8, "- pointer", &json!(target.pointer));
            line(&mut yaml, 10, "components", &json!(target.components));
        }
    }
    yaml
}

fn properties(component: &Component) -> impl Iterator<Item = (&'static str, Value)> {
    let properties = &component.properties;
    [
        ("repository", json!(properties.repository)),
        ("revision", json!(properties.revision)),
        ("packageLocation", json!(properties.package_location)),
        ("keyLocation", json!(properties.key_location)),
        ("wait", json!(properties.wait)),
        ("timeout", json!(properties.timeout)),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_null())
}

/// A member with its value, as JSON, which is YAML; without a value, one whose members follow.
fn line(yaml: &mut String, indent: usize, name: &str, value: &Value) {
    let value = match value {
        Value::Null => String::new(),
        value => format!(" {value}"),
    };
    writeln!(yaml, "{:indent$}{name}:{value}", "").expect("a text takes everything");
}
