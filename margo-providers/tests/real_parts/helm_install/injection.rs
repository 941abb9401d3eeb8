//! What every container is given beside what its chart says: while `helm` renders, or before.

use std::path::PathBuf;

use libtest_mimic::Trial;
use margo_package::oci::Credentials;
use margo_providers::helm::Options;
use margo_providers::{Telemetry, Trouble};
use serde_json::json;

use super::{WEB, WIDGET, WIDGETS, container, env, image, instead_of_helm, recording, with_image};
use crate::helm_world::{FIRST, HelmWorld, ID, SECOND};
use crate::{helm_double_trial, helm_trial};

pub(super) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial("helm_containers_are_told_of_the_collector", || told(|_| {})),
        helm_trial("helm_4_has_containers_told_of_the_collector", || {
            told(helm_4)
        }),
        helm_trial("helm_collector_takes_no_helm_more", one_helm),
        helm_trial("helm_collector_is_told_to_hooks", hooks),
        helm_trial("helm_definitions_come_before_their_objects", || {
            definitions(|_| {})
        }),
        helm_trial("helm_4_has_definitions_before_their_objects", || {
            definitions(helm_4)
        }),
        helm_trial("helm_rendering_is_part_of_the_time_out", time_out),
        helm_trial("helm_charts_of_nothing_are_installed", nothing),
        helm_double_trial(
            "helm_logins_for_images_come_and_go",
            "it looks at requests",
            logins,
        ),
        helm_double_trial(
            "helm_logins_for_images_are_there_before_hooks",
            "it looks at requests",
            logins_of_hooks,
        ),
        helm_trial("helm_what_is_no_object_is_refused_in_time", no_object),
    ]);
}

fn collector(options: &mut Options) {
    options.telemetry = Some(Telemetry::new(COLLECTOR));
}

/// What Helm 4 differs in: it takes plugins for post-renderers only.
fn helm_4(options: &mut Options) {
    let script = r#"case "$*" in
    version*) echo v4.0.0 ;;
    *--post-renderer*) echo "Error: plugin not found" >&2; exit 1 ;;
    *) exec helm "$@" ;;
esac
"#;
    instead_of_helm(options, "helm-4", script);
}

async fn told(prepare: fn(&mut Options)) {
    let world = HelmWorld::with(|options| {
        prepare(options);
        collector(options);
        options.image_pull_secrets = vec!["registry-login".to_owned()];
    })
    .await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", FIRST);
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(
        env(&world, "HTTP_OTEL_EXPORTER_OTLP_ENDPOINT"),
        "http://collector:4318"
    );
    assert_eq!(env(&world, "CHART"), "web-1.0.0");
    let web = world.object("deployments", &world.names("deployments")[0]);
    let pod = &web["spec"]["template"]["spec"];
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry-login"}]));
    assert_eq!(env(&world, "BRACES"), "{{ not a template }}");
    assert_eq!(world.states(&deployment).await, ["installed"]);
    world.remove(&deployment).await;
}

/// Neither with the tests that many charts have, which are hooks that never run here.
async fn one_helm() {
    let mut log = PathBuf::new();
    let world = HelmWorld::with(|options| {
        log = recording(options);
        collector(options);
    })
    .await;
    let files = [WEB, &[("templates/tests/test.yaml", TEST)]].concat();
    world.publish("web", "1.0.0", &files).await;
    for image in [FIRST, SECOND] {
        let deployment = with_image(&world, "1.0.0", image);
        world.apply(&deployment).await.expect("it is installed");
        assert_eq!(container(&world)["image"], image);
        assert_eq!(env(&world, VARIABLE), COLLECTOR);
        assert_eq!(world.states(&deployment).await, ["installed"]);
    }
    let told = std::fs::read_to_string(&log).expect("a log");
    let runs = told.matches("upgrade").count();
    assert_eq!(runs, 2, "one for each revision: {told}");
    let versions = told.lines().filter(|line| line.starts_with("version"));
    assert_eq!(versions.count(), 1, "{told}");
    let first = with_image(&world, "1.0.0", FIRST);
    world.apply(&first).await.expect("it goes back");
    assert_eq!(image(&world), FIRST);
    world.remove(&first).await;
}

async fn hooks() {
    let world = HelmWorld::with(collector).await;
    let files = [WEB, &[("templates/job.yaml", JOB)]].concat();
    world.publish("web", "1.0.0", &files).await;
    // Nothing in this chart says that what it has is a hook.
    let file = ("templates/job.yaml", ANNOTATED_JOB);
    world.publish("db", "1.0.0", &[file]).await;
    let annotations = json!({"annotations": {"helm.sh/hook": "post-install"}});
    for (component, parameters, job) in [("web", json!({}), "before"), ("db", annotations, "after")]
    {
        let deployment = world.deployment_with(ID, &[(component, "1.0.0")], &parameters);
        world.apply(&deployment).await.expect("it is installed");
        let job = world.object("jobs", job);
        let variables = &job["spec"]["template"]["spec"]["containers"][0]["env"];
        assert_eq!(variables[0]["value"], COLLECTOR, "{job}");
        world.remove(&deployment).await;
    }
}

/// One component has objects of a kind that it brings itself.
async fn definitions(prepare: fn(&mut Options)) {
    let world = HelmWorld::with(|options| {
        prepare(options);
        collector(options);
    })
    .await;
    let widgets = WIDGETS.replace("example.org", &world.group());
    let widget = WIDGET.replace("example.org", &world.group());
    let kinds: &[(&str, &str)] = &[
        ("crds/widgets.yaml", &widgets),
        ("templates/widget.yaml", &widget),
    ];
    world.publish("web", "1.0.0", &[WEB, kinds].concat()).await;
    let deployment = with_image(&world, "1.0.0", FIRST);
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(world.names("widgets"), ["small"]);
    assert_eq!(env(&world, VARIABLE), COLLECTOR);
    assert_eq!(world.states(&deployment).await, ["installed"]);
    world.remove(&deployment).await;
    assert_eq!(world.names("widgets"), [""; 0]);
}

