//! What fails on the way is taken back.

use std::time::Duration;

use libtest_mimic::Trial;
use margo_conformance::kubernetes::{Breakage, Fault, Verb};
use margo_providers::helm::HelmProvider;
use margo_providers::{Provider, Silent, Trouble};
use margo_types::deployment::ApplicationDeployment;
use serde_json::json;

use super::{CONFIG, WEB};
use crate::helm_world::{
    HelmWorld, ID, NEVER, TestCluster, brief, briefly, release, template_mode,
};
use crate::{helm_double_trial, helm_trial};

pub(super) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial(
            "helm_template_cleans_up_a_failed_installation",
            a_failed_installation,
        ),
        helm_trial("helm_template_takes_a_failed_update_back", a_failed_update),
        helm_double_trial(
            "helm_template_takes_half_an_update_back",
            "its API server fails",
            half_an_update,
        ),
        helm_trial("helm_template_goes_on_after_a_kill", goes_on_after_a_kill),
        helm_trial(
            "helm_template_names_what_holds_a_removal_up",
            a_removal_held_up,
        ),
    ]);
}

const BROKEN: &str = "registry.invalid/pause:3.2";
const UNREADY: &str = "registry.k8s.io/pause:3.2";

async fn a_failed_installation() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    world
        .cluster
        .break_image(BROKEN, Breakage::ImagePullBackOff);
    let error = world.refused(&broken(&world)).await;
    assert_eq!(error.trouble, Trouble::Workload, "{error}");
    let told = format!("within its time-out of {} s", brief());
    assert!(error.message.contains(&told), "{error}");
    assert!(error.message.contains("ImagePullBackOff"), "{error}");
    world.assert_nothing_left();
    assert!(world.provider.list().await.expect("a list").is_empty());
}

async fn a_failed_update() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    let with_more: Vec<_> = WEB
        .iter()
        .copied()
        .chain([("templates/more.yaml", MORE)])
        .collect();
    world.publish("web", "2.0.0", &with_more).await;
    let good = world.deployment(&[("web", "1.0.0")]);
    world.apply(&good).await.expect("it is applied");
    let name = release(&world, "web");
    world
        .cluster
        .break_image(BROKEN, Breakage::ImagePullBackOff);
    let mut bad = broken(&world);
    let components = &mut bad.spec.deployment_profile.components;
    components[0].properties.revision = "2.0.0".parse().ok();
    let error = world.refused(&bad).await;
    assert_eq!(error.trouble, Trouble::Workload, "{error}");
    assert!(
        error
            .message
            .contains("the earlier revision is kept running"),
        "{error}"
    );

    let image =
        &world.object("deployments", &name)["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(*image, "registry.k8s.io/pause:3.1");
    assert_eq!(world.object("configmaps", &name)["data"]["tag"], "1");
    assert_eq!(
        world.names("configmaps"),
        [name.as_str()],
        "what only the new one has is gone"
    );
    let run_again = |cluster: &TestCluster| cluster.objects("pods").len() == 2;
    world.cluster.wait_until(run_again).await;
    world.apply(&good).await.expect("it is applied");
    assert_eq!(world.states(&good).await, ["installed"]);

    let mended = world.deployment_with(ID, &[("web", "2.0.0")], &json!({"tag": "2"}));
    world.apply(&mended).await.expect("it is applied");
    assert_eq!(world.object("configmaps", "more")["data"]["tag"], "2");
}

/// The server fails in the middle of applying.
async fn half_an_update() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    world
        .apply(&world.deployment(&[("web", "1.0.0")]))
        .await
        .expect("it is applied");
    let name = release(&world, "web");
    // The first patch of the deployment is the trial.
    world
        .cluster
        .double()
        .fail_next(Verb::Delete, "services", 1, Fault::InternalError);
    let without_service: Vec<_> = WEB
        .iter()
        .filter(|(path, _)| !path.contains("service"))
        .copied()
        .collect();
    world.publish("web", "2.0.0", &without_service).await;
    let second = world.deployment_with(ID, &[("web", "2.0.0")], &json!({"tag": "3"}));
    let error = world.refused(&second).await;
    assert_eq!(error.trouble, Trouble::Engine, "{error}");
    assert_eq!(world.object("configmaps", &name)["data"]["tag"], "1");
    assert_eq!(world.names("services"), [name.as_str()]);
    world.apply(&second).await.expect("it is applied");
    assert_eq!(world.object("configmaps", &name)["data"]["tag"], "3");
    assert_eq!(world.names("services"), [""; 0]);
}

/// A dropped future stands for a killed process: nothing is tidied up.
async fn goes_on_after_a_kill() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    let good = world.deployment(&[("web", "1.0.0")]);
    world.cluster.break_image(UNREADY, Breakage::NotReady);
    for is_update in [false, true] {
        if is_update {
            world.apply(&good).await.expect("it is applied");
        }
        let parameters = json!({"tag": "2", "probe": NEVER});
        let bad = world.deployment_with(ID, &[("web", "1.0.0")], &parameters);
        let is_applied = || {
            let deployments = world.cluster.objects("deployments");
            let image = deployments
                .first()
                .map(|it| it["spec"]["template"]["spec"]["containers"][0]["image"].clone());
            image == Some(json!(UNREADY))
        };
        tokio::select! {
            applied = world.apply(&bad) => panic!("it cannot be complete: {applied:?}"),
            () = world.cluster.wait_until(|_| is_applied()) => {}
        }
        assert_ne!(world.states(&good).await, ["installed"]);
        world.apply(&good).await.expect("it is applied");
        assert_eq!(world.states(&good).await, ["installed"]);
    }
    world.remove(&good).await;
}

async fn a_removal_held_up() {
    let world = HelmWorld::template().await;
    world
        .publish(
            "web",
            "1.0.0",
            &[("values.yaml", "tag: '1'"), ("templates/c.yaml", CONFIG)],
        )
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is applied");
    let name = release(&world, "web");
    let set = |finalizers: &serde_json::Value| {
        world
            .cluster
            .change("configmaps", Some(&world.namespace), &name, |object| {
                object["metadata"]["finalizers"] = finalizers.clone();
            });
    };
    set(&json!(["example.org/guard"]));
    let mut hurried = world.options();
    hurried.mode = template_mode();
    hurried.default_timeout = Duration::from_secs(1);
    let hurried = HelmProvider::detect(hurried).await.expect("helm");
    let error = hurried
        .remove(&deployment, &Silent)
        .await
        .expect_err("it is held up");
    assert_eq!(error.trouble, Trouble::Timeout);
    assert!(
        error.message.contains(&format!(
            "the ConfigMap {name} is still there: it is held by example.org/guard"
        )),
        "{error}"
    );
    set(&json!([]));
    world.remove(&deployment).await;
}

/// An update to an image that does not start, which has little time.
fn broken(world: &HelmWorld) -> ApplicationDeployment {
    let parameters = json!({"tag": "2", "host": "registry.invalid"});
    let broken = world.deployment_with(ID, &[("web", "1.0.0")], &parameters);
    briefly(broken, &["web"])
}

const MORE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: more\ndata:\n  tag: {{ .Values.tag | quote }}\n";
