//! Install mode: releases that `helm` makes on the cluster of the tests.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use libtest_mimic::Trial;
use margo_conformance::kubernetes::Breakage;
use margo_providers::helm::Options;
use margo_providers::{Provider, ProviderError, Silent, Telemetry, Trouble};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::ComponentName;
use serde_json::{Value, json};

use crate::helm_trial;
use crate::helm_world::{HelmWorld, ID, NAMESPACE, OTHER_ID, PASSING_JOB};

pub(crate) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial("helm_install_takes_one_helm", one_helm),
        helm_trial("helm_install_again_touches_nothing", again),
        helm_trial("helm_update_replaces_and_forgets", update),
        helm_trial("helm_failed_update_is_taken_back", failed_update),
        helm_trial(
            "helm_failed_installation_leaves_nothing",
            failed_installation,
        ),
        helm_trial(
            "helm_cut_off_installation_is_carried_on",
            cut_off_installation,
        ),
        helm_trial("helm_cut_off_update_is_carried_on", cut_off_update),
        helm_trial("helm_cut_off_removal_is_carried_on", cut_off_removal),
        helm_trial("helm_dropped_components_are_uninstalled", dropped),
        helm_trial("helm_components_build_on_each_other", definitions),
        helm_trial("helm_revisions_stay_what_they_are", moved_tag),
        helm_trial("helm_needs_the_registry_once", offline),
        helm_trial("helm_releases_lead_back_to_deployments", state_lost),
        helm_trial("helm_drift_is_seen_and_mended", drift),
        helm_trial("helm_containers_are_told_of_the_collector", telemetry),
        helm_trial("helm_removal_takes_volumes_and_hooks", removal),
        helm_trial("helm_large_charts_are_installed", large),
        helm_trial("helm_foreign_releases_are_left_alone", foreign),
        helm_trial(
            "helm_foreign_pending_releases_are_left_alone",
            foreign_pending,
        ),
        helm_trial("helm_oversized_objects_leave_nothing", oversized),
        helm_trial("helm_damaged_records_are_made_up_for", damaged_record),
        helm_trial("helm_mounts_of_one_volume_are_no_drift", mounts),
        helm_trial("helm_components_may_be_called_lock", called_lock),
        helm_trial("helm_jobs_that_go_when_done_are_not_missed", passing_job),
    ]);
}

/// Writes down what `helm` is told, beside running it.
pub(crate) fn recording(options: &mut Options) -> PathBuf {
    let folder = options.state.parent().expect("a parent").to_owned();
    let (program, log) = (folder.join("recording-helm"), folder.join("helm.log"));
    let script = format!(
        "#!/bin/sh\necho \"$*\" >> {}\nexec helm \"$@\"\n",
        log.display()
    );
    std::fs::write(&program, script).expect("a program");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("its mode");
    options.program = Some(program);
    log
}

async fn world() -> HelmWorld {
    HelmWorld::with(|_| {}).await
}

async fn one_helm() {
    let mut log = PathBuf::new();
    let world = HelmWorld::with(|options| log = recording(options)).await;
    world.publish("web", "1.0.0", WEB).await;
    let parameters = json!({"image": V1, "password": "top secret"});
    let deployment = world.deployment_with(ID, &[("web", "1.0.0")], &parameters);
    world.apply(&deployment).await.expect("it is installed");
    let told = std::fs::read_to_string(&log).expect("a log");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "the version, and the installation: {told}");
    assert!(!told.contains("top secret"), "{told}");
    assert!(
        lines[1].contains("--wait") && lines[1].contains("--timeout"),
        "{told}"
    );
    assert_eq!(world.states(&deployment).await, ["installed"]);
    assert_eq!(env(&world, "PASSWORD"), "top secret");
    world.remove(&deployment).await;
}

async fn again() {
    let mut log = PathBuf::new();
    let world = HelmWorld::with(|options| log = recording(options)).await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", V1);
    world.apply(&deployment).await.expect("it is installed");
    let (version, asked) = (world.cluster.version(), world.registry.requests().len());
    let told = std::fs::read_to_string(&log).expect("a log");
    world
        .apply(&deployment)
        .await
        .expect("it is as it should be");
    assert_eq!(world.cluster.version(), version, "nothing was changed");
    assert_eq!(world.registry.requests().len(), asked);
    assert_eq!(
        std::fs::read_to_string(&log).expect("a log"),
        told,
        "helm was not needed"
    );
}

