//! Pods, and templates of pods.

use serde_json::{Map, Value, json};

use super::super::document::{list_at, object_at, set, set_default, text};
use super::super::quantity::canonicalize;

pub(super) fn pod_template(object: &mut Value) {
    // Templates always show it.
    if let Some(metadata) = object_at(object, &["spec", "template", "metadata"]) {
        metadata.entry("creationTimestamp").or_insert(Value::Null);
    }
    pod(object, &["spec", "template", "spec"]);
}

pub(super) fn pod(object: &mut Value, spec: &[&str]) {
    for (name, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        set_default(object, spec, name, value);
    }
    let account = object_at(object, spec).and_then(|spec| spec.get("serviceAccountName").cloned());
    if let Some(account @ Value::String(_)) = account {
        set(object, spec, "serviceAccount", account);
    }
    for list in ["containers", "initContainers"] {
        let path: Vec<&str> = spec.iter().copied().chain([list]).collect();
        list_at(object, &path)
            .into_iter()
            .flatten()
            .for_each(container);
    }
    let path: Vec<&str> = spec.iter().copied().chain(["volumes"]).collect();
    for volume in list_at(object, &path).into_iter().flatten() {
        for source in ["configMap", "secret", "projected"] {
            if volume[source].is_object() {
                set_default(volume, &[source], "defaultMode", 0o644);
            }
        }
        if volume["hostPath"].is_object() {
            set_default(volume, &["hostPath"], "type", "");
        }
    }
}

fn container(container: &mut Value) {
    let image = text(&container["image"]);
    let name = image.rsplit('/').next().unwrap_or_default();
    let is_latest = !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
    let policy = if is_latest { "Always" } else { "IfNotPresent" };
    for (name, value) in [
        ("imagePullPolicy", json!(policy)),
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
    ] {
        set_default(container, &[], name, value);
    }
    quantities(container);
    for port in list_at(container, &["ports"]).into_iter().flatten() {
        set_default(port, &[], "protocol", "TCP");
    }
    for variable in list_at(container, &["env"]).into_iter().flatten() {
        if variable["valueFrom"]["fieldRef"].is_object() {
            set_default(variable, &["valueFrom", "fieldRef"], "apiVersion", "v1");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[probe].is_object() {
            for (name, value) in [
                ("failureThreshold", 3),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("timeoutSeconds", 1),
            ] {
                set_default(container, &[probe], name, value);
            }
            if container[probe]["httpGet"].is_object() {
                set_default(container, &[probe, "httpGet"], "scheme", "HTTP");
            }
        }
    }
}

/// Writes the limits and requests of a container or of a claim as the server does.
pub(super) fn quantities(object: &mut Value) {
    for path in [
        "/resources/limits",
        "/resources/requests",
        "/spec/resources/limits",
        "/spec/resources/requests",
    ] {
        let quantities = object.pointer_mut(path);
        let quantities = quantities.and_then(Value::as_object_mut);
        for quantity in quantities.into_iter().flat_map(Map::values_mut) {
            canonicalize(quantity);
        }
    }
}
