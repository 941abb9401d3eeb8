//! How Kubernetes merges lists and objects: what its API types say about their fields (`patchMergeKey`, `listMapKeys`,
//! `listType`, `structType`), by the names of these fields.

use serde_json::{Map, Value};

/// How the items of a list are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Items {
    /// The list is one value.
    Atomic,
    /// By themselves.
    Set,
    /// By these fields.
    Keyed(&'static [&'static str]),
}

/// How the items of the list `name` of a built-in kind are told apart.
pub(super) fn items_of(name: &str, items: &[Value]) -> Items {
    let all_have =
        |field: &str| !items.is_empty() && items.iter().all(|it| it.get(field).is_some());
    let keys: &[&str] = match name {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "secrets"
        | "webhooks"
            if all_have("name") =>
        {
            &["name"]
        }
        "volumeMounts" if all_have("mountPath") => &["mountPath"],
        "volumeDevices" if all_have("devicePath") => &["devicePath"],
        "ports" if all_have("containerPort") => &["containerPort", "protocol"],
        "ports" if all_have("port") => &["port", "protocol"],
        "conditions" if all_have("type") => &["type"],
        "ownerReferences" if all_have("uid") => &["uid"],
        "hostAliases" if all_have("ip") => &["ip"],
        "topologySpreadConstraints" if all_have("topologyKey") => {
            &["topologyKey", "whenUnsatisfiable"]
        }
        "finalizers" => return Items::Set,
        _ => return Items::Atomic,
    };
    Items::Keyed(keys)
}

/// Whether an object of a built-in kind is one value, though it has members.
pub(super) fn is_atomic_object(name: &str) -> bool {
    matches!(
        name,
        "selector"
            | "labelSelector"
            | "nodeSelector"
            | "configMapKeyRef"
            | "secretKeyRef"
            | "fieldRef"
            | "resourceFieldRef"
            | "roleRef"
    )
}

/// The value of a key of an item; a port without protocol is one of TCP.
pub(super) fn key_value(item: &Value, key: &str) -> Value {
    match item.get(key) {
        Some(value) => value.clone(),
        None if key == "protocol" => "TCP".into(),
        None => Value::Null,
    }
}

/// The keys of an item, with their values.
pub(super) fn keys_of(item: &Value, keys: &[&str]) -> Value {
    let keys = keys
        .iter()
        .map(|key| ((*key).to_owned(), key_value(item, key)));
    Value::Object(keys.collect::<Map<_, _>>())
}

/// Whether two items of a list are the same one.
pub(super) fn is_same_item(keys: &[&str], one: &Value, other: &Value) -> bool {
    keys.iter()
        .all(|key| key_value(one, key) == key_value(other, key))
}
