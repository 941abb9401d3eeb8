//! Installing, updating, looking and removing.

use std::time::Duration;

use libtest_mimic::Trial;
use margo_conformance::kubernetes::{Breakage, Cluster, Fault, Verb};
use margo_package::oci::Credentials;
use margo_providers::helm::{Mode, TemplateOptions};
use margo_providers::{Provider, Silent, Telemetry};
use serde_json::json;

use super::{CONFIG, DEPLOYMENT, STATEFUL_SET, WEB};
use crate::helm_world::{HelmWorld, ID, PASSING_JOB, TestCluster, release, template_mode};
use crate::{helm_double_trial, helm_trial};

pub(super) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial("helm_template_runs_through_a_life", runs_through_a_life),
        helm_double_trial(
            "helm_template_waits_by_watching",
            "its API server fails",
            waits_by_watching,
        ),
        helm_trial(
            "helm_template_applies_into_namespaces_of_the_chart",
            applies_into_namespaces_of_the_chart,
        ),
        helm_trial(
            "helm_template_renders_without_the_cluster",
            renders_without_the_cluster,
        ),
        helm_trial(
            "helm_template_tells_containers_of_the_collector",
            tells_containers,
        ),
        helm_trial(
            "helm_template_keeps_and_removes_volumes",
            keeps_and_removes_volumes,
        ),
        helm_trial(
            "helm_template_notices_and_heals_drift",
            notices_and_heals_drift,
        ),
        helm_trial(
            "helm_template_knows_objects_without_their_labels",
            knows_objects_without_their_labels,
        ),
        helm_trial(
            "helm_template_does_not_miss_jobs_that_go_when_done",
            does_not_miss_jobs_that_go,
        ),
        helm_trial("helm_template_needs_no_memory", needs_no_memory),
        helm_trial("helm_template_makes_namespaces_when_told", makes_namespaces),
        helm_trial(
            "helm_template_keeps_what_its_author_wants_kept",
            keeps_what_is_to_be_kept,
        ),
        helm_trial(
            "helm_template_applies_a_thousand_objects",
            applies_a_thousand_objects,
        ),
    ]);
}

async fn runs_through_a_life() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    let without_service: Vec<_> = WEB
        .iter()
        .filter(|(path, _)| !path.contains("service"))
        .copied()
        .collect();
    world.publish("web", "2.0.0", &without_service).await;

    let first = world.deployment(&[("web", "1.0.0")]);
    world.apply(&first).await.expect("it is applied");
    let name = release(&world, "web");
    let deployment = world.object("deployments", &name);
    let labels = &deployment["metadata"]["labels"];
    assert_eq!(labels["margo.owner"], world.owner());
    assert_eq!(labels["margo.deployment"], ID);
    assert_eq!(labels["margo.component"], "web");
    assert_eq!(labels["app.kubernetes.io/managed-by"], "margo");
    assert_eq!(deployment["status"]["readyReplicas"], 2);
    assert_eq!(world.states(&first).await, ["installed"]);
    assert_eq!(world.provider.list().await.expect("a list"), [first.id]);

    let writes = world.writes();
    world.apply(&first).await.expect("it is applied");
    assert_eq!(world.writes(), writes, "the same again changes nothing");

    let config = world.object("configmaps", &name);
    let mut second = world.deployment_with(ID, &[("web", "2.0.0")], &json!({"replicas": 3}));
    second
        .metadata
        .labels
        .insert("a".to_owned(), "b".to_owned());
    world.apply(&second).await.expect("it is applied");
    assert_eq!(world.object("deployments", &name)["spec"]["replicas"], 3);
    assert_eq!(
        world.names("services"),
        [""; 0],
        "what the new revision does not have is gone"
    );
    assert_eq!(
        world.object("configmaps", &name),
        config,
        "what is the same is not touched"
    );
    assert_eq!(world.states(&second).await, ["installed"]);

    world.remove(&second).await;
    assert_eq!(world.states(&second).await, ["removed"]);
    assert!(world.provider.list().await.expect("a list").is_empty());
}

