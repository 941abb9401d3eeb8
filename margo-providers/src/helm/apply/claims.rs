//! What objects take for themselves, so that no others can have it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::helm::json::text;
use crate::helm::names::Release;
use crate::helm::pods::{containers, pod_spec};

/// Something that only one can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// A name, of a kind of an API group in a namespace.
    Name([String; 4]),
    /// A port of every node, of a service.
    NodePort(u64),
    /// A port of the node that a pod is on, of a protocol.
    HostPort(String, u64),
}

/// What the objects of a release take.
pub(super) fn claims(release: &Release, objects: &[Value]) -> BTreeSet<Claim> {
    let mut claims = BTreeSet::new();
    for object in objects {
        claims.insert(name(release, object));
        let ports = object.pointer("/spec/ports").and_then(Value::as_array);
        let ports = ports.into_iter().flatten();
        claims.extend(ports.filter_map(|port| Some(Claim::NodePort(number(port, "nodePort")?))));
        if let Some(pod) = pod_spec(object) {
            claims.extend(host_ports(pod));
        }
    }
    claims
}

/// Of what is in no namespace, that of the release does no harm: it is the same for all components of a deployment.
fn name(release: &Release, object: &Value) -> Claim {
    let api_version = text(object, "/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let namespace = match text(object, "/metadata/namespace") {
        "" => &release.namespace,
        own => own,
    };
    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
    Claim::Name([group, kind, namespace, name].map(str::to_owned))
}

fn host_ports(pod: &Value) -> impl Iterator<Item = Claim> {
    let of_host = pod.get("hostNetwork") == Some(&Value::Bool(true));
    let ports = containers(pod).filter_map(|container| container.get("ports")?.as_array());
    ports.flatten().filter_map(move |port| {
        let given = number(port, "hostPort");
        let number = given.or_else(|| number(port, "containerPort").filter(|_| of_host))?;
        let protocol = match text(port, "/protocol") {
            "" => "TCP",
            own => own,
        };
        Some(Claim::HostPort(protocol.to_owned(), number))
    })
}

fn number(port: &Value, member: &str) -> Option<u64> {
    port.get(member)?.as_u64().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(object: &Value) -> BTreeSet<Claim> {
        let release = Release {
            name: "web-1".to_owned(),
            namespace: "apps".to_owned(),
        };
        claims(&release, std::slice::from_ref(object))
    }

    fn share(one: &Value, other: &Value) -> bool {
        !of(one).is_disjoint(&of(other))
    }

    #[test]
    fn names_are_taken_whatever_the_version() {
        let object = |version: &str, namespace: Value| json!({"apiVersion": version, "kind": "Ingress", "metadata": {"name": "a", "namespace": namespace}});
        let one = object("networking.k8s.io/v1", Value::Null);
        assert!(share(
            &one,
            &object("networking.k8s.io/v1beta1", json!("apps"))
        ));
        assert!(!share(
            &one,
            &object("networking.k8s.io/v1", json!("other"))
        ));
        assert!(!share(&one, &object("extensions/v1", Value::Null)));
    }

    #[test]
    fn ports_are_taken() {
        let service = |name: &str, port: u64| json!({"kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 1, "nodePort": port}]}});
        assert!(share(&service("a", 30080), &service("b", 30080)));
        assert!(!share(&service("a", 0), &service("b", 0)));
        let pod = |name: &str, spec: Value| json!({"kind": "DaemonSet", "metadata": {"name": name}, "spec": {"template": {"spec": spec}}});
        let port = |port: Value| json!([{"name": "c", "ports": [port]}]);
        let host = pod(
            "a",
            json!({"containers": port(json!({"containerPort": 1, "hostPort": 80}))}),
        );
        let of_host =
            json!({"hostNetwork": true, "initContainers": port(json!({"containerPort": 80}))});
        assert!(share(&host, &pod("b", of_host)));
        let udp = json!({"containers": port(json!({"hostPort": 80, "protocol": "UDP"}))});
        assert!(!share(&host, &pod("b", udp)));
        let inner = json!({"containers": port(json!({"containerPort": 80}))});
        assert!(!share(&host, &pod("b", inner)));
    }
}
