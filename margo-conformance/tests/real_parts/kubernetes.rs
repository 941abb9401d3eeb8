//! The cluster against the real `helm`.

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use libtest_mimic::Trial;
use margo_conformance::kubernetes::{Breakage, Cluster, Fault, Verb};
use serde_json::{Value, json};

use self::world::World;
use crate::trial;

pub(crate) fn add(trials: &mut Vec<Trial>) {
    let obstacle = crate::program("helm");
    macro_rules! add {
        ($($test:ident),* $(,)?) => {
            $(trials.push(trial(stringify!($test), obstacle.clone(), $test));)*
        };
    }
    add!(
        helm_installs_updates_rolls_back_and_uninstalls,
        helm_waits_in_vain_for_a_broken_image,
        helm_takes_back_what_failed,
        helm_waits_until_pods_are_ready,
        helm_is_told_what_it_may_not_do,
        helm_says_what_is_wrong_with_a_chart,
        helm_runs_hooks_and_tests,
        helm_installs_definitions_first,
        helm_asks_nothing_to_render_a_chart,
        helm_installs_hundreds_of_objects,
        helm_carries_on_after_failures_of_the_server,
    );
}

async fn helm_installs_updates_rolls_back_and_uninstalls() {
    let world = World::start().await;
    let before = contents(&world.cluster);
    world.succeeds(&["install", "shop", "CHART", "--wait", "--timeout", "2m"]);
    assert_eq!(
        image(&world.cluster).as_deref(),
        Some("registry.example/web:1")
    );
    assert_eq!(world.cluster.objects("pods").len(), 2);
    let values = world.succeeds(&["get", "manifest", "shop"]);
    assert!(values.contains("kind: Deployment"), "{values}");

    world.succeeds(&[
        "upgrade",
        "shop",
        "CHART",
        "--wait",
        "--timeout",
        "2m",
        "--set",
        "tag=2,service=false",
    ]);
    assert_eq!(
        image(&world.cluster).as_deref(),
        Some("registry.example/web:2")
    );
    assert!(world.cluster.objects("services").is_empty());
    let values = world.succeeds(&["get", "values", "shop", "--output", "json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&values).unwrap(),
        json!({ "tag": 2, "service": false })
    );

    world.succeeds(&["rollback", "shop", "1", "--wait", "--timeout", "2m"]);
    assert_eq!(
        image(&world.cluster).as_deref(),
        Some("registry.example/web:1")
    );
    assert_eq!(world.cluster.objects("services").len(), 1);
    let history = world.succeeds(&["history", "shop", "--output", "json"]);
    let history: Value = serde_json::from_str(&history).unwrap();
    let statuses: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["status"].as_str())
        .collect();
    assert_eq!(
        statuses,
        [Some("superseded"), Some("superseded"), Some("deployed")]
    );
    let releases = world.succeeds(&["list", "--all-namespaces", "--output", "json"]);
    assert!(releases.contains(r#""revision":"3""#), "{releases}");
    let status = world.succeeds(&["status", "shop", "--output", "json", "--show-resources"]);
    assert!(status.contains(r#""status":"deployed""#), "{status}");

    world.succeeds(&["uninstall", "shop", "--wait"]);
    assert_eq!(contents(&world.cluster), before);
}

async fn helm_waits_in_vain_for_a_broken_image() {
    let world = World::start().await;
    world.succeeds(&["install", "shop", "CHART", "--wait", "--timeout", "2m"]);
    world
        .cluster
        .break_image("registry.example/web:2", Breakage::ImagePullBackOff);
    let errors = world.fails(&[
        "upgrade",
        "shop",
        "CHART",
        "--wait",
        "--timeout",
        "10s",
        "--set",
        "tag=2",
    ]);
    assert!(errors.contains("deadline"), "{errors}");
    assert_eq!(
        running_images(&world.cluster),
        ["registry.example/web:1"; 2]
    );
    let releases = world.succeeds(&["list", "--failed", "--output", "json"]);
    assert!(releases.contains(r#""status":"failed""#), "{releases}");

    world.succeeds(&[
        "upgrade",
        "shop",
        "CHART",
        "--wait",
        "--timeout",
        "2m",
        "--set",
        "tag=3",
    ]);
    assert_eq!(
        running_images(&world.cluster),
        ["registry.example/web:3"; 2]
    );
}

async fn helm_takes_back_what_failed() {
    let world = World::start().await;
    let before = contents(&world.cluster);
    world
        .cluster
        .break_image("registry.example/web:1", Breakage::CrashLoopBackOff);
    world.fails(&["install", "shop", "CHART", "--atomic", "--timeout", "10s"]);
    let left = contents(&world.cluster);
    let left: Vec<_> = left
        .difference(&before)
        .filter(|it| !it.starts_with("events/"))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    world.cluster.mend_image("registry.example/web:1");
    world
        .cluster
        .break_image("registry.example/web:2", Breakage::NotReady);
    world.succeeds(&["install", "shop", "CHART", "--wait", "--timeout", "2m"]);
    let errors = world.fails(&[
        "upgrade",
        "shop",
        "CHART",
        "--atomic",
        "--timeout",
        "10s",
        "--set",
        "tag=2",
    ]);
    assert!(
        errors.contains("has been rolled back due to atomic being set"),
        "{errors}"
    );
    assert_eq!(
        running_images(&world.cluster),
        ["registry.example/web:1"; 2]
    );
}

async fn helm_waits_until_pods_are_ready() {
    let world = World::start().await;
    world.cluster.delay_readiness(Duration::from_millis(500));
    world.succeeds(&["install", "shop", "CHART", "--wait", "--timeout", "2m"]);
    assert_eq!(running_images(&world.cluster).len(), 2);
}

async fn helm_is_told_what_it_may_not_do() {
    let world = World::start().await;
    world.cluster.forbid(Verb::Create, "services");
    let errors = world.fails(&["install", "shop", "CHART"]);
    assert!(
        errors.contains("services is forbidden: User \"margo\" cannot create"),
        "{errors}"
    );
    world.cluster.forbid(Verb::List, "secrets");
    let errors = world.fails(&["list"]);
    assert!(errors.contains("secrets is forbidden"), "{errors}");
    let errors = world.fails(&["install", "other", "CHART", "--namespace", "nowhere"]);
    assert!(
        errors.contains("namespaces \"nowhere\" not found") || errors.contains("forbidden"),
        "{errors}"
    );

    world.cluster.allow_all();
    let errors = world.fails(&["install", "other", "CHART", "--namespace", "nowhere"]);
    assert!(
        errors.contains("namespaces \"nowhere\" not found"),
        "{errors}"
    );
    world.succeeds(&[
        "install",
        "other",
        "CHART",
        "--namespace",
        "nowhere",
        "--create-namespace",
    ]);
    world.cluster.stop().await;
    let errors = world.fails(&["list"]);
    assert!(errors.contains("cluster unreachable"), "{errors}");
}

async fn helm_says_what_is_wrong_with_a_chart() {
    let world = World::start().await;
    let map = |data: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  {data}\n")
    };
    for (template, why) in [
        (map("a: 1"), "cannot unmarshal number"),
        (map("a: b").replace("name: a", "name: A"), "RFC 1123"),
        (
            map("a: b").replace("v1", "example.org/v1"),
            "no matches for kind \"ConfigMap\" in version \"example.org/v1\"",
        ),
    ] {
        world.write("chart/templates/all.yaml", &template);
        let errors = world.fails(&["install", "shop", "CHART"]);
        assert!(errors.contains(why), "{errors}");
        let _ = world.helm(&["uninstall", "shop"]);
    }
}

async fn helm_runs_hooks_and_tests() {
    let world = World::start().await;
    for (name, hook) in [("before", "pre-install"), ("check", "test")] {
        let job = JOB.replace("NAME", name).replace("HOOK", hook);
        world.write(&format!("chart/templates/{name}.yaml"), &job);
    }
    world.succeeds(&["install", "shop", "CHART", "--wait", "--timeout", "2m"]);
    assert!(
        world
            .cluster
            .object("jobs", Some("default"), "before")
            .is_some()
    );
    let tested = world.succeeds(&["test", "shop", "--timeout", "2m"]);
    assert!(tested.contains("Succeeded"), "{tested}");

    world.succeeds(&["uninstall", "shop"]);
    world.cluster.delete("jobs", Some("default"), "before");
    world
        .cluster
        .break_image("registry.example/job:1", Breakage::CrashLoopBackOff);
    let errors = world.fails(&["install", "shop", "CHART", "--timeout", "2m"]);
    assert!(
        errors.contains("pre-install") && errors.contains("BackoffLimitExceeded"),
        "{errors}"
    );
}

async fn helm_installs_definitions_first() {
    let world = World::start().await;
    world.write("chart/crds/widgets.yaml", DEFINITION);
    let widget = "apiVersion: example.org/v1\nkind: Widget\nmetadata:\n  name: w\nspec:\n  size: {{ .Values.tag }}\n";
    world.write("chart/templates/widget.yaml", widget);
    world.succeeds(&["install", "shop", "CHART", "--wait", "--timeout", "2m"]);
    world.succeeds(&["upgrade", "shop", "CHART", "--set", "tag=2"]);
    let widget = world
        .cluster
        .object("widgets", Some("default"), "w")
        .unwrap();
    assert_eq!(widget["spec"]["size"], 2);
}

async fn helm_asks_nothing_to_render_a_chart() {
    let world = World::start().await;
    world.succeeds(&[
        "template",
        "shop",
        "CHART",
        "--api-versions",
        "example.org/v1/Widget",
    ]);
    let asked: Vec<_> = world
        .cluster
        .requests()
        .iter()
        .map(margo_conformance::RecordedRequest::line)
        .collect();
    assert!(asked.is_empty(), "{asked:?}");
}

async fn helm_installs_hundreds_of_objects() {
    let world = World::start().await;
    let before = contents(&world.cluster);
    world.write("chart/templates/many.yaml", MANY);
    world.succeeds(&["install", "shop", "CHART", "--set", "count=300"]);
    assert_eq!(world.cluster.objects("configmaps").len(), 303);
    world.succeeds(&["upgrade", "shop", "CHART", "--set", "count=200,tag=2"]);
    assert_eq!(world.cluster.objects("configmaps").len(), 203);
    let last = world
        .cluster
        .object("configmaps", Some("default"), "many-199")
        .unwrap();
    assert_eq!(last["data"]["tag"], "2");
    world.succeeds(&["uninstall", "shop", "--wait"]);
    assert_eq!(contents(&world.cluster), before);
}

async fn helm_carries_on_after_failures_of_the_server() {
    let world = World::start().await;
    world
        .cluster
        .fail_next(Verb::Create, "deployments", 1, Fault::InternalError);
    let errors = world.fails(&["install", "shop", "CHART"]);
    assert!(errors.contains("etcdserver: request timed out"), "{errors}");
    world.succeeds(&[
        "upgrade",
        "--install",
        "shop",
        "CHART",
        "--wait",
        "--timeout",
        "2m",
    ]);
    world
        .cluster
        .fail_next(Verb::Patch, "deployments", 1, Fault::TooManyRequests);
    world.succeeds(&["upgrade", "shop", "CHART", "--set", "tag=2"]);
    assert_eq!(
        image(&world.cluster).as_deref(),
        Some("registry.example/web:2")
    );
}

/// All that is in a cluster, as `resource/namespace/name`.
fn contents(cluster: &Cluster) -> BTreeSet<String> {
    let all = [
        "configmaps",
        "deployments",
        "events",
        "jobs",
        "namespaces",
        "pods",
        "replicasets",
        "secrets",
        "services",
    ];
    let objects = all.into_iter().flat_map(|plural| {
        let objects = cluster.objects(plural).into_iter();
        objects.map(move |it| {
            format!(
                "{plural}/{}/{}",
                it["metadata"]["namespace"], it["metadata"]["name"]
            )
        })
    });
    objects.collect()
}

fn image(cluster: &Cluster) -> Option<String> {
    let deployment = cluster.object("deployments", Some("default"), "shop")?;
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    image.as_str().map(ToOwned::to_owned)
}

fn running_images(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.objects("pods");
    let ready = pods
        .iter()
        .filter(|pod| pod["status"]["containerStatuses"][0]["ready"] == true);
    let images = ready.map(|pod| pod["spec"]["containers"][0]["image"].as_str());
    images.flatten().map(ToOwned::to_owned).collect()
}

const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata:
  name: NAME
  annotations:
    helm.sh/hook: HOOK
spec:
  backoffLimit: 1
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: job
          image: registry.example/job:1
";

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.org
spec:
  group: example.org
  scope: Namespaced
  names: { kind: Widget, plural: widgets }
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true }
";

const MANY: &str = "
{{- range $number := until (int .Values.count) }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: many-{{ $number }}
data:
  tag: {{ $.Values.tag | quote }}
{{- end }}
";
