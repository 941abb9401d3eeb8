//! Deployments of several components: what becomes of the others when one fails, in both modes.

use libtest_mimic::Trial;
use margo_conformance::kubernetes::Breakage;
use margo_providers::Provider;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::ComponentName;
use serde_json::json;

use crate::helm_install::WEB;
use crate::helm_trial;
use crate::helm_world::{BROKEN, FIRST, HelmWorld, SECOND, briefly, template_mode};
use crate::told::Told;

pub(crate) fn add(trials: &mut Vec<Trial>) {
    for template in [false, true] {
        let mode = if template { "template" } else { "install" };
        trials.extend([
            helm_trial(
                &format!("helm_{mode}_several_drop_last"),
                move || async move { dropped_last(world(template).await).await },
            ),
            helm_trial(
                &format!("helm_{mode}_several_tell_which_runs"),
                move || async move { revisions(world(template).await).await },
            ),
            helm_trial(
                &format!("helm_{mode}_several_may_be_renamed"),
                move || async move { renamed(world(template).await).await },
            ),
            helm_trial(
                &format!("helm_{mode}_several_may_hand_on_a_port"),
                move || async move { same_port(world(template).await).await },
            ),
            helm_trial(
                &format!("helm_{mode}_several_are_told_not_to_be_begun"),
                move || async move { not_begun(world(template).await).await },
            ),
            helm_trial(
                &format!("helm_{mode}_several_are_told_to_be_undone"),
                move || async move { undone(world(template).await).await },
            ),
        ]);
    }
}

/// A device in one of the modes, with the charts `a`, `b` and `c`, and an image that cannot be pulled.
async fn world(template: bool) -> HelmWorld {
    let world = HelmWorld::with(|options| {
        if template {
            options.mode = template_mode();
        }
    })
    .await;
    for name in ["a", "b", "c"] {
        world.publish(name, "1.0.0", WEB).await;
    }
    world
        .cluster
        .break_image(BROKEN, Breakage::ImagePullBackOff);
    world
}

async fn dropped_last(world: HelmWorld) {
    let first = world.deployment(&[("a", "1.0.0"), ("b", "1.0.0")]);
    world.apply(&first).await.expect("they are installed");
    let running = world.names("deployments");
    let second = world.deployment(&[("a", "1.0.0"), ("c", "1.0.0")]);
    let error = world
        .refused(&with_images(second.clone(), &[("a", BROKEN)]))
        .await;
    assert_eq!(
        error.component.as_ref().map(ComponentName::as_str),
        Some("a"),
        "{error}"
    );
    let told = "\nthe earlier revision is kept running";
    assert!(error.message.ends_with(told), "{error}");
    assert_eq!(world.names("deployments"), running);
    world.cluster.settle().await;
    assert_eq!(world.states(&first).await, ["installed", "installed"]);

    world.apply(&second).await.expect("it is updated");
    assert_eq!(world.states(&second).await, ["installed", "installed"]);
    assert_eq!(world.names("deployments").len(), 2, "b is gone");
    world.remove(&second).await;
}

async fn revisions(world: HelmWorld) {
    let names = [("a", "1.0.0"), ("b", "1.0.0"), ("c", "1.0.0")];
    let first = world.deployment(&names);
    world.apply(&first).await.expect("they are installed");
    let second = with_images(
        first.clone(),
        &[("a", SECOND), ("b", BROKEN), ("c", SECOND)],
    );
    let error = world.refused(&second).await;
    let told = "\nthe earlier revision is kept running of b, c\nthe new revision runs of a";
    assert!(error.message.ends_with(told), "{error}");
    assert_eq!(images(&world), [SECOND, FIRST, FIRST]);
    world.remove(&first).await;
}

