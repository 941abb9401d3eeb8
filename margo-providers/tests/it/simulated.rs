//! The simulated provider: its script, its memory and its files.

use std::time::Duration;

use margo_providers::simulated::{Call, Fault, SimulatedProvider, Step};
use margo_providers::{Provider as _, Silent, Trouble};
use margo_types::status::DeploymentState;
use tokio::time::Instant;

use crate::support::{Told, deployment, id, name};

#[tokio::test(start_paused = true)]
async fn faults_concern_what_they_name_and_are_used_up() {
    let provider = SimulatedProvider::new();
    let (first, second) = (
        deployment(id(1), &[("app", "1"), ("db", "1")]),
        deployment(id(2), &[("app", "1")]),
    );
    let broken = Fault::fail(Trouble::Registry, "no route").of_component(&name("db"));
    provider.script(broken.of_deployment(id(1)).times(2));
    for _ in 0..2 {
        let error = provider.apply(&first, &Silent).await.unwrap_err();
        assert_eq!(
            (error.trouble, error.component),
            (Trouble::Registry, Some(name("db")))
        );
        provider.apply(&second, &Silent).await.unwrap();
    }
    provider.apply(&first, &Silent).await.unwrap();

    provider.script(
        Fault::fail(Trouble::Engine, "gone")
            .on(Step::Remove)
            .times(1),
    );
    provider.remove(&first, &Silent).await.unwrap_err();
    assert_eq!(provider.list().await.unwrap(), [id(1), id(2)]);
    provider.remove(&first, &Silent).await.unwrap();
    assert_eq!(provider.list().await.unwrap(), [id(2)]);
    let (apply, remove) = (Call::Apply(id(1)), Call::Remove(id(1)));
    let calls = provider.calls();
    let count = |call: &Call| calls.iter().filter(|own| *own == call).count();
    assert_eq!((count(&apply), count(&remove)), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn delays_take_their_time_and_hangs_are_let_go() {
    let provider = SimulatedProvider::new();
    let app = deployment(id(1), &[("app", "1")]);
    provider.script(Fault::delay(Duration::from_secs(30)));
    let begun = Instant::now();
    provider.apply(&app, &Silent).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 30);
    provider.apply(&app, &Silent).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 30, "there was nothing to do");

    provider.recover();
    provider.script(Fault::hang());
    let update = deployment(id(1), &[("app", "2")]);
    let hanging = provider.apply(&update, &Silent);
    let release = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        let observed = provider.observe(&update).await.unwrap();
        assert_eq!(observed.components[0].state, DeploymentState::Installing);
        provider.recover();
    };
    tokio::join!(hanging, release).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn components_that_are_dropped_are_removed() {
    let provider = SimulatedProvider::new();
    provider
        .apply(
            &deployment(id(1), &[("a", "1"), ("b", "1"), ("c", "1")]),
            &Silent,
        )
        .await
        .unwrap();
    let told = Told::default();
    let after = deployment(id(1), &[("d", "1"), ("b", "2")]);
    provider.apply(&after, &told).await.unwrap();
    let expected = [
        "d installing",
        "d installed",
        "b installing",
        "b installed",
        "c removing",
        "c removed",
        "a removing",
        "a removed",
    ];
    assert_eq!(told.lines(), expected);
    let told = Told::default();
    provider.remove(&after, &told).await.unwrap();
    assert_eq!(
        told.lines(),
        ["b removing", "b removed", "d removing", "d removed"]
    );
}

#[tokio::test(start_paused = true)]
async fn workloads_in_files_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let app = deployment(id(1), &[("app", "1"), ("db", "1")]);
    let open = || SimulatedProvider::in_directory(folder.path().join("workloads"));
    let first = open().unwrap();
    first.script(Fault::hang().of_component(&name("db")));
    // Dropped in the middle, as a killed process leaves it.
    let killed = tokio::time::timeout(Duration::from_secs(1), first.apply(&app, &Silent)).await;
    killed.unwrap_err();

    let second = open().unwrap();
    let observed = second.observe(&app).await.unwrap();
    let states = observed
        .components
        .iter()
        .map(|component| component.state.as_str().to_owned());
    assert_eq!(states.collect::<Vec<_>>(), ["installed", "installing"]);
    second.apply(&app, &Silent).await.unwrap();
    second.set_data(id(1), "warm").unwrap();

    let third = open().unwrap();
    assert!(third.observe(&app).await.unwrap().is_installed());
    assert_eq!(third.data(id(1)).as_deref(), Some("warm"));
    let told = Told::default();
    third.apply(&app, &told).await.unwrap();
    assert!(told.lines().is_empty(), "everything is as it should be");
    third.remove(&app, &Silent).await.unwrap();
    assert!(open().unwrap().list().await.unwrap().is_empty());
}

#[tokio::test]
async fn damaged_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{}.json", id(1)));
    std::fs::write(&path, "{").unwrap();
    let error = SimulatedProvider::in_directory(folder.path()).unwrap_err();
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    std::fs::write(path.with_extension("new"), "{").unwrap();
    SimulatedProvider::in_directory(folder.path()).unwrap();
}
