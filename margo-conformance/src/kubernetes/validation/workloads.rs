//! Pods, and what makes them.

use serde_json::{Value, json};

use super::super::document::{is_selected, items, members, text, unset};
use super::super::resource::Resource;
use super::{names, required, shown};

pub(super) fn check(resource: &Resource, object: &Value, causes: &mut Vec<String>) {
    let spec = &object["spec"];
    match resource.kind.as_str() {
        "Pod" => check_pod(spec, "spec", causes),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => {
            check_selector(spec, causes);
            check_template(&with_claims(spec), "spec.template", causes);
            let policy = &spec["template"]["spec"]["restartPolicy"];
            if *policy != "Always" {
                causes.push(format!(
                    "spec.template.spec.restartPolicy: Unsupported value: {}: supported values: \"Always\"",
                    shown(policy)
                ));
            }
            if spec["replicas"]
                .as_i64()
                .is_some_and(|replicas| replicas < 0)
            {
                causes.push(format!(
                    "spec.replicas: Invalid value: {}: must be greater than or equal to 0",
                    spec["replicas"]
                ));
            }
        }
        "Job" => check_job(spec, "spec", causes),
        "CronJob" => {
            required(&spec["schedule"], "spec.schedule", causes);
            check_job(
                &spec["jobTemplate"]["spec"],
                "spec.jobTemplate.spec",
                causes,
            );
        }
        _ => {}
    }
}

pub(super) fn check_change(
    resource: &Resource,
    object: &Value,
    before: &Value,
    causes: &mut Vec<String>,
) {
    let (new, old) = (&object["spec"], &before["spec"]);
    match resource.kind.as_str() {
        "Deployment" | "ReplicaSet" | "DaemonSet" if new["selector"] != old["selector"] => {
            causes.push(format!(
                "spec.selector: Invalid value: {}: field is immutable",
                selector(&new["selector"])
            ));
        }
        "StatefulSet" if without(new, FREE_OF_STATEFUL_SETS) != without(old, FREE_OF_STATEFUL_SETS) => causes.push(
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
             'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are \
             forbidden"
                .to_owned(),
        ),
        "Job" => {
            for field in ["completions", "selector", "template", "completionMode"] {
                if new[field] != old[field] {
                    let value = if field == "template" {
                        "core.PodTemplateSpec{…}".to_owned()
                    } else {
                        shown(&new[field])
                    };
                    causes.push(format!("spec.{field}: Invalid value: {value}: field is immutable"));
                }
            }
        }
        "Pod" if fixed_of_pod(new) != fixed_of_pod(old) => causes.push(
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
             tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
                .to_owned(),
        ),
        _ => {}
    }
}

