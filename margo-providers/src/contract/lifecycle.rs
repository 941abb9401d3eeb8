//! Installing, observing, listing, removing.

use margo_types::status::DeploymentState;

use super::witness::{Scene, Witness};
use super::{Fixture, Sample};
use crate::{Provider, Silent, Trouble};

pub(super) async fn engine_says_what_it_is(provider: &dyn Provider, _: &dyn Fixture) {
    let engine = provider.engine().await;
    let engine = engine.unwrap_or_else(|error| panic!("there is no engine: {error}"));
    assert!(!engine.name.is_empty(), "the engine has a name");
    assert!(!engine.version.is_empty(), "the engine has a version");
}

pub(super) async fn absent_is_removed(provider: &dyn Provider, fixture: &dyn Fixture) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.deployment(Sample::Healthy);
    scene.assert_absent(&deployment).await;
    scene.remove(&deployment).await;
}

pub(super) async fn installed_and_listed(provider: &dyn Provider, fixture: &dyn Fixture) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.deployment(Sample::Healthy);
    let witness = Witness::new();
    let applied = provider.apply(&deployment, &witness).await;
    applied.unwrap_or_else(|error| panic!("it was not installed: {error}"));

    let component = &deployment.spec.deployment_profile.components[0].name;
    let told = |state| (component.clone(), state);
    let expected = [DeploymentState::Installing, DeploymentState::Installed].map(told);
    assert_eq!(witness.told(), expected, "progress is told");
    let observed = scene.observe(&deployment).await;
    assert!(observed.is_installed(), "{observed:?}");
    assert!(scene.is_listed().await, "what is on the device is listed");
    scene.remove(&deployment).await;
}

pub(super) async fn applying_again_changes_nothing(provider: &dyn Provider, fixture: &dyn Fixture) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.install(Sample::Healthy).await;
    let before = leftovers(&scene).await;
    scene.install(Sample::Healthy).await;
    assert_eq!(leftovers(&scene).await, before, "nothing was to be done");
    scene.remove(&deployment).await;
}

pub(super) async fn removal_is_complete_and_repeatable(
    provider: &dyn Provider,
    fixture: &dyn Fixture,
) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.install(Sample::Healthy).await;
    let witness = Witness::new();
    let removed = provider.remove(&deployment, &witness).await;
    removed.unwrap_or_else(|error| panic!("it was not removed: {error}"));

    let component = &deployment.spec.deployment_profile.components[0].name;
    let told = |state| (component.clone(), state);
    let expected = [DeploymentState::Removing, DeploymentState::Removed].map(told);
    assert_eq!(witness.told(), expected, "progress is told");
    scene.assert_absent(&deployment).await;
    scene.remove(&deployment).await;
}

pub(super) async fn components_come_up_in_order(provider: &dyn Provider, fixture: &dyn Fixture) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.deployment(Sample::Several);
    let components = &deployment.spec.deployment_profile.components;
    assert!(components.len() > 1, "the sample has several components");
    let (up, down) = (Witness::new(), Witness::new());
    let applied = provider.apply(&deployment, &up).await;
    applied.unwrap_or_else(|error| panic!("it was not installed: {error}"));
    let observed = scene.observe(&deployment).await;
    assert!(observed.is_installed(), "{observed:?}");
    let removed = provider.remove(&deployment, &down).await;
    removed.unwrap_or_else(|error| panic!("it was not removed: {error}"));
    scene.assert_absent(&deployment).await;

    let names = || components.iter().map(|component| component.name.clone());
    let installing = names().flat_map(|name| {
        [DeploymentState::Installing, DeploymentState::Installed].map(|state| (name.clone(), state))
    });
    assert_eq!(
        up.told(),
        installing.collect::<Vec<_>>(),
        "one after the other"
    );
    let removed: Vec<_> = down
        .told()
        .into_iter()
        .filter(|(_, state)| *state == DeploymentState::Removed)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        removed,
        names().rev().collect::<Vec<_>>(),
        "in reverse order"
    );
}

pub(super) async fn failed_installation_leaves_nothing(
    provider: &dyn Provider,
    fixture: &dyn Fixture,
) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.deployment(Sample::Failing);
    let error = provider.apply(&deployment, &Silent).await.err();
    let error = error.expect("a workload that fails is not installed");
    let component = &deployment.spec.deployment_profile.components[0].name;
    assert_eq!(error.component.as_ref(), Some(component), "{error}");
    assert_eq!(error.trouble, Trouble::Workload, "{error}");
    assert!(!error.message.is_empty(), "the error says what happened");
    scene.assert_absent(&deployment).await;

    let deployment = scene.install(Sample::Healthy).await;
    scene.remove(&deployment).await;
}

pub(super) async fn time_out_ends_an_installation(provider: &dyn Provider, fixture: &dyn Fixture) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.deployment(Sample::TooSlow);
    let error = provider.apply(&deployment, &Silent).await.err();
    let error = error.expect("a component that is never complete is not installed");
    assert_eq!(error.trouble, Trouble::Timeout, "{error}");
    scene.assert_absent(&deployment).await;
}

pub(super) async fn broken_workload_is_seen_and_mended(
    provider: &dyn Provider,
    fixture: &dyn Fixture,
) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.install(Sample::Healthy).await;
    fixture.sabotage(&deployment).await;
    let observed = scene.observe(&deployment).await;
    assert!(!observed.is_installed(), "the workload was made to fail");
    assert!(scene.is_listed().await, "it is still on the device");
    scene.install(Sample::Healthy).await;
    scene.remove(&deployment).await;
}

async fn leftovers(scene: &Scene<'_>) -> Vec<String> {
    if scene.fixture.abilities().leftovers {
        scene.fixture.leftovers(scene.id).await
    } else {
        Vec::new()
    }
}
