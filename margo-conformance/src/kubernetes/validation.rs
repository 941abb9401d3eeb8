//! What the API server refuses though it can read it (422), in its words.

mod names;
mod workloads;

use serde_json::Value;

use super::document::{items, members, text};
use super::failure::Failure;
use super::resource::Resource;

/// Refuses an object with the filled-in defaults.
pub(super) fn check(resource: &Resource, object: &Value) -> Result<(), Failure> {
    let mut causes = Vec::new();
    let metadata = &object["metadata"];
    names::check_name(resource, text(&metadata["name"]), &mut causes);
    names::check_labels(&metadata["labels"], "metadata.labels", &mut causes);
    names::check_annotations(&metadata["annotations"], &mut causes);
    for finalizer in items(&metadata["finalizers"]) {
        names::check_finalizer(text(finalizer), &mut causes);
    }
    if resource.is_built_in {
        match resource.kind.as_str() {
            "ConfigMap" => check_data(object, &mut causes),
            "Secret" => check_secret(object, &mut causes),
            "Service" => check_service(object, &mut causes),
            "Ingress" => check_ingress(object, &mut causes),
            "PersistentVolumeClaim" => check_claim(object, &mut causes),
            "RoleBinding" | "ClusterRoleBinding" if text(&object["roleRef"]["name"]).is_empty() => {
                causes.push("roleRef.name: Required value".to_owned());
            }
            "CustomResourceDefinition" => check_definition(object, &mut causes),
            _ => workloads::check(resource, object, &mut causes),
        }
    }
    refuse(resource, object, &causes)
}

/// Refuses changes of what cannot be changed.
pub(super) fn check_change(
    resource: &Resource,
    object: &Value,
    before: &Value,
) -> Result<(), Failure> {
    let mut causes = Vec::new();
    let is_changed = |field: &str| object[field] != before[field];
    let immutable = |field: &str| {
        format!(
            "{field}: Invalid value: {}: field is immutable",
            shown(&object[field])
        )
    };
    if resource.is_built_in {
        match resource.kind.as_str() {
            "ConfigMap" | "Secret" => {
                if resource.kind == "Secret" && is_changed("type") {
                    causes.push(immutable("type"));
                }
                if before["immutable"] == true {
                    if object["immutable"] != true {
                        let why =
                            "immutable: Forbidden: field is immutable when `immutable` is set";
                        causes.push(why.to_owned());
                    }
                    if is_changed("data") || is_changed("binaryData") {
                        let why = "data: Forbidden: field is immutable when `immutable` is set";
                        causes.push(why.to_owned());
                    }
                }
            }
            "RoleBinding" | "ClusterRoleBinding" if is_changed("roleRef") => causes.push(format!(
                "roleRef: Invalid value: {}: cannot change roleRef",
                shown(&object["roleRef"])
            )),
            "PersistentVolumeClaim" if is_other_claim(object, before) => causes.push(
                "spec: Forbidden: spec is immutable after creation except resources.requests and \
                 volumeAttributesClassName for bound claims"
                    .to_owned(),
            ),
            "StorageClass" if is_changed("provisioner") || is_changed("parameters") => {
                causes
                    .push("parameters: Forbidden: updates to parameters are forbidden.".to_owned());
            }
            "Service" => check_service_change(object, before, &mut causes),
            "CustomResourceDefinition" => {
                for field in ["group", "scope"] {
                    if object["spec"][field] != before["spec"][field] {
                        causes.push(format!(
                            "spec.{field}: Invalid value: {}: field is immutable",
                            shown(&object["spec"][field])
                        ));
                    }
                }
            }
            _ => workloads::check_change(resource, object, before, &mut causes),
        }
    }
    refuse(resource, object, &causes)
}

fn refuse(resource: &Resource, object: &Value, causes: &[String]) -> Result<(), Failure> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(
        resource,
        text(&object["metadata"]["name"]),
        causes,
    ))
}

/// Values of text are shown in quotes, others as JSON.
fn shown(value: &Value) -> String {
    value.to_string()
}

fn required(value: &Value, field: &str, causes: &mut Vec<String>) {
    if value.is_null() || value == "" {
        causes.push(format!("{field}: Required value"));
    }
}

fn check_data(object: &Value, causes: &mut Vec<String>) {
    let size = check_keys(object, "data", causes) + check_keys(object, "binaryData", causes);
    check_size(size, causes);
}

/// What counts is what the base64 stands for.
fn check_secret(object: &Value, causes: &mut Vec<String>) {
    let size = check_keys(object, "data", causes) / 4 * 3;
    check_size(size, causes);
    let needed = match text(&object["type"]) {
        "kubernetes.io/dockerconfigjson" => ".dockerconfigjson",
        "kubernetes.io/tls" => "tls.crt",
        _ => return,
    };
    required(&object["data"][needed], &format!("data[{needed}]"), causes);
}