fn check_selector(spec: &Value, causes: &mut Vec<String>) {
    let selector = &spec["selector"];
    let is_empty = |field: &str| {
        selector[field]
            .as_object()
            .is_none_or(serde_json::Map::is_empty)
    };
    if selector.is_null() {
        causes.push("spec.selector: Required value".to_owned());
    } else if is_empty("matchLabels") && items(&selector["matchExpressions"]).next().is_none() {
        causes.push(
            "spec.selector: Invalid value: {}: empty selector is invalid for deployment".to_owned(),
        );
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if !is_selected(selector, labels) {
        causes.push(format!(
            "spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`",
            map(labels)
        ));
    }
}

fn check_template(template: &Value, field: &str, causes: &mut Vec<String>) {
    let labels = &template["metadata"]["labels"];
    names::check_labels(labels, &format!("{field}.labels"), causes);
    check_pod(&template["spec"], &format!("{field}.spec"), causes);
}

/// The template of the pods, with the volumes that a stateful set claims for them.
fn with_claims(spec: &Value) -> Value {
    let mut template = spec["template"].clone();
    let claims = items(&spec["volumeClaimTemplates"]);
    let volumes: Vec<Value> = items(&template["spec"]["volumes"])
        .cloned()
        .chain(claims.map(|claim| json!({ "name": claim["metadata"]["name"] })))
        .collect();
    if !volumes.is_empty() && template["spec"].is_object() {
        template["spec"]["volumes"] = volumes.into();
    }
    template
}

fn check_job(spec: &Value, field: &str, causes: &mut Vec<String>) {
    check_template(&spec["template"], &format!("{field}.template"), causes);
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if *policy != "Never" && *policy != "OnFailure" {
        causes.push(format!(
            "{field}.template.spec.restartPolicy: Unsupported value: {}: supported values: \"OnFailure\", \"Never\"",
            shown(policy)
        ));
    }
}

fn check_pod(spec: &Value, field: &str, causes: &mut Vec<String>) {
    if items(&spec["containers"]).next().is_none() {
        causes.push(format!("{field}.containers: Required value"));
    }
    let volumes: Vec<&Value> = items(&spec["volumes"])
        .map(|volume| &volume["name"])
        .collect();
    let mut seen: Vec<&Value> = Vec::new();
    for list in ["initContainers", "containers"] {
        for (number, container) in items(&spec[list]).enumerate() {
            let field = format!("{field}.{list}[{number}]");
            let name = &container["name"];
            required(name, &format!("{field}.name"), causes);
            if let Some(why) = name
                .as_str()
                .filter(|it| !it.is_empty())
                .and_then(names::dns_1123_label)
            {
                causes.push(format!("{field}.name: Invalid value: {name}: {why}"));
            }
            if seen.contains(&name) {
                causes.push(format!("{field}.name: Duplicate value: {name}"));
            }
            seen.push(name);
            required(&container["image"], &format!("{field}.image"), causes);
            check_container(container, &field, &volumes, causes);
        }
    }
    for (number, volume) in items(&spec["volumes"]).enumerate() {
        required(
            &volume["name"],
            &format!("{field}.volumes[{number}].name"),
            causes,
        );
    }
}

fn check_container(container: &Value, field: &str, volumes: &[&Value], causes: &mut Vec<String>) {
    for (number, port) in items(&container["ports"]).enumerate() {
        names::check_port(
            &port["containerPort"],
            &format!("{field}.ports[{number}].containerPort"),
            causes,
        );
    }
    for (number, variable) in items(&container["env"]).enumerate() {
        let field = format!("{field}.env[{number}]");
        required(&variable["name"], &format!("{field}.name"), causes);
        if text(&variable["name"]).contains('=') {
            causes.push(format!(
                "{field}.name: Invalid value: {}: environment variable names must be printable ASCII characters except '='",
                variable["name"]
            ));
        }
        if !text(&variable["value"]).is_empty() && variable["valueFrom"].is_object() {
            causes.push(format!(
                "{field}.valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"
            ));
        }
    }
    for (number, mount) in items(&container["volumeMounts"]).enumerate() {
        let field = format!("{field}.volumeMounts[{number}]");
        required(&mount["mountPath"], &format!("{field}.mountPath"), causes);
        if !volumes.contains(&&mount["name"]) {
            causes.push(format!("{field}.name: Not found: {}", mount["name"]));
        }
    }
}

fn without(spec: &Value, fields: &[&str]) -> Value {
    let mut spec = spec.clone();
    for field in fields {
        unset(&mut spec, &[], field);
    }
    spec
}

fn fixed_of_pod(spec: &Value) -> Value {
    let mut spec = without(spec, &["activeDeadlineSeconds", "tolerations", "nodeName"]);
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            unset(container, &[], "image");
        }
    }
    spec
}

/// As Go shows it.
fn selector(selector: &Value) -> String {
    format!(
        "v1.LabelSelector{{MatchLabels:{}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}}",
        map(&selector["matchLabels"])
    )
}

fn map(labels: &Value) -> String {
    let pairs: Vec<_> = members(labels)
        .map(|(name, value)| format!("{name:?}:{value}"))
        .collect();
    format!("map[string]string{{{}}}", pairs.join(", "))
}

/// The fields of stateful sets that can be changed.
const FREE_OF_STATEFUL_SETS: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];