async fn update() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    world.publish("web", "2.0.0", WEB).await;
    let parameters = json!({"image": V1, "password": "old"});
    let first = world.deployment_with(ID, &[("web", "1.0.0")], &parameters);
    world.apply(&first).await.expect("it is installed");
    let release = world.names("deployments");
    // Without any parameter of the earlier revision: none of its values is kept.
    let second = world.deployment(&[("web", "2.0.0")]);
    world.apply(&second).await.expect("it is updated");
    assert_eq!(
        world.names("deployments"),
        release,
        "the release keeps its name"
    );
    assert_eq!(env(&world, "PASSWORD"), "none");
    assert_eq!(env(&world, "CHART"), "web-2.0.0");
    assert_eq!(world.states(&second).await, ["installed"]);
    assert_eq!(world.states(&first).await, ["installed"]);
    world.remove(&second).await;
}

async fn failed_update() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    world.publish("web", "2.0.0", WEB).await;
    world
        .cluster
        .break_image(BROKEN, Breakage::ImagePullBackOff);
    let first = with_image(&world, "1.0.0", V1);
    world.apply(&first).await.expect("it is installed");
    let second = timed(with_image(&world, "2.0.0", BROKEN), "0m3s");
    let error = world.refused(&second).await;
    assert_eq!(error.trouble, Trouble::Workload, "{error}");
    for expected in [
        "ImagePullBackOff",
        "time-out of 3 s",
        "the earlier revision is kept running",
    ] {
        assert!(error.message.contains(expected), "{error}");
    }
    assert_eq!(image(&world), V1);
    assert_eq!(env(&world, "CHART"), "web-1.0.0");
    let version = world.cluster.version();
    world.apply(&first).await.expect("it is still there");
    assert_eq!(world.cluster.version(), version, "nothing was to be done");
    world.remove(&first).await;
}

async fn failed_installation() {
    let world = world().await;
    for name in ["web", "db"] {
        world.publish(name, "1.0.0", WEB).await;
    }
    world.cluster.break_image(BROKEN, Breakage::NotReady);
    let mut deployment = world.deployment(&[("db", "1.0.0"), ("web", "1.0.0")]);
    let target = json!({"value": BROKEN, "targets": [{"pointer": "image", "components": ["web"]}]});
    let parameter = serde_json::from_value(target).expect("a parameter");
    deployment
        .spec
        .parameters
        .insert("image".to_owned(), parameter);
    let deployment = timed(deployment, "0m3s");
    let error = world.refused(&deployment).await;
    assert_eq!(
        error.component.as_ref().map(ComponentName::as_str),
        Some("web")
    );
    assert_eq!(error.trouble, Trouble::Timeout, "{error}");
    world.assert_nothing_left();
    assert_eq!(world.provider.list().await.expect("a list"), []);
}

/// Drops an operation when the cluster looks like this.
async fn cut_off(
    world: &HelmWorld,
    work: impl Future<Output = Result<(), ProviderError>>,
    when: impl Fn(&margo_conformance::kubernetes::Cluster) -> bool,
) {
    tokio::select! {
        biased;
        () = world.cluster.wait_until(when) => {}
        outcome = work => panic!("it was too quick to be cut off: {outcome:?}"),
    }
}

/// Whether there is a revision of a release with this status.
fn has_status(cluster: &margo_conformance::kubernetes::Cluster, status: &str) -> bool {
    let secrets = cluster.objects("secrets");
    secrets
        .iter()
        .any(|secret| secret["metadata"]["labels"]["status"] == status)
}

async fn cut_off_installation() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    world.cluster.delay_readiness(Duration::from_secs(3));
    let deployment = with_image(&world, "1.0.0", V1);
    let pending = |cluster: &_| has_status(cluster, "pending-install") && has_pods(cluster);
    cut_off(&world, world.apply(&deployment), pending).await;
    assert_eq!(world.states(&deployment).await, ["installing"]);
    world.apply(&deployment).await.expect("it is carried on");
    assert_eq!(world.states(&deployment).await, ["installed"]);
    world.remove(&deployment).await;
}