/// Neither a server that is busy for a moment nor a watch that breaks off is an error.
async fn waits_by_watching() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    let cluster = world.cluster.double();
    cluster.break_image("registry.k8s.io/pause:3.1", Breakage::NotReady);
    cluster.fail_next(Verb::Patch, "configmaps", 1, Fault::Unavailable);
    cluster.fail_next(Verb::Watch, "deployments", 1, Fault::Disconnect);
    let mut deployment = world.deployment(&[("web", "1.0.0")]);
    // There is nothing to wait for any more only when it has watched again.
    let mend = async {
        cluster.wait_until(|it| watches(it) == 2).await;
        cluster.mend_image("registry.k8s.io/pause:3.1");
    };
    let (applied, ()) = tokio::join!(world.apply(&deployment), mend);
    applied.expect("it is applied");
    let name = release(&world, "web");
    assert_eq!(
        world.object("deployments", &name)["status"]["readyReplicas"],
        2
    );
    assert_eq!(
        watches(cluster),
        2,
        "one that broke off, and one until the end"
    );

    cluster.delay_readiness(Duration::from_hours(1));
    deployment = world.deployment_with(ID, &[("web", "1.0.0")], &json!({"tag": "2"}));
    deployment.spec.deployment_profile.components[0]
        .properties
        .wait = Some(false);
    world.apply(&deployment).await.expect("it is applied");
    let states = world.states(&deployment).await;
    assert!(states[0].starts_with("installing"), "{states:?}");
}

/// How often somebody has begun to watch deployments.
fn watches(cluster: &Cluster) -> usize {
    let requests = cluster.requests();
    let watches = requests.iter().filter(|request| {
        let query = request.query.as_deref().unwrap_or_default();
        query.contains("watch=true") && request.path.ends_with("/deployments")
    });
    watches.count()
}

async fn applies_into_namespaces_of_the_chart() {
    let world = HelmWorld::template().await;
    let extra = world.beside("extra");
    let both = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: {extra}}}\n---\n\
        apiVersion: v1\nkind: Namespace\nmetadata: {{name: {extra}}}\n"
    );
    world
        .publish("web", "1.0.0", &[("templates/all.yaml", &both)])
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is applied");
    let there = world.cluster.object("configmaps", Some(&extra), "a");
    assert!(there.is_some());
    assert_eq!(world.states(&deployment).await, ["installed"]);
    world.remove(&deployment).await;
    assert!(world.cluster.object("namespaces", None, &extra).is_none());
}

