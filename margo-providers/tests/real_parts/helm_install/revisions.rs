//! Installing, updating and going back: what of each revision is there.

use std::path::PathBuf;

use libtest_mimic::Trial;
use margo_conformance::kubernetes::Breakage;
use margo_providers::{Provider, Telemetry, Trouble};
use margo_types::id::ComponentName;
use serde_json::json;

use super::{WEB, WIDGET, WIDGETS, env, image, recording, with_image, world};
use crate::helm_trial;
use crate::helm_world::{BROKEN, FIRST, HelmWorld, ID, NEVER, SECOND, brief, briefly};

pub(super) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial("helm_install_takes_one_helm", one_helm),
        helm_trial("helm_install_again_touches_nothing", again),
        helm_trial("helm_update_replaces_and_forgets", update),
        helm_trial("helm_failed_update_is_taken_back", failed_update),
        helm_trial(
            "helm_failed_installation_leaves_nothing",
            failed_installation,
        ),
        helm_trial("helm_dropped_components_are_uninstalled", dropped),
        helm_trial("helm_components_build_on_each_other", definitions),
        helm_trial("helm_revisions_stay_what_they_are", moved_tag),
        helm_trial("helm_needs_the_registry_once", offline),
    ]);
}

async fn one_helm() {
    let mut log = PathBuf::new();
    let world = HelmWorld::with(|options| log = recording(options)).await;
    world.publish("web", "1.0.0", WEB).await;
    let parameters = json!({"image": FIRST, "password": "top secret"});
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
    let deployment = with_image(&world, "1.0.0", FIRST);
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
    let parameters = json!({"image": FIRST, "password": "old"});
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
    let first = with_image(&world, "1.0.0", FIRST);
    world.apply(&first).await.expect("it is installed");
    let second = briefly(with_image(&world, "2.0.0", BROKEN), &["web"]);
    let error = world.refused(&second).await;
    assert_eq!(error.trouble, Trouble::Workload, "{error}");
    let timeout = format!("time-out of {} s", brief());
    for expected in [
        "ImagePullBackOff",
        &timeout,
        "the earlier revision is kept running",
    ] {
        assert!(error.message.contains(expected), "{error}");
    }
    assert_eq!(image(&world), FIRST);
    assert_eq!(env(&world, "CHART"), "web-1.0.0");
    world.cluster.settle().await;
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
    world.cluster.break_image(SECOND, Breakage::NotReady);
    let mut deployment = world.deployment(&[("db", "1.0.0"), ("web", "1.0.0")]);
    for (pointer, value) in [("image", SECOND), ("probe", NEVER)] {
        let target =
            json!({"value": value, "targets": [{"pointer": pointer, "components": ["web"]}]});
        let parameter = serde_json::from_value(target).expect("a parameter");
        deployment
            .spec
            .parameters
            .insert(pointer.to_owned(), parameter);
    }
    let deployment = briefly(deployment, &["web"]);
    let error = world.refused(&deployment).await;
    assert_eq!(
        error.component.as_ref().map(ComponentName::as_str),
        Some("web")
    );
    assert_eq!(error.trouble, Trouble::Timeout, "{error}");
    world.assert_nothing_left();
    assert_eq!(world.provider.list().await.expect("a list"), []);
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
        let widgets = WIDGETS.replace("example.org", &world.group());
        let widget = WIDGET.replace("example.org", &world.group());
        world
            .publish("kinds", "1.0.0", &[("crds/widgets.yaml", &widgets)])
            .await;
        world
            .publish("web", "1.0.0", &[("templates/widget.yaml", &widget)])
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
    let first = with_image(&world, "1.0.0", FIRST);
    world.apply(&first).await.expect("it is installed");
    world
        .publish("web", "1.0.0", &[("templates/web.yaml", CONFIG_MAP)])
        .await;
    let second = with_image(&world, "1.0.0", SECOND);
    world.apply(&second).await.expect("the chart is at hand");
    assert_eq!(image(&world), SECOND);
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
    assert_eq!(image(&world), SECOND, "nothing was changed");
}

async fn offline() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", FIRST);
    world.apply(&deployment).await.expect("it is installed");
    world.registry.stop().await;
    let name = &world.names("deployments")[0];
    world
        .cluster
        .delete("deployments", Some(&world.namespace), name);
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

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {}\n";