/// However it is rendered, a slow one leaves the less for the installation.
async fn time_out() {
    let mut log = PathBuf::new();
    let world = HelmWorld::with(|options| {
        helm_4(options);
        let helm_4 = options.program.take().expect("a program");
        log = options.state.with_file_name("helm.log");
        let script = format!(
            "echo \"$*\" >> {}\ncase \"$*\" in *--dry-run*) sleep 2 ;; esac\nexec {} \"$@\"\n",
            log.display(),
            helm_4.display()
        );
        instead_of_helm(options, "slow-helm", &script);
        collector(options);
    })
    .await;
    world.publish("web", "1.0.0", WEB).await;
    let mut deployment = with_image(&world, "1.0.0", FIRST);
    let components = &mut deployment.spec.deployment_profile.components;
    components[0].properties.timeout = Some("0m30s".parse().expect("a time-out"));
    world.apply(&deployment).await.expect("it is installed");
    let told = std::fs::read_to_string(&log).expect("a log");
    let limits = told.split("--timeout ").skip(1);
    let limits: Vec<u64> = limits
        .filter_map(|rest| rest.split('s').next()?.parse().ok())
        .collect();
    assert!(
        matches!(limits[..], [_, install] if install <= 28),
        "{told}"
    );
}

async fn nothing() {
    let world = HelmWorld::with(collector).await;
    world
        .publish("web", "1.0.0", &[("templates/NOTES.txt", "nothing")])
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(world.states(&deployment).await, ["installed"]);
    world.remove(&deployment).await;
}

async fn logins() {
    let world = HelmWorld::with(|options| {
        let login = Credentials::password("device", "s3cret");
        let logins = &mut options.image_credentials;
        logins.insert("registry.example".to_owned(), login);
    })
    .await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", FIRST);
    world.apply(&deployment).await.expect("it is installed");
    let release = &world.names("deployments")[0];
    let name = format!("{release}-registries");
    let secret = world.object("secrets", &name);
    assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
    let web = world.object("deployments", release);
    let secrets = &web["spec"]["template"]["spec"]["imagePullSecrets"];
    assert_eq!(*secrets, json!([{"name": name}]));
    let writes = world.cluster.double().requests();
    let writes = writes.iter().filter(|request| request.method == "POST");
    let made: Vec<&str> = writes
        .filter_map(|request| request.path.rsplit('/').next())
        .collect();
    // Helm's own secret, ours, and only then pods that need it.
    assert_eq!(made, ["secrets", "secrets", "deployments"]);
    world.remove(&deployment).await;
}

/// A hook that waits for an image which it may not pull would wait until the time is over.
async fn logins_of_hooks() {
    let world = HelmWorld::with(|options| {
        let login = Credentials::password("device", "s3cret");
        let logins = &mut options.image_credentials;
        logins.insert("registry.example".to_owned(), login);
    })
    .await;
    let files = [WEB, &[("templates/job.yaml", JOB)]].concat();
    world.publish("web", "1.0.0", &files).await;
    for image in [FIRST, SECOND] {
        let deployment = with_image(&world, "1.0.0", image);
        world.apply(&deployment).await.expect("it is installed");
        assert_eq!(world.states(&deployment).await, ["installed"]);
    }
    let release = &world.names("deployments")[0];
    let job = world.object("jobs", "before");
    let secrets = &job["spec"]["template"]["spec"]["imagePullSecrets"];
    let name = format!("{release}-registries-hooks");
    assert_eq!(*secrets, json!([{"name": name}]));
    let secret = world.object("secrets", &name);
    assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
    let writes = world.cluster.double().requests();
    let writes = writes.iter().filter(|request| request.method == "POST");
    let made: Vec<&str> = writes
        .filter_map(|request| request.path.rsplit('/').next())
        .take(5)
        .collect();
    // Helm's own secret, that of the hook, the hook, and only then the rest.
    assert_eq!(
        made,
        ["secrets", "secrets", "jobs", "secrets", "deployments"]
    );
    world.remove(&with_image(&world, "1.0.0", SECOND)).await;
}

/// Helm is stopped while it renders, with nothing changed.
async fn no_object() {
    let world = HelmWorld::with(collector).await;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n";
    world
        .publish("web", "1.0.0", &[("templates/a.yaml", text)])
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    let writes = world.writes();
    let error = world.refused(&deployment).await;
    assert_eq!(error.trouble, Trouble::Deployment, "{error}");
    let expected =
        "web/templates/a.yaml renders to what is no Kubernetes object: it has no metadata.name";
    assert!(error.message.contains(expected), "{error}");
    assert_eq!(world.writes(), writes);
    world.assert_nothing_left();
}

const COLLECTOR: &str = "http://collector:4318";
const VARIABLE: &str = "HTTP_OTEL_EXPORTER_OTLP_ENDPOINT";
const TEST: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: test, annotations: {"helm.sh/hook": test}}
spec: {containers: [{name: test, image: registry.k8s.io/pause:3.9}]}
"#;
const JOB: &str = r"
apiVersion: batch/v1
kind: Job
metadata:
  name: before
  annotations:
    helm.sh/hook: pre-install
spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: registry.k8s.io/pause:3.9, command: [/pause, -v]}]}}}
";
const ANNOTATED_JOB: &str = r"
apiVersion: batch/v1
kind: Job
metadata:
  name: after
  annotations: {{ toJson .Values.annotations }}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: registry.k8s.io/pause:3.9, command: [/pause, -v]}]}}}
";
