//! What controllers say about objects.

use serde_json::{Value, json};

use super::super::document::{items, now};
use super::super::objects::Key;
use super::super::state::State;

/// Sets the status of an object.
pub(super) fn set_status(state: &mut State, key: &Key, status: Value) {
    state
        .objects
        .change(key, |object| object["status"] = status);
}

/// A condition; when it was so before, since then.
pub(super) fn condition(
    status: &Value,
    kind: &str,
    holds: bool,
    reason: &str,
    message: &str,
) -> Value {
    let holds = if holds { "True" } else { "False" };
    let mut before = items(&status["conditions"]);
    let before = before.find(|it| it["type"] == kind && it["status"] == holds);
    let since = before.map_or_else(
        || now().into(),
        |before| before["lastTransitionTime"].clone(),
    );
    let mut condition = json!({ "type": kind, "status": holds, "lastTransitionTime": since });
    for (name, value) in [("reason", reason), ("message", message)] {
        if !value.is_empty() {
            condition[name] = value.into();
        }
    }
    condition
}

/// Something a controller tells about an object, once.
pub(super) fn warn(state: &mut State, key: &Key, object: &Value, reason: &str, message: &str) {
    let name = format!("{}.{}", key.name, reason.to_lowercase());
    let event = Key::of("", "events", &key.namespace, &name);
    if state.objects.get(&event).is_some() {
        return;
    }
    let time = now();
    let document = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {},
        "involvedObject": {
            "apiVersion": object["apiVersion"],
            "kind": object["kind"],
            "namespace": key.namespace,
            "name": key.name,
            "uid": object["metadata"]["uid"],
        },
        "type": "Warning",
        "reason": reason,
        "message": message,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
        "source": { "component": "kubelet" },
    });
    state.objects.insert(event, document);
}