async fn cut_off_update() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let first = with_image(&world, "1.0.0", V1);
    world.apply(&first).await.expect("it is installed");
    world.cluster.delay_readiness(Duration::from_secs(3));
    let second = with_image(&world, "1.0.0", V2);
    let pending = |cluster: &_| has_status(cluster, "pending-upgrade");
    cut_off(&world, world.apply(&second), pending).await;
    world.cluster.delay_readiness(Duration::ZERO);
    world.apply(&second).await.expect("it is carried on");
    assert_eq!(image(&world), V2);
    assert_eq!(world.states(&second).await, ["installed"]);
    world.remove(&second).await;
}

async fn cut_off_removal() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", V1);
    world.apply(&deployment).await.expect("it is installed");
    let gone = |cluster: &margo_conformance::kubernetes::Cluster| {
        cluster.objects("deployments").is_empty()
    };
    // The deployment stays until its finalizer is taken away.
    let name = &world.names("deployments")[0];
    world
        .cluster
        .change("deployments", Some(NAMESPACE), name, |object| {
            object["metadata"]["finalizers"] = json!(["margo.test/hold"]);
        });
    let removing = world.provider.remove(&deployment, &Silent);
    cut_off(&world, removing, |cluster| {
        has_status(cluster, "uninstalling")
    })
    .await;
    world
        .cluster
        .change("deployments", Some(NAMESPACE), name, |object| {
            object["metadata"]["finalizers"] = json!([]);
        });
    world.remove(&deployment).await;
    assert!(gone(&world.cluster));
}

async fn dropped() {
    let world = world().await;
    for name in ["web", "db"] {
        world.publish(name, "1.0.0", WEB).await;
    }
    let both = world.deployment(&[("db", "1.0.0"), ("web", "1.0.0")]);
    world.apply(&both).await.expect("they are installed");
    assert_eq!(world.names("deployments").len(), 2);
    let one = world.deployment(&[("web", "1.0.0")]);
    world.apply(&one).await.expect("one goes");
    let left = world.names("deployments");
    assert!(left.len() == 1 && left[0].starts_with("web-"), "{left:?}");
    assert_eq!(world.states(&both).await, ["removed", "installed"]);
    world.remove(&one).await;
}

/// One component brings a kind, the next has an object of it.
async fn definitions() {
    for endpoint in [None, Some("http://collector:4318")] {
        let world =
            HelmWorld::with(|options| options.telemetry = endpoint.map(Telemetry::new)).await;
        world
            .publish("kinds", "1.0.0", &[("crds/widgets.yaml", WIDGETS)])
            .await;
        world
            .publish("web", "1.0.0", &[("templates/widget.yaml", WIDGET)])
            .await;
        let deployment = world.deployment(&[("kinds", "1.0.0"), ("web", "1.0.0")]);
        world.apply(&deployment).await.expect("they are installed");
        assert_eq!(world.names("widgets"), ["small"]);
        assert_eq!(world.states(&deployment).await, ["installed", "installed"]);
        world.remove(&deployment).await;
    }
}

async fn moved_tag() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let first = with_image(&world, "1.0.0", V1);
    world.apply(&first).await.expect("it is installed");
    world
        .publish("web", "1.0.0", &[("templates/web.yaml", CONFIG_MAP)])
        .await;
    let second = with_image(&world, "1.0.0", V2);
    world.apply(&second).await.expect("the chart is at hand");
    assert_eq!(image(&world), V2);
    // Without the chart at hand it is pulled again, and is another one.
    let place = world.state().join(ID).join("web");
    for entry in std::fs::read_dir(&place).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            std::fs::write(path, "damaged").expect("it can be written");
        }
    }
    let error = world.refused(&first).await;
    assert_eq!(error.trouble, Trouble::Deployment);
    assert_eq!(error.message.matches("sha256:").count(), 2, "{error}");
    assert_eq!(image(&world), V2, "nothing was changed");
}

