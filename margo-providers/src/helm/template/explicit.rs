//! What older API servers want said when an object is applied, and newer ones work out by themselves.
//!
//! Server-side apply of Kubernetes 1.20 knows no default for the protocol of a service's port, which is a part of its key, and
//! takes a quantity for none when it is a number. `kubectl apply` and Helm send both, so charts have them.

use serde_json::{Map, Value};

use crate::helm::json::text;

/// Spells it out. What it means stays the same.
pub(super) fn spell_out(object: &mut Value) {
    match (text(object, "/apiVersion"), text(object, "/kind")) {
        ("v1", "Service") => {
            let ports = object
                .pointer_mut("/spec/ports")
                .and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
                port.entry("protocol").or_insert_with(|| "TCP".into());
            }
        }
        // Elsewhere a number may be what is wanted.
        ("v1" | "apps/v1" | "batch/v1", _) => write_quantities(object),
        _ => {}
    }
}

/// Makes the numbers in `resources` text, wherever containers and claims are.
fn write_quantities(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Object(resources)) = members.get_mut("resources") {
                for name in ["limits", "requests"] {
                    let amounts = resources.get_mut(name).and_then(Value::as_object_mut);
                    amounts.into_iter().for_each(write_numbers);
                }
            }
            members.values_mut().for_each(write_quantities);
        }
        Value::Array(elements) => elements.iter_mut().for_each(write_quantities),
        _ => {}
    }
}

fn write_numbers(amounts: &mut Map<String, Value>) {
    for amount in amounts.values_mut() {
        if let Value::Number(number) = amount {
            *amount = number.to_string().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports_have_protocols() {
        let mut service = json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 80}]}});
        spell_out(&mut service);
        let ports = json!([{"port": 53, "protocol": "UDP"}, {"port": 80, "protocol": "TCP"}]);
        assert_eq!(service["spec"]["ports"], ports);
    }

    #[test]
    fn quantities_are_text() {
        let resources = json!({"limits": {"cpu": 0.5, "memory": "1Gi"}, "requests": {"cpu": 2}});
        let with = |api_version: &str| json!({"apiVersion": api_version, "kind": "Deployment", "spec": {"containers": [{"resources": resources}]}});
        let mut built_in = with("apps/v1");
        spell_out(&mut built_in);
        let expected = json!({"limits": {"cpu": "0.5", "memory": "1Gi"}, "requests": {"cpu": "2"}});
        assert_eq!(built_in["spec"]["containers"][0]["resources"], expected);
        let mut own = with("example.org/v1");
        spell_out(&mut own);
        assert_eq!(
            own,
            with("example.org/v1"),
            "nobody knows what it means there"
        );
    }

    #[test]
    fn odd_shapes_are_left_alone() {
        for odd in [
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": {"a": 1}}}),
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": ["a"]}}),
            json!({"apiVersion": "v1", "kind": "Pod", "resources": [{"limits": 1}]}),
        ] {
            let mut object = odd.clone();
            spell_out(&mut object);
            assert_eq!(object, odd);
        }
    }
}
