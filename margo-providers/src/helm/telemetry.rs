//! What every container is given beyond what its chart says: OpenTelemetry variables and image pull secrets.
//!
//! Both modes use it: template mode on the objects it applies, install mode on those that Helm renders.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use margo_package::oci::{Credentials, Secret};
use margo_types::Digest;
use serde_json::{Map, Value, json};

use super::names::Release;
use super::options::Options;
use super::pods::{LISTS, pod_spec_mut};
use crate::Telemetry;

/// What is put into pods.
#[derive(Clone, Debug, Default)]
pub(super) struct Injection {
    /// Environment variables for every container, init containers included (rc3.md section 10, D86).
    variables: Vec<(String, String)>,
    /// Names of secrets with which the images of every pod may be pulled.
    pull_secrets: Vec<String>,
    /// The logins for private registries, as Docker's configuration has them.
    logins: Option<Secret>,
}

impl Injection {
    /// What the options say.
    pub(super) fn new(options: &Options) -> Self {
        let telemetry = options.telemetry.as_ref();
        let variables = telemetry.map(Telemetry::variables).unwrap_or_default();
        Self {
            variables: variables
                .into_iter()
                // Kubernetes replaces `$(NAME)` in values.
                .map(|(name, value)| (name.to_owned(), value.replace("$(", "$$(")))
                .collect(),
            pull_secrets: options.image_pull_secrets.clone(),
            logins: logins_of(&options.image_credentials),
        }
    }

    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.variables.is_empty() && self.pull_secrets.is_empty() && self.logins.is_none()
    }

    /// Tells it from any other.
    pub(super) fn digest(&self) -> Digest {
        let logins = self.logins.as_ref().map(Secret::expose);
        let all = json!([self.variables, self.pull_secrets, logins]);
        Digest::of(all.to_string().as_bytes())
    }

    /// Puts it into every pod that the objects of a release are or make. The logins become a secret of the release.
    pub(super) fn put_into(&self, objects: &mut Vec<Value>, release: &Release) {
        let mut secrets = self.pull_secrets.clone();
        if let Some(logins) = &self.logins {
            let name = format!("{}-registries", release.name);
            // Before the pods that need it.
            objects.insert(0, pull_secret(&name, release, logins));
            secrets.push(name);
        }
        for object in objects {
            self.put_into_object(object, &secrets);
        }
    }

    /// A variable that the chart sets itself keeps its value: its author knows which collector is meant.
    fn put_into_object(&self, object: &mut Value, pull_secrets: &[String]) {
        let Some(Value::Object(pod)) = pod_spec_mut(object) else {
            return;
        };
        for list in LISTS {
            if let Some(Value::Array(containers)) = pod.get_mut(list) {
                for container in containers.iter_mut().filter_map(Value::as_object_mut) {
                    self.add_variables(container);
                }
            }
        }
        let secrets = pull_secrets.iter().map(|name| json!({"name": name}));
        add_named(pod, "imagePullSecrets", secrets);
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

/// The logins as `.dockerconfigjson` has them; `None` when there are none.
fn logins_of(credentials: &BTreeMap<String, Credentials>) -> Option<Secret> {
    let logins: Map<String, Value> = credentials
        .iter()
        .filter_map(|(registry, credentials)| {
            // The kubelet knows no tokens; `Options::check` refuses them.
            let Credentials::Password { user, password } = credentials else {
                return None;
            };
            let password = password.expose();
            let both = base64(format!("{user}:{password}"));
            let login = json!({"username": user, "password": password, "auth": both});
            Some((registry.clone(), login))
        })
        .collect();
    (!logins.is_empty()).then(|| Secret::new(json!({"auths": logins}).to_string()))
}

/// A secret with which images can be pulled.
fn pull_secret(name: &str, release: &Release, logins: &Secret) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name, "namespace": release.namespace},
        "data": {".dockerconfigjson": base64(logins.expose())},
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
    use margo_package::oci::Client;

    use super::*;

    fn options() -> Options {
        let client = Client::builder().no_proxy().build().unwrap();
        let mut options = Options::new("state", client);
        options.telemetry = Some(Telemetry::new("http://collector:4318"));
        options.image_pull_secrets = vec!["mirror".to_owned()];
        options
    }

    fn release() -> Release {
        Release {
            name: "web-1".to_owned(),
            namespace: "apps".to_owned(),
        }
    }

    fn put_into(options: &Options, object: &Value) -> Vec<Value> {
        let mut objects = vec![object.clone()];
        Injection::new(options).put_into(&mut objects, &release());
        objects
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
        for object in objects {
            let text = put_into(&options(), &object)[0].to_string();
            let count = text.matches(&variable().to_string()).count();
            assert_eq!(count, 3, "{text}");
            let secrets = r#""imagePullSecrets":[{"name":"mirror"}]"#;
            assert!(text.contains(secrets), "{text}");
        }
    }

    #[test]
    fn what_the_chart_sets_is_kept_and_again_changes_nothing() {
        let theirs = json!({"name": "HTTP_OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://own"});
        let pod = json!({
            "kind": "Pod",
            "spec": {"imagePullSecrets": [{"name": "own"}], "containers": [{"env": [theirs]}]},
        });
        let once = put_into(&options(), &pod);
        let spec = &once[0]["spec"];
        assert_eq!(spec["containers"][0]["env"], json!([theirs]));
        assert_eq!(
            spec["imagePullSecrets"],
            json!([{"name": "own"}, {"name": "mirror"}])
        );
        assert_eq!(put_into(&options(), &once[0]), once);
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
            assert_eq!(put_into(&options(), &object), [object]);
        }
        let mut nothing = options();
        nothing.telemetry = None;
        nothing.image_pull_secrets.clear();
        assert!(Injection::new(&nothing).is_empty());
        let pod = json!({"kind": "Pod", "spec": {"containers": [{}]}});
        assert_eq!(put_into(&nothing, &pod), [pod]);
    }

    #[test]
    fn logins_become_a_secret_that_the_kubelet_reads() {
        let mut options = options();
        let without = Injection::new(&options).digest();
        let login = Credentials::password("device", "s3cret");
        options
            .image_credentials
            .insert("127.0.0.1:5000".to_owned(), login);
        let injection = Injection::new(&options);
        assert_ne!(injection.digest(), without);
        assert!(!format!("{injection:?}").contains("s3cret"));
        let objects = put_into(&options, &json!({"kind": "Pod", "spec": {}}));
        let names = json!([{"name": "mirror"}, {"name": "web-1-registries"}]);
        assert_eq!(objects[1]["spec"]["imagePullSecrets"], names);
        let secret = &objects[0];
        assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
        assert_eq!(
            secret["metadata"],
            json!({"name": "web-1-registries", "namespace": "apps"})
        );
        let data = secret["data"][".dockerconfigjson"].clone();
        let data: ByteString = serde_json::from_value(data).unwrap();
        let logins: Value = serde_json::from_slice(&data.0).unwrap();
        let login = &logins["auths"]["127.0.0.1:5000"];
        assert_eq!(login["auth"], "ZGV2aWNlOnMzY3JldA==");
    }
}
