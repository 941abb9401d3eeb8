//! Whether an object on the cluster still is what its chart says.
//!
//! The server fills in what the chart leaves out, so only the fields that the chart has are looked at. It also writes some
//! values in a way of its own: quantities, empty values, the data of secrets.

use std::borrow::Cow;

use k8s_openapi::ByteString;
use serde_json::{Map, Value};

/// The first field that the live object has otherwise; `None` when there is none.
pub(super) fn drift(wanted: &Value, live: &Value) -> Option<String> {
    let wanted = with_encoded_data(wanted);
    let (Value::Object(wanted), Value::Object(live)) = (wanted.as_ref(), live) else {
        return None;
    };
    let fields = wanted
        .iter()
        .filter(|(name, _)| !IGNORED.contains(&name.as_str()));
    for (name, wanted) in fields {
        let found = match name.as_str() {
            "metadata" => metadata(wanted, live.get(name)),
            _ => compare(name, wanted, live.get(name)),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Labels and annotations are all that a chart decides of the metadata.
fn metadata(wanted: &Value, live: Option<&Value>) -> Option<String> {
    ["labels", "annotations"].iter().find_map(|name| {
        let path = format!("metadata.{name}");
        let live = live.and_then(|live| live.get(name));
        compare(&path, wanted.get(name)?, live)
    })
}

fn compare(path: &str, wanted: &Value, live: Option<&Value>) -> Option<String> {
    let Some(live) = live else {
        return (!is_empty(wanted)).then(|| format!("{path} is missing"));
    };
    match (wanted, live) {
        _ if path == REPLICAS => None,
        (Value::Object(wanted), Value::Object(live)) => wanted
            .iter()
            .find_map(|(name, value)| compare(&format!("{path}.{name}"), value, live.get(name))),
        (Value::Array(wanted), Value::Array(live)) => {
            if wanted.len() > live.len() {
                return Some(format!(
                    "{path} has {} elements, not {}",
                    live.len(),
                    wanted.len()
                ));
            }
            wanted.iter().enumerate().find_map(|(index, value)| {
                compare(
                    &format!("{path}[{index}]"),
                    value,
                    counterpart(wanted, index, live),
                )
            })
        }
        _ if wanted == live || is_same_scalar(wanted, live) => None,
        _ if is_empty(wanted) && is_empty(live) => None,
        _ if is_told(path, wanted) && is_told(path, live) => {
            Some(format!("{path} is {}, not {}", brief(live), brief(wanted)))
        }
        _ => Some(format!("{path} has another value")),
    }
}

/// Whether a value may be said. Any text may be a password, not only in secrets: in variables, in arguments, in what only this
/// chart knows. An image is none.
fn is_told(path: &str, value: &Value) -> bool {
    let is_configuration = path.split(['.', '[']).any(|name| PRIVATE.contains(&name));
    match value {
        Value::String(_) => path.rsplit('.').next() == Some("image") && !is_configuration,
        _ => !is_configuration,
    }
}

/// The element that corresponds to a wanted one: with the same name, else in the same place. The server, and what watches over
/// it, may add containers, volumes and variables anywhere. Of elements that share a name, such as several mounts of one volume,
/// the first corresponds to the first, and so on.
fn counterpart<'l>(wanted: &[Value], index: usize, live: &'l [Value]) -> Option<&'l Value> {
    let (before, from) = wanted.split_at_checked(index)?;
    let name = from.first()?.get("name").filter(|name| name.is_string());
    match name {
        Some(name) => {
            let has_name = |element: &&Value| element.get("name") == Some(name);
            let earlier = before.iter().filter(has_name).count();
            live.iter().filter(has_name).nth(earlier)
        }
        None => live.get(index),
    }
}

/// `0.5` and `500m` are the same quantity, `1` and `"1"` the same number.
fn is_same_scalar(wanted: &Value, live: &Value) -> bool {
    match (scalar(wanted), scalar(live)) {
        (Some(wanted), Some(live)) => {
            wanted == live
                || matches!((quantity(&wanted), quantity(&live)), (Some(one), Some(other)) if one == other)
        }
        _ => false,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A quantity in thousandths, such as `1500` for `1.5` and `1500m`.
fn quantity(text: &str) -> Option<i128> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.' || c == '-' || c == '+';
    let end = text.find(|c| !is_digit(c)).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (_, factor) = SUFFIXES.iter().find(|(known, _)| *known == suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = fraction.len();
    let number: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(digits).ok()?)?;
    number.checked_mul(*factor).map(|product| product / scale)
}

/// What the server leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.iter().all(is_empty),
        Value::Object(members) => members.values().all(is_empty),
    }
}

