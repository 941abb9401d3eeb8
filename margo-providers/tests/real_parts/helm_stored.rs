//! What API servers make of what they are given; in both modes.

use libtest_mimic::Trial;
use margo_providers::Trouble;
use margo_providers::helm::Mode;
use serde_json::{Value, json};

use crate::helm_trial;
use crate::helm_world::{HelmWorld, template_mode};

pub(crate) fn add(trials: &mut Vec<Trial>) {
    for (name, mode) in [("install", Mode::Install), ("template", template_mode())] {
        let going_mode = mode.clone();
        trials.push(helm_trial(
            &format!("helm_{name}_what_is_stored_is_what_was_meant"),
            move || stored(mode),
        ));
        trials.push(helm_trial(
            &format!("helm_{name}_waits_for_no_namespace_that_is_going"),
            move || going(going_mode),
        ));
    }
}

/// It is said that the namespace goes, not that something is forbidden.
async fn going(mode: Mode) {
    let world = HelmWorld::with(|options| options.mode = mode).await;
    let files = [("templates/all.yaml", OBJECTS)];
    world.publish("web", "1.0.0", &files).await;
    let namespace = world.beside("going");
    world.cluster.add_namespace(&namespace);
    world.cluster.add(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": namespace, "finalizers": ["example.org/guard"]},
    }));
    let deletion = http::Request::delete(format!("/api/v1/namespaces/{namespace}"));
    let deletion = deletion.body(Vec::new()).expect("a request");
    world.cluster.ask(deletion).await;

    let mut deployment = world.deployment(&[("web", "1.0.0")]);
    deployment.metadata.namespace = Some(namespace.clone());
    let error = world.refused(&deployment).await;
    assert_eq!(error.trouble, Trouble::Device, "{error}");
    assert!(error.message.contains("is being removed"), "{error}");
    let release = |held: &mut Value| held["metadata"]["finalizers"] = json!([]);
    world
        .cluster
        .change("configmaps", Some(&namespace), "held", release);
}

async fn stored(mode: Mode) {
    let world = HelmWorld::with(|options| options.mode = mode).await;
    let files = [("templates/all.yaml", OBJECTS)];
    world.publish("web", "1.0.0", &files).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(world.object("secrets", "lines")["data"]["a"], "aGVsbG8=");
    assert_eq!(world.states(&deployment).await, ["installed"]);
    let writes = world.writes();
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(world.writes(), writes, "nothing was to be done");
    world.remove(&deployment).await;
}

/// Base64 in lines, quantities in every form, and what has defaults.
const OBJECTS: &str = r"
apiVersion: v1
kind: Secret
metadata: {name: lines}
data:
  a: |
    aGVs
    bG8=
---
apiVersion: v1
kind: ConfigMap
metadata: {name: lines}
binaryData:
  a: |
    aGVs
    bG8=
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: registry.k8s.io/pause:3.9
          ports: [{containerPort: 53}, {containerPort: 53, protocol: UDP}]
          resources: {limits: {cpu: 0.5, memory: 1024Mi}, requests: {cpu: 1e-1, memory: 1e6}}
";