/// What Helm asks has its name on it. The version and the APIs are those of the options, not of the cluster.
async fn renders_without_the_cluster() {
    let world = HelmWorld::with(|options| {
        let mut template = TemplateOptions::new("1.29.7");
        template.api_versions = vec!["example.org/v1/Pump".to_owned()];
        options.mode = Mode::Template(template);
    })
    .await;
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata:\n  \
        kubernetes: {{ .Capabilities.KubeVersion.Version }}\n  \
        pump: {{ .Capabilities.APIVersions.Has \"example.org/v1/Pump\" | quote }}\n  \
        other: {{ .Capabilities.APIVersions.Has \"example.org/v2\" | quote }}\n  \
        namespace: {{ .Release.Namespace }}\n  \
        limit: {{ .Values.limit | quote }}\n";
    world
        .publish("web", "1.0.0", &[("templates/c.yaml", config)])
        .await;
    let parameters = json!({"limit": 123_456_789});
    let deployment = world.deployment_with(ID, &[("web", "1.0.0")], &parameters);
    world.apply(&deployment).await.expect("it is applied");
    let data = &world.object("configmaps", &release(&world, "web"))["data"];
    let expected = json!({
        "kubernetes": "v1.29.7", "pump": "true", "other": "false", "namespace": world.namespace, "limit": "123456789",
    });
    assert_eq!(*data, expected);
    let TestCluster::Double(cluster) = &world.cluster else {
        return;
    };
    for request in cluster.requests() {
        let agent = request
            .headers
            .get("user-agent")
            .and_then(|agent| agent.to_str().ok());
        assert!(
            !agent.unwrap_or_default().contains("Helm"),
            "{}",
            request.line()
        );
    }
}

async fn tells_containers() {
    let world = HelmWorld::with(|options| {
        options.mode = template_mode();
        options.telemetry = Some(Telemetry::new("http://collector:4318"));
        options.image_pull_secrets = vec!["mirror".to_owned()];
        let login = Credentials::password("device", "s3cret");
        let registries = &mut options.image_credentials;
        registries.insert("registry.example".to_owned(), login);
    })
    .await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is applied");
    let secret = format!("{}-registries", release(&world, "web"));
    let kind = &world.object("secrets", &secret)["type"];
    assert_eq!(*kind, "kubernetes.io/dockerconfigjson");
    for pod in world.cluster.objects("pods") {
        let env = &pod["spec"]["containers"][0]["env"];
        let endpoint =
            json!([{"name": "HTTP_OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}]);
        assert_eq!(*env, endpoint);
        let secrets = json!([{"name": "mirror"}, {"name": secret}]);
        assert_eq!(pod["spec"]["imagePullSecrets"], secrets);
    }
    world.remove(&deployment).await;
}

async fn keeps_and_removes_volumes() {
    let world = HelmWorld::template().await;
    let files = [
        ("values.yaml", "tag: '1'"),
        ("templates/db.yaml", STATEFUL_SET),
    ];
    world.publish("db", "1.0.0", &files).await;
    let files = [
        ("values.yaml", "tag: '2'"),
        ("templates/db.yaml", STATEFUL_SET),
    ];
    world.publish("db", "2.0.0", &files).await;
    world
        .apply(&world.deployment(&[("db", "1.0.0")]))
        .await
        .expect("it is applied");
    let claims = world.names("persistentvolumeclaims");
    assert_eq!(claims.len(), 1);
    let uid = world.object("persistentvolumeclaims", &claims[0])["metadata"]["uid"].clone();
    let second = world.deployment(&[("db", "2.0.0")]);
    world.apply(&second).await.expect("it is applied");
    assert_eq!(
        world.object("persistentvolumeclaims", &claims[0])["metadata"]["uid"],
        uid
    );
    world.remove(&second).await;
}

async fn notices_and_heals_drift() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is applied");
    let name = release(&world, "web");

    world
        .cluster
        .delete("services", Some(&world.namespace), &name);
    let states = world.states(&deployment).await;
    assert!(
        states[0].contains(&format!("the Service {name} is missing")),
        "{states:?}"
    );
    world.apply(&deployment).await.expect("it is applied");
    assert_eq!(world.states(&deployment).await, ["installed"]);

    let patch = json!({"data": {"tag": "theirs"}}).to_string();
    world.kubectl_patch("configmaps", &name, &patch).await;
    let states = world.states(&deployment).await;
    assert!(
        states[0].contains(&format!("the ConfigMap {name} was changed by kubectl-edit")),
        "{states:?}"
    );
    world.apply(&deployment).await.expect("it is applied");
    assert_eq!(world.object("configmaps", &name)["data"]["tag"], "1");
    assert_eq!(world.states(&deployment).await, ["installed"]);

    let patch = json!({"spec": {"replicas": 1}}).to_string();
    world.kubectl_patch("deployments", &name, &patch).await;
    let is_scaled = |_: &TestCluster| {
        let pods = &world.object("deployments", &name)["status"];
        pods["replicas"] == 1 && pods["availableReplicas"] == 1
    };
    world.cluster.wait_until(is_scaled).await;
    assert_eq!(
        world.states(&deployment).await,
        ["installed"],
        "scaling is nobody's drift"
    );
}

/// Whoever takes our labels off an object does not make it somebody else's: it is healed, and it is removed.
async fn knows_objects_without_their_labels() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is applied");
    let name = release(&world, "web");
    let uid = world.object("configmaps", &name)["metadata"]["uid"].clone();

    let patch = json!({"metadata": {"labels": null}}).to_string();
    world.kubectl_patch("configmaps", &name, &patch).await;
    let states = world.states(&deployment).await;
    let said = format!("the ConfigMap {name} was changed by somebody");
    assert!(states[0].contains(&said), "{states:?}");
    world.apply(&deployment).await.expect("it is applied");
    let healed = &world.object("configmaps", &name)["metadata"];
    assert_eq!(healed["uid"], uid);
    assert_eq!(healed["labels"]["margo.owner"], world.owner());

    world.kubectl_patch("configmaps", &name, &patch).await;
    world.remove(&deployment).await;
}

/// The cluster removes such a job once it is done; that is no reason to run it again.
async fn does_not_miss_jobs_that_go() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", PASSING_JOB).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is applied");
    world.cluster.delete("jobs", Some(&world.namespace), "job");
    assert_eq!(world.states(&deployment).await, ["installed"]);
    let writes = world.writes();
    world.apply(&deployment).await.expect("it is applied");
    assert_eq!(world.writes(), writes, "the job is not run again");
    world.remove(&deployment).await;
}

/// What is on the cluster is known from the cluster, also by a device that lost its disk.
async fn needs_no_memory() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is applied");
    let name = release(&world, "web");
    let uid = world.object("deployments", &name)["metadata"]["uid"].clone();
    let another = world.another(|_| {}).await;
    assert_eq!(another.list().await.expect("a list"), [deployment.id]);
    another
        .apply(&deployment, &Silent)
        .await
        .expect("it is applied");
    assert_eq!(world.object("deployments", &name)["metadata"]["uid"], uid);
    another
        .remove(&deployment, &Silent)
        .await
        .expect("it is removed");
    world.assert_nothing_left();
}

