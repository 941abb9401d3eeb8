//! Where the pods are that objects are or make.

use serde_json::Value;

/// What a pod is to have, in an object that is a pod or makes some; `None` in all others.
pub(super) fn pod_spec(object: &Value) -> Option<&Value> {
    object.pointer(path(object)?)
}

/// The same, to change it.
pub(super) fn pod_spec_mut(object: &mut Value) -> Option<&mut Value> {
    let path = path(object)?;
    object.pointer_mut(path)
}

/// The containers of a pod: those that come first and those that run.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = LISTS.iter().filter_map(|list| pod.get(*list)?.as_array());
    lists.flatten()
}

fn path(object: &Value) -> Option<&'static str> {
    match object.get("kind")?.as_str()? {
        "Pod" => Some("/spec"),
        "PodTemplate" => Some("/template/spec"),
        "CronJob" => Some("/spec/jobTemplate/spec/template/spec"),
        "DaemonSet"
        | "Deployment"
        | "Job"
        | "ReplicaSet"
        | "ReplicationController"
        | "StatefulSet" => Some("/spec/template/spec"),
        _ => None,
    }
}

/// The members of a pod that hold containers.
pub(super) const LISTS: [&str; 2] = ["initContainers", "containers"];