/// A component of another name takes the objects of the one that is dropped.
async fn renamed(world: HelmWorld) {
    let fixed = [("templates/map.yaml", FIXED)];
    for (name, revision) in [("b", "2.0.0"), ("c", "2.0.0")] {
        world.publish(name, revision, &fixed).await;
    }
    let broken = [fixed[0], WEB[0], WEB[1]];
    world.publish("c", "3.0.0", &broken).await;
    let first = world.deployment(&[("a", "1.0.0"), ("b", "2.0.0")]);
    world.apply(&first).await.expect("they are installed");
    let second = world.deployment(&[("a", "1.0.0"), ("c", "2.0.0")]);
    world.apply(&second).await.expect("b makes way");
    assert_eq!(world.object("configmaps", "fixed")["data"]["of"], "c");
    assert_eq!(world.states(&second).await, ["installed", "installed"]);
    assert_eq!(world.states(&first).await, ["installed", "removed"]);

    // What made way is not there any more when the update fails.
    world.apply(&first).await.expect("c makes way");
    let third = world.deployment(&[("a", "1.0.0"), ("c", "3.0.0")]);
    let error = world.refused(&with_images(third, &[("c", BROKEN)])).await;
    let told = "\nthe earlier revision is kept running of a\nnothing is left of b";
    assert!(error.message.ends_with(told), "{error}");
    assert_eq!(world.names("configmaps"), [""; 0]);
    world.remove(&first).await;
}

async fn undone(world: HelmWorld) {
    let deployment = world.deployment(&[("a", "1.0.0"), ("b", "1.0.0"), ("c", "1.0.0")]);
    let told = Told::default();
    let applied = world
        .provider
        .apply(&with_images(deployment, &[("c", BROKEN)]), &told)
        .await;
    let error = applied.expect_err("it fails");
    assert!(!error.message.contains("runs"), "{error}");
    let told = told.all();
    let end = ["c installing", "b removed", "a removed"];
    assert!(told.ends_with(&end.map(str::to_owned)), "{told:?}");
    world.assert_nothing_left();
}

/// A component of another name, and with objects of other names, takes the port of the one that is dropped.
async fn same_port(world: HelmWorld) {
    let service = [("templates/service.yaml", NODE_PORT)];
    for name in ["b", "c"] {
        world.publish(name, "2.0.0", &service).await;
    }
    let first = world.deployment(&[("a", "1.0.0"), ("b", "2.0.0")]);
    world.apply(&first).await.expect("they are installed");
    let second = world.deployment(&[("a", "1.0.0"), ("c", "2.0.0")]);
    world.apply(&second).await.expect("b makes way");
    assert_eq!(world.states(&second).await, ["installed", "installed"]);
    assert_eq!(world.names("services"), ["of-c"]);
    world.remove(&second).await;
}

/// What is announced while all are checked, and not begun because another is refused, is neither installing nor failed.
async fn not_begun(world: HelmWorld) {
    let bad = world.deployment(&[("a", "1.0.0"), ("b", "9.9.9")]);
    let told = Told::default();
    let applied = world.provider.apply(&bad, &told).await;
    assert_eq!(
        applied
            .expect_err("it fails")
            .component
            .expect("one")
            .as_str(),
        "b"
    );
    assert_eq!(told.all(), ["a installing", "a pending"]);
    world.assert_nothing_left();

    let good = world.deployment(&[("a", "1.0.0"), ("b", "1.0.0")]);
    world.apply(&good).await.expect("they are installed");
    let told = Told::default();
    let applied = world
        .provider
        .apply(&with_images(bad, &[("a", SECOND)]), &told)
        .await;
    applied.expect_err("it fails");
    assert_eq!(told.all(), ["a installing", "a pending"]);
    assert_eq!(world.states(&good).await, ["installed", "installed"]);
    world.remove(&good).await;
}

/// Another image for some components, and little time for what must fail of it.
fn with_images(
    mut deployment: ApplicationDeployment,
    images: &[(&str, &str)],
) -> ApplicationDeployment {
    for (component, image) in images {
        let parameter =
            json!({"value": image, "targets": [{"pointer": "image", "components": [component]}]});
        let parameter = serde_json::from_value(parameter).expect("a parameter");
        let name = format!("image-{component}");
        deployment.spec.parameters.insert(name, parameter);
    }
    let failing = images.iter().filter(|(_, image)| *image == BROKEN);
    let failing: Vec<&str> = failing.map(|(component, _)| *component).collect();
    briefly(deployment, &failing)
}

/// The images of all deployments on the cluster, by their names.
fn images(world: &HelmWorld) -> Vec<String> {
    let names = world.names("deployments");
    let image = |name: &String| {
        let deployment = world.object("deployments", name);
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        image.as_str().unwrap_or_default().to_owned()
    };
    names.iter().map(image).collect()
}

const FIXED: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed}\ndata: {of: {{ .Chart.Name }}}\n";
const NODE_PORT: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: of-{{ .Chart.Name }}}\nspec: {type: NodePort, ports: [{port: 80, nodePort: 30080}]}\n";