/// A secret with its `stringData` where the server puts it, and base64 in one line, as the server writes it.
fn with_encoded_data(object: &Value) -> Cow<'_, Value> {
    let (kind, plain) = (object.get("kind"), object.get("stringData"));
    let encoded = match kind.and_then(Value::as_str) {
        Some("Secret") => "data",
        Some("ConfigMap") => "binaryData",
        _ => return Cow::Borrowed(object),
    };
    let mut object = object.clone();
    let Some(members) = object.as_object_mut() else {
        return Cow::Owned(object);
    };
    if let Some(Value::Object(data)) = members.get_mut(encoded) {
        for value in data.values_mut() {
            if let Value::String(text) = value {
                text.retain(|c| !matches!(c, '\r' | '\n'));
            }
        }
    }
    if let (Some(Value::Object(plain)), "data") = (plain, encoded) {
        let data = members
            .entry("data")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(data) = data.as_object_mut() {
            for (name, text) in plain {
                let bytes = ByteString(text.as_str().unwrap_or_default().as_bytes().to_vec());
                data.insert(name.clone(), serde_json::json!(bytes));
            }
        }
        members.remove("stringData");
    }
    Cow::Owned(object)
}

/// A value within a line.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(BRIEF) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What the server or its controllers own.
const IGNORED: &[&str] = &["apiVersion", "kind", "status"];
/// Left to whoever scales, as in template mode.
const REPLICAS: &str = "spec.replicas";
const PRIVATE: &[&str] = &["args", "binaryData", "command", "data", "env", "stringData"];
const BRIEF: usize = 40;
/// In thousandths.
const SUFFIXES: &[(&str, i128)] = &[
    ("", 1000),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_adds_is_no_drift() {
        let wanted = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {
                "replicas": 1, "paused": false, "template": {"spec": {
                    "nodeSelector": {}, "hostNetwork": null,
                    "containers": [{"name": "web", "image": "x", "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}],
                }},
            },
        });
        let live = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "uid": "1", "labels": {"app": "web", "more": "x"}},
            "spec": {
                "replicas": 1, "strategy": {}, "template": {"spec": {
                    "containers": [
                        {"name": "sidecar"},
                        {"name": "web", "image": "x", "pullPolicy": "Always", "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}},
                    ],
                }},
            },
            "status": {"replicas": 1},
        });
        assert_eq!(drift(&wanted, &live), None);
    }

    #[test]
    fn what_somebody_changed_is_named() {
        let wanted = json!({"kind": "Deployment", "metadata": {"labels": {"app": "web"}}, "spec": {"paused": true, "args": ["a", "b"], "image": "x", "password": "a"}});
        for (path, value, expected) in [
            (
                "/spec/paused",
                json!(false),
                "spec.paused is false, not true",
            ),
            (
                "/spec/args",
                json!(["a"]),
                "spec.args has 1 elements, not 2",
            ),
            ("/spec/args/1", json!("c"), "spec.args[1] has another value"),
            ("/spec/image", json!("y"), "spec.image is \"y\", not \"x\""),
            (
                "/spec/password",
                json!("c"),
                "spec.password has another value",
            ),
            (
                "/spec/password",
                json!(5),
                "spec.password has another value",
            ),
            (
                "/metadata/labels",
                json!({}),
                "metadata.labels.app is missing",
            ),
        ] {
            let mut live = wanted.clone();
            *live.pointer_mut(path).unwrap() = value;
            assert_eq!(drift(&wanted, &live).as_deref(), Some(expected));
        }
    }

    #[test]
    fn scaling_is_no_drift() {
        let wanted = json!({"kind": "Deployment", "spec": {"replicas": 1}});
        let live = json!({"kind": "Deployment", "spec": {"replicas": 3}});
        assert_eq!(drift(&wanted, &live), None);
    }

    #[test]
    fn values_of_configurations_are_told_to_nobody() {
        let env = |value: &str| json!([{"name": "A", "value": value}]);
        let config = |value: &str| json!({"kind": "ConfigMap", "data": {"a.b": value}});
        let pod = |value: &str| json!({"kind": "Pod", "spec": {"containers": [{"name": "web", "env": env(value)}]}});
        let own = |value: &str| json!({"kind": "Pump", "stringData": {"a": [value]}});
        for (wanted, live, path) in [
            (config("s3cret"), config("secr3t"), "data.a.b"),
            (
                pod("s3cret"),
                pod("secr3t"),
                "spec.containers[0].env[0].value",
            ),
            (own("s3cret"), own("secr3t"), "stringData.a[0]"),
        ] {
            let expected = format!("{path} has another value");
            assert_eq!(drift(&wanted, &live), Some(expected));
        }
    }

    #[test]
    fn elements_that_share_a_name_are_told_apart_by_their_order() {
        let wanted = json!({"spec": {"volumeMounts": [
            {"name": "data", "mountPath": "/a"}, {"name": "more", "mountPath": "/m"}, {"name": "data", "mountPath": "/b"},
        ]}});
        let mut live = wanted.clone();
        let mounts = live["spec"]["volumeMounts"].as_array_mut().unwrap();
        mounts.insert(
            0,
            json!({"name": "kube-api-access", "mountPath": "/var/run"}),
        );
        assert_eq!(drift(&wanted, &live), None);
        live["spec"]["volumeMounts"][3]["mountPath"] = "/c".into();
        let said = "spec.volumeMounts[2].mountPath has another value";
        assert_eq!(drift(&wanted, &live).as_deref(), Some(said));
    }

    #[test]
    fn secrets_are_compared_in_their_encoded_form() {
        let lines = json!({"kind": "Secret", "data": {"password": "c2Vj\ncmV0\n"}, "stringData": {"user": "u"}});
        let live = json!({"kind": "Secret", "data": {"password": "c2VjcmV0", "user": "dQ=="}});
        assert_eq!(drift(&lines, &live), None);
        let wanted = json!({"kind": "Secret", "stringData": {"password": "secret"}});
        let live = json!({"kind": "Secret", "data": {"password": "c2VjcmV0"}});
        assert_eq!(drift(&wanted, &live), None);
        let live = json!({"kind": "Secret", "data": {"password": "b3RoZXI="}});
        let said = drift(&wanted, &live);
        assert_eq!(said.as_deref(), Some("data.password has another value"));
        let live = json!({"kind": "Secret", "data": {}});
        let said = drift(&wanted, &live);
        assert_eq!(said.as_deref(), Some("data.password is missing"));
    }

    #[test]
    fn quantities_are_compared_by_value() {
        for (one, other) in [
            ("1.5", "1500m"),
            ("1Gi", "1024Mi"),
            ("1k", "1000"),
            ("-1", "-1000m"),
        ] {
            assert_eq!(quantity(one), quantity(other), "{one} {other}");
            assert!(quantity(one).is_some());
        }
        assert_eq!(quantity("web"), None);
        assert_eq!(quantity("1.2.3"), None);
    }
}