/// Gives the length of all values together.
fn check_keys(object: &Value, field: &str, causes: &mut Vec<String>) -> usize {
    let mut size = 0;
    for (name, value) in members(&object[field]) {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if name.is_empty() || name.len() > 253 || !name.chars().all(is_allowed) {
            causes.push(format!(
                "{field}[{name}]: Invalid value: {name:?}: a valid config key must consist of alphanumeric characters, \
                 '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
                 '[-._a-zA-Z0-9]+')"
            ));
        }
        size += text(value).len();
    }
    size
}

fn check_size(size: usize, causes: &mut Vec<String>) {
    if size > MOST_DATA {
        causes.push(format!(
            "data: Too long: may not be more than {MOST_DATA} bytes"
        ));
    }
}

fn check_service(object: &Value, causes: &mut Vec<String>) {
    let spec = &object["spec"];
    let kind = text(&spec["type"]);
    match kind {
        "ExternalName" => return required(&spec["externalName"], "spec.externalName", causes),
        "ClusterIP" | "NodePort" | "LoadBalancer" => {}
        other => causes.push(format!(
            "spec.type: Unsupported value: {other:?}: supported values: \"ClusterIP\", \"ExternalName\", \
             \"LoadBalancer\", \"NodePort\""
        )),
    }
    let ports: Vec<&Value> = items(&spec["ports"]).collect();
    if ports.is_empty() && spec["clusterIP"] != "None" {
        causes.push("spec.ports: Required value".to_owned());
    }
    for (number, port) in ports.iter().enumerate() {
        let field = format!("spec.ports[{number}]");
        if ports.len() > 1 {
            required(&port["name"], &format!("{field}.name"), causes);
        }
        names::check_port(&port["port"], &format!("{field}.port"), causes);
        let is_known = ports
            .iter()
            .take(number)
            .any(|it| it["port"] == port["port"] && it["protocol"] == port["protocol"]);
        if is_known {
            causes.push(format!("{field}: Duplicate value: {}", shown(port)));
        }
    }
}

fn check_service_change(object: &Value, before: &Value, causes: &mut Vec<String>) {
    let (new, old) = (&object["spec"], &before["spec"]);
    let is_kept = new["type"] == "ExternalName"
        || old["type"] == "ExternalName"
        || new["clusterIP"] == old["clusterIP"];
    if !is_kept {
        causes.push(format!(
            "spec.clusterIPs[0]: Invalid value: {}: may not change once set",
            shown(&new["clusterIPs"])
        ));
    }
}

fn check_ingress(object: &Value, causes: &mut Vec<String>) {
    let rules = items(&object["spec"]["rules"]).enumerate();
    for (number, rule) in rules {
        for (at, path) in items(&rule["http"]["paths"]).enumerate() {
            let field = format!("spec.rules[{number}].http.paths[{at}]");
            if path["pathType"].is_null() {
                causes.push(format!(
                    "{field}.pathType: Required value: pathType must be specified"
                ));
            }
        }
    }
    let spec = &object["spec"];
    if items(&spec["rules"]).next().is_none() && spec["defaultBackend"].is_null() {
        causes.push(
            "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"
                .to_owned(),
        );
    }
}

fn check_claim(object: &Value, causes: &mut Vec<String>) {
    let spec = &object["spec"];
    if items(&spec["accessModes"]).next().is_none() {
        causes.push(
            "spec.accessModes: Required value: at least 1 access mode is required".to_owned(),
        );
    }
    required(
        &spec["resources"]["requests"]["storage"],
        "spec.resources[storage]",
        causes,
    );
}

fn is_other_claim(object: &Value, before: &Value) -> bool {
    let fixed = |claim: &Value| {
        let mut spec = claim["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            for name in ["resources", "volumeName", "volumeAttributesClassName"] {
                spec.remove(name);
            }
        }
        spec
    };
    fixed(object) != fixed(before)
}

fn check_definition(object: &Value, causes: &mut Vec<String>) {
    let spec = &object["spec"];
    for field in ["group", "scope"] {
        required(&spec[field], &format!("spec.{field}"), causes);
    }
    for field in ["plural", "kind"] {
        required(
            &spec["names"][field],
            &format!("spec.names.{field}"),
            causes,
        );
    }
    let name = format!(
        "{}.{}",
        text(&spec["names"]["plural"]),
        text(&spec["group"])
    );
    if object["metadata"]["name"] != name.as_str() {
        causes.push(format!(
            "metadata.name: Invalid value: {}: must be spec.names.plural+\".\"+spec.group",
            shown(&object["metadata"]["name"])
        ));
    }
    let stored = items(&spec["versions"]).filter(|version| version["storage"] == true);
    if stored.count() != 1 {
        let why =
            "spec.versions: Invalid value: must have exactly one version marked as storage version";
        causes.push(why.to_owned());
    }
    for (number, version) in items(&spec["versions"]).enumerate() {
        let field = format!("spec.versions[{number}].schema.openAPIV3Schema");
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            causes.push(format!("{field}: Required value: schemas are required"));
        }
    }
}

/// How much a `ConfigMap` or `Secret` can hold, in bytes.
const MOST_DATA: usize = 1 << 20;
