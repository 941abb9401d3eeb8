//! What every container is given beyond what its chart says: OpenTelemetry variables and image pull secrets.
//!
//! Both modes use it: template mode on the objects it applies, install mode on what Helm's post-renderer is handed.

use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

use crate::Telemetry;

/// What is put into pods.
#[derive(Clone, Debug, Default)]
pub(super) struct Injection {
    /// Environment variables for every container, init containers included (rc3.md section 10, D86).
    variables: Vec<(String, String)>,
    /// Names of secrets with which the images of every pod may be pulled.
    pull_secrets: Vec<String>,
}

impl Injection {
    /// The variables of a collector, and these secrets.
    pub(super) fn new(telemetry: Option<&Telemetry>, pull_secrets: &[String]) -> Self {
        let variables = telemetry.map(Telemetry::variables).unwrap_or_default();
        Self {
            variables: variables
                .into_iter()
                // Kubernetes replaces `$(NAME)` in values.
                .map(|(name, value)| (name.to_owned(), value.replace("$(", "$$(")))
                .collect(),
            pull_secrets: pull_secrets.to_vec(),
        }
    }

    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.variables.is_empty() && self.pull_secrets.is_empty()
    }

    /// Puts it into every pod that the object is or makes.
    ///
    /// A variable that the chart sets itself keeps its value: its author knows which collector is meant.
    pub(super) fn put_into(&self, object: &mut Value) {
        let path = match object.get("kind").and_then(Value::as_str) {
            Some("Pod") => "/spec",
            Some("PodTemplate") => "/template/spec",
            Some("CronJob") => "/spec/jobTemplate/spec/template/spec",
            Some(
                "DaemonSet"
                | "Deployment"
                | "Job"
                | "ReplicaSet"
                | "ReplicationController"
                | "StatefulSet",
            ) => "/spec/template/spec",
            _ => return,
        };
        let Some(Value::Object(pod)) = object.pointer_mut(path) else {
            return;
        };
        for list in ["initContainers", "containers"] {
            if let Some(Value::Array(containers)) = pod.get_mut(list) {
                for container in containers.iter_mut().filter_map(Value::as_object_mut) {
                    self.add_variables(container);
                }
            }
        }
        let secrets = self.pull_secrets.iter();
        add_named(
            pod,
            "imagePullSecrets",
            secrets.map(|name| json!({"name": name})),
        );
    }

    fn add_variables(&self, container: &mut Map<String, Value>) {
        let variables = self.variables.iter();
        add_named(
            container,
            "env",
            variables.map(|(name, value)| json!({"name": name, "value": value})),
        );
    }
}

/// A secret with which images of a registry can be pulled.
pub(super) fn pull_secret(
    name: &str,
    namespace: &str,
    registry: &str,
    user: &str,
    password: &str,
) -> Value {
    let login = base64(format!("{user}:{password}"));
    let logins =
        json!({"auths": {registry: {"username": user, "password": password, "auth": login}}});
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name, "namespace": namespace},
        "data": {".dockerconfigjson": base64(logins.to_string())},
    })
}

/// Bytes as `data` of a secret has them.
pub(super) fn base64(bytes: impl Into<Vec<u8>>) -> Value {
    serde_json::to_value(ByteString(bytes.into())).unwrap_or_default()
}

/// Adds those of the items whose name is not in the list yet.
fn add_named(owner: &mut Map<String, Value>, list: &str, items: impl Iterator<Item = Value>) {
    let items: Vec<Value> = items.collect();
    if items.is_empty() {
        return;
    }
    let there = owner.entry(list).or_insert(Value::Null);
    if there.is_null() {
        *there = Value::Array(Vec::new());
    }
    let Value::Array(there) = there else { return };
    for item in items {
        if !there.iter().any(|one| one.get("name") == item.get("name")) {
            there.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injection() -> Injection {
        Injection::new(
            Some(&Telemetry::new("http://collector:4318")),
            &["mirror".to_owned()],
        )
    }

    fn variable() -> Value {
        json!({"name": "HTTP_OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"})
    }

    #[test]
    fn every_container_of_every_kind_of_pod_is_told() {
        let pod = json!({"containers": [{"name": "a"}, {"name": "b", "env": null}], "initContainers": [{"name": "c"}]});
        let template = json!({"spec": {"template": {"spec": pod}}});
        let mut objects = vec![json!({"kind": "Pod", "spec": pod})];
        for kind in [
            "DaemonSet",
            "Deployment",
            "Job",
            "ReplicaSet",
            "ReplicationController",
            "StatefulSet",
        ] {
            let mut object = template.clone();
            object["kind"] = kind.into();
            objects.push(object);
        }
        objects.push(json!({"kind": "CronJob", "spec": {"jobTemplate": template}}));
        for mut object in objects {
            injection().put_into(&mut object);
            let text = object.to_string();
            let count = text.matches(&variable().to_string()).count();
            assert_eq!(count, 3, "{text}");
            assert!(
                text.contains(r#""imagePullSecrets":[{"name":"mirror"}]"#),
                "{text}"
            );
        }
    }

    #[test]
    fn what_the_chart_sets_is_kept_and_again_changes_nothing() {
        let theirs = json!({"name": "HTTP_OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://own"});
        let mut pod = json!({
            "kind": "Pod",
            "spec": {"imagePullSecrets": [{"name": "own"}], "containers": [{"env": [theirs]}]},
        });
        injection().put_into(&mut pod);
        assert_eq!(pod["spec"]["containers"][0]["env"], json!([theirs]));
        assert_eq!(
            pod["spec"]["imagePullSecrets"],
            json!([{"name": "own"}, {"name": "mirror"}])
        );
        let once = pod.clone();
        injection().put_into(&mut pod);
        assert_eq!(pod, once);
    }

    #[test]
    fn other_objects_and_odd_ones_are_left_alone() {
        let odd = [
            json!({"kind": "ConfigMap", "spec": {"template": {"spec": {"containers": [{}]}}}}),
            json!({"kind": "Deployment", "spec": {"template": "x"}}),
            json!({"kind": "Pod", "spec": {"containers": "x", "imagePullSecrets": "x"}}),
            json!([]),
        ];
        for object in odd {
            let mut now = object.clone();
            injection().put_into(&mut now);
            assert_eq!(now, object);
        }
        let nothing = Injection::new(None, &[]);
        assert!(nothing.is_empty());
        let mut pod = json!({"kind": "Pod", "spec": {"containers": [{}]}});
        nothing.put_into(&mut pod);
        assert_eq!(pod, json!({"kind": "Pod", "spec": {"containers": [{}]}}));
    }

    #[test]
    fn pull_secrets_are_what_the_kubelet_reads() {
        let secret = pull_secret("mirror", "apps", "127.0.0.1:5000", "device", "s3cret");
        assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
        let data: ByteString =
            serde_json::from_value(secret["data"][".dockerconfigjson"].clone()).unwrap();
        let logins: Value = serde_json::from_slice(&data.0).unwrap();
        assert_eq!(
            logins["auths"]["127.0.0.1:5000"]["auth"],
            "ZGV2aWNlOnMzY3JldA=="
        );
    }
}
