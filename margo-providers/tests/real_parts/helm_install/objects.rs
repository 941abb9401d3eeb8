//! What charts consist of, and how it fares.

use libtest_mimic::Trial;
use margo_providers::{Provider, Trouble};
use serde_json::json;

use super::{WEB, with_image, world};
use crate::helm_world::{FIRST, PASSING_JOB, SECOND, TestCluster};
use crate::{helm_double_trial, helm_trial};

pub(super) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial("helm_drift_is_seen_and_mended", drift),
        helm_trial("helm_removal_takes_volumes_and_hooks", removal),
        helm_trial("helm_large_charts_are_installed", large),
        helm_double_trial(
            "helm_releases_are_found_by_their_labels",
            "it looks at requests",
            labels,
        ),
        helm_trial("helm_oversized_objects_leave_nothing", oversized),
        helm_trial("helm_mounts_of_one_volume_are_no_drift", mounts),
        helm_trial("helm_components_may_be_called_lock", called_lock),
        helm_trial("helm_jobs_that_go_when_done_are_not_missed", passing_job),
    ]);
}

async fn drift() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", FIRST);
    world.apply(&deployment).await.expect("it is installed");
    let name = &world.names("deployments")[0];
    world
        .cluster
        .change("deployments", Some(&world.namespace), name, |object| {
            object["spec"]["replicas"] = 3.into();
        });
    let is_scaled =
        |_: &TestCluster| world.object("deployments", name)["status"]["availableReplicas"] == 3;
    world.cluster.wait_until(is_scaled).await;
    let states = world.states(&deployment).await;
    assert_eq!(states, ["installed"], "scaling is nobody's drift");
    world
        .cluster
        .change("deployments", Some(&world.namespace), name, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = SECOND.into();
        });
    let states = world.states(&deployment).await;
    let said = format!("spec.template.spec.containers[0].image is \"{SECOND}\", not \"{FIRST}\"");
    assert!(states[0].contains(&said), "{states:?}");
    world.apply(&deployment).await.expect("it is mended");
    world
        .cluster
        .change("deployments", Some(&world.namespace), name, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["args"] =
                json!(["--password=theirs"]);
        });
    let states = world.states(&deployment).await;
    let said = "spec.template.spec.containers[0].args[0] has another value";
    assert!(states[0].ends_with(said), "{states:?}");
    world.apply(&deployment).await.expect("it is mended");
    assert_eq!(world.states(&deployment).await, ["installed"]);
    // A release that somebody upgrades by hand is not what was delivered.
    world.helm(&["rollback", name, "1", "--namespace", &world.namespace]);
    assert_eq!(
        world.states(&deployment).await,
        ["installed"],
        "the same inputs"
    );
}

async fn removal() {
    let world = world().await;
    world
        .publish(
            "web",
            "1.0.0",
            &[
                ("templates/set.yaml", STATEFUL_SET),
                ("templates/hook.yaml", HOOK),
            ],
        )
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(world.names("persistentvolumeclaims").len(), 1);
    assert!(world.names("configmaps").contains(&"from-hook".to_owned()));
    world.remove(&deployment).await;
}

/// What releases consist of is much: it is read of those only that are looked at.
async fn labels() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    for image in [FIRST, SECOND] {
        let deployment = with_image(&world, "1.0.0", image);
        world.apply(&deployment).await.expect("it is installed");
    }
    let deployment = with_image(&world, "1.0.0", SECOND);
    let before = world.cluster.double().requests().len();
    assert_eq!(
        world.provider.list().await.expect("a list"),
        [deployment.id]
    );
    assert_eq!(world.states(&deployment).await, ["installed"]);
    let requests = world.cluster.double().requests();
    let secrets = requests.iter().skip(before);
    let secrets = secrets.filter(|request| request.path.contains("/secrets"));
    let (lists, reads): (Vec<_>, Vec<_>) =
        secrets.partition(|request| request.path.ends_with("/secrets"));
    assert_eq!((lists.len(), reads.len()), (2, 1));
    for list in lists {
        let accept = list.headers.get("accept").expect("a header");
        let accept = accept.to_str().expect("text");
        assert!(accept.contains("as=PartialObjectMetadataList"), "{accept}");
    }
    let revision = reads[0].path.rsplit('.').next();
    assert_eq!(revision, Some("v2"), "{}", reads[0].path);
}

async fn large() {
    let world = world().await;
    world
        .publish("web", "1.0.0", &[("templates/all.yaml", THOUSAND)])
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(world.names("configmaps").len(), 1000);
    assert_eq!(world.states(&deployment).await, ["installed"]);
    world.remove(&deployment).await;
}

/// More than the cluster takes, and more than is read of one object: Helm remembers it all the same.
async fn oversized() {
    let world = world().await;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large}\ndata: {a: \"{{ repeat 3200000 \"x\" }}\"}\n";
    world
        .publish("web", "1.0.0", &[("templates/large.yaml", text)])
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    let error = world.refused(&deployment).await;
    assert_eq!(error.trouble, Trouble::Deployment, "{error}");
    assert!(!error.message.contains("could not be undone"), "{error}");
    world.assert_nothing_left();
}

async fn mounts() {
    let world = world().await;
    let mounts = "volumeMounts: [{name: data, mountPath: /a, subPath: a}, {name: data, mountPath: /b, subPath: b}]";
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  volumes: [{{name: data, emptyDir: {{}}}}]\n  containers:\n  - name: web\n    image: {FIRST}\n    {mounts}\n"
    );
    world
        .publish("web", "1.0.0", &[("templates/pod.yaml", &pod)])
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(world.states(&deployment).await, ["installed"]);
    world.remove(&deployment).await;
}

async fn passing_job() {
    let world = world().await;
    world.publish("web", "1.0.0", PASSING_JOB).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    world.cluster.delete("jobs", Some(&world.namespace), "job");
    assert_eq!(world.states(&deployment).await, ["installed"]);
    let writes = world.writes();
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(world.writes(), writes, "the job is not run again");
    world.remove(&deployment).await;
}

async fn called_lock() {
    let world = world().await;
    world.publish("lock", "1.0.0", WEB).await;
    let deployment = world.deployment(&[("lock", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    world.remove(&deployment).await;
}

const STATEFUL_SET: &str = r"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: {{ .Release.Name }}}
spec:
  serviceName: {{ .Release.Name }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: web, image: registry.k8s.io/pause:3.9}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
";
const HOOK: &str = r"
apiVersion: v1
kind: ConfigMap
metadata: {name: from-hook, annotations: {helm.sh/hook: pre-install}}
data: {}
";
const THOUSAND: &str = r#"
{{- range $number := until 1000 }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "map-{{ $number }}"}
data: {number: "{{ $number }}"}
{{- end }}
"#;