async fn offline() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", V1);
    world.apply(&deployment).await.expect("it is installed");
    world.registry.stop().await;
    let name = &world.names("deployments")[0];
    world.cluster.delete("deployments", Some(NAMESPACE), name);
    assert_eq!(
        world.states(&deployment).await,
        [format!("failed: the Deployment {name} is missing")]
    );
    world
        .apply(&deployment)
        .await
        .expect("it is installed again");
    assert_eq!(world.states(&deployment).await, ["installed"]);
}

async fn state_lost() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", V1);
    world.apply(&deployment).await.expect("it is installed");
    std::fs::remove_dir_all(world.state().join(ID)).expect("it is there");
    assert_eq!(
        world.provider.list().await.expect("a list"),
        [deployment.id]
    );
    let uid =
        world.object("deployments", &world.names("deployments")[0])["metadata"]["uid"].clone();
    world.apply(&deployment).await.expect("it is recognised");
    let now = world.object("deployments", &world.names("deployments")[0]);
    assert_eq!(now["metadata"]["uid"], uid, "it was not installed anew");
    std::fs::remove_dir_all(world.state().join(ID)).expect("it is there");
    let bare = world.deployment_with(ID, &[], &json!({}));
    world.remove(&bare).await;
}

async fn drift() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", V1);
    world.apply(&deployment).await.expect("it is installed");
    let name = &world.names("deployments")[0];
    world
        .cluster
        .change("deployments", Some(NAMESPACE), name, |object| {
            object["spec"]["replicas"] = 3.into();
        });
    let states = world.states(&deployment).await;
    assert_eq!(states, ["installed"], "scaling is nobody's drift");
    world
        .cluster
        .change("deployments", Some(NAMESPACE), name, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = V2.into();
        });
    let states = world.states(&deployment).await;
    let said = format!("spec.template.spec.containers[0].image is \"{V2}\", not \"{V1}\"");
    assert!(states[0].contains(&said), "{states:?}");
    world.apply(&deployment).await.expect("it is mended");
    world
        .cluster
        .change("deployments", Some(NAMESPACE), name, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["args"] =
                json!(["--password=theirs"]);
        });
    let states = world.states(&deployment).await;
    let said = "spec.template.spec.containers[0].args[0] has another value";
    assert!(states[0].ends_with(said), "{states:?}");
    world.apply(&deployment).await.expect("it is mended");
    assert_eq!(world.states(&deployment).await, ["installed"]);
    // A release that somebody upgrades by hand is not what was delivered.
    world.helm(&["rollback", name, "1", "--namespace", NAMESPACE]);
    assert_eq!(
        world.states(&deployment).await,
        ["installed"],
        "the same inputs"
    );
}

async fn telemetry() {
    let world = HelmWorld::with(|options| {
        options.telemetry = Some(Telemetry::new("http://collector:4318"));
        options.image_pull_secrets = vec!["registry-login".to_owned()];
    })
    .await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", V1);
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

async fn foreign() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", V1);
    world.apply(&deployment).await.expect("it is installed");
    let name = world.names("deployments").remove(0);
    // The labels are another owner's now.
    for secret in world.names("secrets") {
        world
            .cluster
            .change("secrets", Some(NAMESPACE), &secret, |secret| {
                secret["metadata"]["labels"]["margo.owner"] = "other".into();
            });
    }
    std::fs::remove_dir_all(world.state().join(ID)).expect("it is there");
    assert_eq!(world.provider.list().await.expect("a list"), []);
    let error = world.refused(&deployment).await;
    assert!(error.message.contains("owner other"), "{error}");
    assert_eq!(world.names("deployments"), [name], "it is left alone");
    // Another device's deployments are apart.
    let mut other = with_image(&world, "1.0.0", V1);
    other.id = OTHER_ID.parse().expect("an ID");
    world.apply(&other).await.expect("it is installed");
    assert_eq!(world.names("deployments").len(), 2);
}

/// Somebody else's release that was cut off is not ours to recover.
async fn foreign_pending() {
    let world = world().await;
    for name in ["web", "db"] {
        world.publish(name, "1.0.0", WEB).await;
    }
    let both = world.deployment(&[("web", "1.0.0"), ("db", "1.0.0")]);
    world.apply(&both).await.expect("they are installed");
    let secrets = world.names("secrets");
    for secret in secrets.iter().filter(|name| name.contains(".db-")) {
        world
            .cluster
            .change("secrets", Some(NAMESPACE), secret, |secret| {
                secret["metadata"]["labels"]["margo.owner"] = "other".into();
                secret["metadata"]["labels"]["status"] = "pending-install".into();
            });
    }
    std::fs::remove_dir_all(world.state().join(ID)).expect("it is there");
    let version = world.cluster.version();
    let error = world.refused(&both).await;
    assert!(error.message.contains("owner other"), "{error}");
    assert_eq!(world.cluster.version(), version, "nothing was changed");
}

