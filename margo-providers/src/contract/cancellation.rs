//! Operations that are dropped in the middle, and operations at the same time.

use margo_types::deployment::ApplicationDeployment;
use margo_types::status::DeploymentState;

use super::witness::{Scene, Witness};
use super::{Fixture, Sample};
use crate::Provider;

pub(super) async fn cancelled_installation_is_completed(
    provider: &dyn Provider,
    fixture: &dyn Fixture,
) {
    let scene = Scene::new(provider, fixture);
    let slow = scene.deployment(Sample::Slow);
    cancel_installation(provider, &slow).await;
    scene.install(Sample::Slow).await;
    scene.remove(&slow).await;
}

pub(super) async fn cancelled_installation_is_removed(
    provider: &dyn Provider,
    fixture: &dyn Fixture,
) {
    let scene = Scene::new(provider, fixture);
    let slow = scene.deployment(Sample::Slow);
    cancel_installation(provider, &slow).await;
    scene.remove(&slow).await;
}

pub(super) async fn cancelled_removal_is_completed(provider: &dyn Provider, fixture: &dyn Fixture) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.install(Sample::Healthy).await;
    let witness = Witness::new();
    tokio::select! {
        // First, so that the removal is dropped as soon as it has begun.
        biased;
        () = witness.saw(&DeploymentState::Removing) => {}
        removed = provider.remove(&deployment, &witness) => {
            removed.unwrap_or_else(|error| panic!("it was not removed: {error}"));
        }
    }
    scene.remove(&deployment).await;
    let deployment = scene.install(Sample::Healthy).await;
    scene.remove(&deployment).await;
}

pub(super) async fn different_deployments_overlap(provider: &dyn Provider, fixture: &dyn Fixture) {
    let (slow, quick) = (Scene::new(provider, fixture), Scene::new(provider, fixture));
    let witness = Witness::new();
    let deployment = slow.deployment(Sample::Slow);
    let other = async {
        witness.saw(&DeploymentState::Installing).await;
        let deployment = quick.install(Sample::Healthy).await;
        quick.remove(&deployment).await;
    };
    let (applied, ()) = tokio::join!(provider.apply(&deployment, &witness), other);
    applied.unwrap_or_else(|error| panic!("it was not installed: {error}"));
    let observed = slow.observe(&deployment).await;
    assert!(observed.is_installed(), "{observed:?}");
    slow.remove(&deployment).await;
}

/// Drops an installation as soon as it has begun.
async fn cancel_installation(provider: &dyn Provider, deployment: &ApplicationDeployment) {
    let witness = Witness::new();
    tokio::select! {
        biased;
        () = witness.saw(&DeploymentState::Installing) => {}
        _ = provider.apply(deployment, &witness) => {
            panic!("the slow sample was too quick to be cancelled");
        }
    }
}