async fn makes_namespaces() {
    let world = HelmWorld::with(|options| {
        options.mode = template_mode();
        options.create_namespace = true;
    })
    .await;
    world.publish("web", "1.0.0", WEB).await;
    let mut deployment = world.deployment(&[("web", "1.0.0")]);
    let new = world.beside("new");
    deployment.metadata.namespace = Some(new.clone());
    world.apply(&deployment).await.expect("it is applied");
    assert!(world.cluster.object("namespaces", None, &new).is_some());
    world.remove(&deployment).await;
    let kept = world.cluster.object("namespaces", None, &new);
    assert!(kept.is_some(), "it may have others in it");
}

async fn keeps_what_is_to_be_kept() {
    let world = HelmWorld::template().await;
    let kept = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: keepsake\n  annotations:\n    helm.sh/resource-policy: keep\n";
    world
        .publish(
            "web",
            "1.0.0",
            &[("templates/kept.yaml", kept), ("templates/c.yaml", "")],
        )
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is applied");
    let removed = world.provider.remove(&deployment, &Silent).await;
    removed.expect("it is removed");
    assert_eq!(world.names("configmaps"), ["keepsake"]);
    world
        .apply(&deployment)
        .await
        .expect("it is applied, for it is still ours");
}

async fn applies_a_thousand_objects() {
    let world = HelmWorld::template().await;
    let config = CONFIG.replace(
        "metadata:\n  name: {{ .Release.Name }}",
        "metadata:\n  name: c{{ $n }}",
    );
    let config = config.replace(".Values", "$.Values");
    let many = format!("{{{{- range $n := until 999 }}}}\n---\n{config}{{{{- end }}}}\n");
    let files = [
        (
            "values.yaml",
            "host: registry.k8s.io\ntag: '1'\nreplicas: 1\nprobe: '{exec: {command: [/pause, -v]}}'\n",
        ),
        ("templates/many.yaml", many.as_str()),
        ("templates/web.yaml", DEPLOYMENT),
    ];
    world.publish("web", "1.0.0", &files).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is applied");
    assert_eq!(world.names("configmaps").len(), 999);
    assert_eq!(world.states(&deployment).await, ["installed"]);
    let update = world.deployment_with(ID, &[("web", "1.0.0")], &json!({"replicas": 2}));
    let writes = world.writes();
    world.apply(&update).await.expect("it is applied");
    if let TestCluster::Double(_) = world.cluster {
        assert_eq!(
            world.writes() - writes,
            3,
            "one object, and what is remembered before and after"
        );
    }
    world.remove(&update).await;
}
