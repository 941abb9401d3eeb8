//! What a kill, a lost file or somebody else left.

use std::time::Duration;

use libtest_mimic::Trial;
use margo_providers::{Provider, ProviderError, Silent};
use serde_json::json;

use super::{WEB, image, with_image, world};
use crate::helm_trial;
use crate::helm_world::{FIRST, HelmWorld, ID, OTHER_ID, SECOND, SLOW, TestCluster};

pub(super) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial(
            "helm_cut_off_installation_is_carried_on",
            cut_off_installation,
        ),
        helm_trial("helm_cut_off_update_is_carried_on", cut_off_update),
        helm_trial("helm_cut_off_removal_is_carried_on", cut_off_removal),
        helm_trial("helm_releases_lead_back_to_deployments", state_lost),
        helm_trial("helm_foreign_releases_are_left_alone", foreign),
        helm_trial(
            "helm_foreign_pending_releases_are_left_alone",
            foreign_pending,
        ),
        helm_trial("helm_damaged_records_are_made_up_for", damaged_record),
    ]);
}

/// Drops an operation when the cluster looks like this.
async fn cut_off(
    world: &HelmWorld,
    work: impl Future<Output = Result<(), ProviderError>>,
    when: impl Fn(&TestCluster) -> bool,
) {
    tokio::select! {
        biased;
        () = world.cluster.wait_until(when) => {}
        outcome = work => panic!("it was too quick to be cut off: {outcome:?}"),
    }
}

/// Whether there is a revision of a release with this status.
fn has_status(cluster: &TestCluster, status: &str) -> bool {
    let secrets = cluster.objects("secrets");
    secrets
        .iter()
        .any(|secret| secret["metadata"]["labels"]["status"] == status)
}

async fn cut_off_installation() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    world.cluster.delay_readiness(Duration::from_secs(3));
    let deployment = world.deployment_with(ID, &[("web", "1.0.0")], &json!({"probe": SLOW}));
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
    let first = with_image(&world, "1.0.0", FIRST);
    world.apply(&first).await.expect("it is installed");
    world.cluster.delay_readiness(Duration::from_secs(3));
    let parameters = json!({"image": SECOND, "probe": SLOW});
    let second = world.deployment_with(ID, &[("web", "1.0.0")], &parameters);
    let pending = |cluster: &_| has_status(cluster, "pending-upgrade");
    cut_off(&world, world.apply(&second), pending).await;
    world.cluster.delay_readiness(Duration::ZERO);
    world.apply(&second).await.expect("it is carried on");
    assert_eq!(image(&world), SECOND);
    assert_eq!(world.states(&second).await, ["installed"]);
    world.remove(&second).await;
}

async fn cut_off_removal() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", FIRST);
    world.apply(&deployment).await.expect("it is installed");
    let gone = |cluster: &TestCluster| cluster.objects("deployments").is_empty();
    // The deployment stays until its finalizer is taken away.
    let name = &world.names("deployments")[0];
    world
        .cluster
        .change("deployments", Some(&world.namespace), name, |object| {
            object["metadata"]["finalizers"] = json!(["margo.test/hold"]);
        });
    let removing = world.provider.remove(&deployment, &Silent);
    cut_off(&world, removing, |cluster| {
        has_status(cluster, "uninstalling")
    })
    .await;
    world
        .cluster
        .change("deployments", Some(&world.namespace), name, |object| {
            object["metadata"]["finalizers"] = json!([]);
        });
    world.remove(&deployment).await;
    assert!(gone(&world.cluster));
}

async fn state_lost() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", FIRST);
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

async fn foreign() {
    let world = world().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = with_image(&world, "1.0.0", FIRST);
    world.apply(&deployment).await.expect("it is installed");
    let name = world.names("deployments").remove(0);
    // The labels are another owner's now.
    for secret in world.names("secrets") {
        world
            .cluster
            .change("secrets", Some(&world.namespace), &secret, |secret| {
                secret["metadata"]["labels"]["margo.owner"] = "other".into();
            });
    }
    std::fs::remove_dir_all(world.state().join(ID)).expect("it is there");
    assert_eq!(world.provider.list().await.expect("a list"), []);
    let error = world.refused(&deployment).await;
    assert!(error.message.contains("owner other"), "{error}");
    assert_eq!(world.names("deployments"), [name], "it is left alone");
    // Another device's deployments are apart.
    let mut other = with_image(&world, "1.0.0", FIRST);
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
            .change("secrets", Some(&world.namespace), secret, |secret| {
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

fn has_pods(cluster: &TestCluster) -> bool {
    !cluster.objects("pods").is_empty()
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
