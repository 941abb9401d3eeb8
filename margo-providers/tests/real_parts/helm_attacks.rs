//! What goes wrong with a cluster in the middle of an update, in both modes: a clear error, and the earlier revision runs on.

use libtest_mimic::Trial;
use margo_conformance::kubernetes::{Fault, Verb};
use margo_providers::Trouble;
use margo_types::deployment::ApplicationDeployment;
use serde_json::json;

use crate::helm_double_trial;
use crate::helm_install::WEB;
use crate::helm_world::{HelmWorld, ID, template_mode};

pub(crate) fn add(trials: &mut Vec<Trial>) {
    for template in [false, true] {
        let mode = if template { "template" } else { "install" };
        trials.extend([
            helm_double_trial(
                &format!("helm_{mode}_every_missing_permission_is_named"),
                FAULTS,
                move || async move { permissions(world(template).await).await },
            ),
            helm_double_trial(
                &format!("helm_{mode}_every_fault_of_the_cluster_is_survived"),
                FAULTS,
                move || async move {
                    let asked = if template { ASKED_BY_US } else { ASKED_BY_HELM };
                    faults(world(template).await, asked).await;
                },
            ),
        ]);
    }
}

/// A device in one of the modes, with a chart.
async fn world(template: bool) -> HelmWorld {
    let world = HelmWorld::with(|options| {
        if template {
            options.mode = template_mode();
        }
    })
    .await;
    world.publish("web", "1.0.0", WEB).await;
    world
}

fn with_image(world: &HelmWorld, tag: u32) -> ApplicationDeployment {
    let image = json!({"image": format!("registry.example/web:{tag}")});
    world.deployment_with(ID, &[("web", "1.0.0")], &image)
}

/// The image that runs, of the only deployment on the cluster.
fn image(world: &HelmWorld) -> String {
    let deployment = world.object("deployments", &world.names("deployments")[0]);
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    image.as_str().expect("an image").to_owned()
}

/// Each permission that an update may need, missing.
async fn permissions(world: HelmWorld) {
    let first = with_image(&world, 1);
    world.apply(&first).await.expect("it is installed");
    let mut refused = 0;
    for verb in [
        Verb::Get,
        Verb::List,
        Verb::Watch,
        Verb::Create,
        Verb::Update,
        Verb::Patch,
        Verb::Delete,
    ] {
        for resource in ["secrets", "deployments", "pods", "namespaces"] {
            world.cluster.double().forbid(verb, resource);
            let updated = world.apply(&with_image(&world, 2)).await;
            world.cluster.double().allow_all();
            // What is not needed is not missed.
            if let Err(error) = updated {
                let case = format!("{verb:?} {resource}: {error}");
                assert_eq!(error.trouble, Trouble::Device, "{case}");
                assert!(error.message.contains("grant it, or use others"), "{case}");
                assert!(error.message.contains("forbidden"), "{case}");
                assert_eq!(image(&world), "registry.example/web:1", "{case}");
                refused += 1;
            }
            world.apply(&first).await.expect("back again");
            assert_eq!(
                world.states(&first).await,
                ["installed"],
                "{verb:?} {resource}"
            );
        }
    }
    assert!(refused >= 2, "{refused}");
    world.remove(&first).await;
}

/// Each kind of answer that a cluster in trouble gives, once or for a while, wherever an update asks.
async fn faults(world: HelmWorld, asked: &[(Verb, &str)]) {
    let first = with_image(&world, 1);
    world.apply(&first).await.expect("it is installed");
    for fault in [
        Fault::InternalError,
        Fault::Unavailable,
        Fault::TooManyRequests,
        Fault::Conflict,
        Fault::Disconnect,
    ] {
        for &(verb, resource) in asked {
            world.cluster.double().fail_next(verb, resource, 1, fault);
            let updated = world.apply(&with_image(&world, 2)).await;
            world.cluster.double().allow_all();
            let case = format!("{fault:?} {verb:?} {resource}: {updated:?}");
            match updated {
                Ok(()) => assert_eq!(image(&world), "registry.example/web:2", "{case}"),
                Err(_) => assert_eq!(image(&world), "registry.example/web:1", "{case}"),
            }
            world
                .apply(&first)
                .await
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(world.states(&first).await, ["installed"], "{case}");
        }
    }
    world.remove(&first).await;
}

/// What every update asks for, so that no fault is left over.
const ASKED_BY_HELM: &[(Verb, &str)] = &[
    (Verb::List, "secrets"),
    (Verb::Create, "secrets"),
    (Verb::Update, "secrets"),
    (Verb::Get, "deployments"),
    (Verb::Patch, "deployments"),
];
const ASKED_BY_US: &[(Verb, &str)] = &[
    (Verb::Get, "secrets"),
    (Verb::Patch, "secrets"),
    (Verb::List, "deployments"),
    (Verb::Patch, "deployments"),
];
/// Why a real cluster does not do.
const FAULTS: &str = "it has the cluster fail";
