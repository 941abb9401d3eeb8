//! What workloads keep.

use super::witness::Scene;
use super::{Fixture, Sample};
use crate::{Provider, Silent};

pub(super) async fn update_keeps_data(provider: &dyn Provider, fixture: &dyn Fixture) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.install(Sample::Healthy).await;
    fixture.write_data(&deployment, TEXT).await;
    let update = scene.install(Sample::Update).await;
    let found = fixture.read_data(&update).await;
    assert_eq!(found.as_deref(), Some(TEXT), "an update keeps data");
    scene.remove(&update).await;
}

pub(super) async fn failed_update_keeps_data(provider: &dyn Provider, fixture: &dyn Fixture) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.install(Sample::Healthy).await;
    fixture.write_data(&deployment, TEXT).await;
    let failing = scene.deployment(Sample::Failing);
    let applied = provider.apply(&failing, &Silent).await;
    assert!(applied.is_err(), "a workload that fails is not installed");
    assert!(scene.is_listed().await, "a failed update removes nothing");
    let update = scene.install(Sample::Update).await;
    let found = fixture.read_data(&update).await;
    assert_eq!(found.as_deref(), Some(TEXT), "a failed update keeps data");
    scene.remove(&update).await;
}

pub(super) async fn removal_takes_data_along(provider: &dyn Provider, fixture: &dyn Fixture) {
    let scene = Scene::new(provider, fixture);
    let deployment = scene.install(Sample::Healthy).await;
    fixture.write_data(&deployment, TEXT).await;
    scene.remove(&deployment).await;
    scene.install(Sample::Healthy).await;
    let found = fixture.read_data(&deployment).await;
    assert_eq!(found, None, "what was removed does not come back");
    scene.remove(&deployment).await;
}

const TEXT: &str = "remember the kiln";