/// The component `web` with this image.
fn with_image(world: &HelmWorld, revision: &str, image: &str) -> ApplicationDeployment {
    world.deployment_with(ID, &[("web", revision)], &json!({"image": image}))
}

fn timed(mut deployment: ApplicationDeployment, timeout: &str) -> ApplicationDeployment {
    for component in &mut deployment.spec.deployment_profile.components {
        component.properties.timeout = Some(timeout.parse().expect("a time-out"));
    }
    deployment
}

fn container(world: &HelmWorld) -> Value {
    let deployment = world.object("deployments", &world.names("deployments")[0]);
    deployment["spec"]["template"]["spec"]["containers"][0].clone()
}

fn image(world: &HelmWorld) -> String {
    container(world)["image"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// An environment variable of the one container.
fn env(world: &HelmWorld, name: &str) -> String {
    let container = container(world);
    let variables = container["env"].as_array().cloned().unwrap_or_default();
    let found = variables.iter().find(|variable| variable["name"] == name);
    let value = found.and_then(|variable| variable["value"].as_str());
    value
        .unwrap_or_else(|| panic!("no {name} in {variables:?}"))
        .to_owned()
}

fn has_pods(cluster: &margo_conformance::kubernetes::Cluster) -> bool {
    !cluster.objects("pods").is_empty()
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

async fn damaged_record() {
    let world = world().await;
    for name in ["web", "db"] {
        world.publish(name, "1.0.0", WEB).await;
    }
    let both = world.deployment(&[("web", "1.0.0"), ("db", "1.0.0")]);
    world.apply(&both).await.expect("it is installed");
    let record = world.state().join(ID).join("record.json");
    std::fs::write(&record, "{").expect("it can be written");
    assert_eq!(world.states(&both).await, ["installing", "installing"]);
    let one = world.deployment(&[("web", "1.0.0")]);
    world.apply(&one).await.expect("it is updated");
    assert_eq!(world.names("deployments").len(), 1, "db is not forgotten");
    world.remove(&one).await;
}

async fn mounts() {
    let world = world().await;
    let mounts = "volumeMounts: [{name: data, mountPath: /a, subPath: a}, {name: data, mountPath: /b, subPath: b}]";
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  volumes: [{{name: data, emptyDir: {{}}}}]\n  containers:\n  - name: web\n    image: x\n    {mounts}\n"
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
    world.cluster.delete("jobs", Some(NAMESPACE), "job");
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

const V1: &str = "registry.example/web:1";
const V2: &str = "registry.example/web:2";
const BROKEN: &str = "registry.example/web:broken";
pub(crate) const WEB: &[(&str, &str)] = &[
    (
        "values.yaml",
        "image: registry.example/web:1\npassword: none\n",
    ),
    ("templates/web.yaml", DEPLOYMENT),
];
const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {app: {{ .Release.Name }}}
spec:
  replicas: 1
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      containers:
        - name: web
          image: {{ .Values.image }}
          args: [--password=ours]
          resources: {limits: {memory: 1024Mi, cpu: 0.5}}
          env:
            - {name: PASSWORD, value: {{ .Values.password | quote }}}
            - {name: CHART, value: "{{ .Chart.Name }}-{{ .Chart.Version }}"}
            - {name: BRACES, value: "{{ "{{" }} not a template }}"}
"#;
const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {}\n";
const STATEFUL_SET: &str = r"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: {{ .Release.Name }}}
spec:
  serviceName: {{ .Release.Name }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: web, image: x}]}
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
const WIDGETS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
const WIDGET: &str =
    "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: small}\nspec: {size: 1}\n";
const THOUSAND: &str = r#"
{{- range $number := until 1000 }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "map-{{ $number }}"}
data: {number: "{{ $number }}"}
{{- end }}
"#;
