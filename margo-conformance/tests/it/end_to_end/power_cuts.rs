//! Promise 6: whenever the power fails or the process is killed, nothing is lost and at most idempotent work is repeated.

use futures_util::{StreamExt as _, stream};
use margo_client::state::StateStore as _;
use margo_types::endpoint::Operation;
use margo_types::status::DeploymentState;

use super::files::Plant;
use super::process::Process;
use super::station::{are_installed, deployment, id};

#[tokio::test]
async fn promise_6_the_power_may_fail_at_any_point() {
    let points = life(None).await;
    assert!(points > 40, "only {points} points to cut at");
    let cuts = (0..points).step_by(points.div_ceil(CUTS));
    stream::iter(cuts)
        .map(|point| life(Some(point)))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
}

/// A device lives on until the power fails at this point, starts again without network, and goes on. Gives the number of
/// points until the power was switched off.
async fn life(cut: Option<usize>) -> usize {
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    station.journal.charge(cut);
    wfm.assign(&deployment(1, "1.0"));
    wfm.assign(&deployment(2, "1.0"));
    let agent = station.start(&wfm.url()).await;
    let engine = &station.machine.engine;
    let growing_up = async {
        agent.until_installed(&[1, 2]).await;
        engine.set_data(id(1), "kept").unwrap();
        wfm.withdraw(&id(2));
        wfm.assign(&deployment(1, "2.0"));
        wfm.assign(&deployment(3, "1.0"));
        agent
            .until("grown up", |it| {
                it.outbox == 0
                    && are_installed(it, &[1, 3])
                    && station.machine.runs(1).as_deref() == Some("2.0")
            })
            .await;
    };
    tokio::select! {
        () = station.journal.cut() => {}
        () = growing_up => {}
    }
    let points = station.journal.lines().len();
    let held = agent.handle.snapshot().manifest;
    let data = engine.data(id(1));
    agent.kill().await;
    station.journal.charge(None);

    // The power is back, but not the network.
    wfm.stop().await;
    let state = station.state().await.load().await.unwrap();
    state.check().unwrap();
    let kept = state.accepted.as_ref().map(|it| it.version);
    assert!(kept >= held, "cut at {cut:?}: {held:?} became {kept:?}");
    let agent = station.start(&wfm.url()).await;
    agent
        .until("as accepted", |it| {
            it.converged
                && it.manifest == kept
                && it
                    .deployments
                    .values()
                    .all(|it| it.state == DeploymentState::Installed && it.applied == it.revision)
        })
        .await;

    // And the network.
    wfm.restart();
    wfm.withdraw(&id(2));
    wfm.assign(&deployment(3, "1.0"));
    wfm.assign(&deployment(1, "3.0"));
    agent
        .until("as desired", |it| {
            it.outbox == 0
                && are_installed(it, &[1, 3])
                && station.machine.runs(1).as_deref() == Some("3.0")
        })
        .await;
    assert_eq!(station.machine.runs(2), None, "cut at {cut:?}");
    assert_eq!(engine.data(id(1)), data, "cut at {cut:?}");
    assert_eq!(station.journal.count("remove app-1"), 0, "cut at {cut:?}");
    for number in [1, 3] {
        let last = wfm.statuses(&id(number)).pop().unwrap();
        assert_eq!(
            last.status.state,
            DeploymentState::Installed,
            "cut at {cut:?}"
        );
    }
    if let Some(last) = wfm.statuses(&id(2)).pop() {
        assert_eq!(
            last.status.state,
            DeploymentState::Removed,
            "cut at {cut:?}"
        );
    }
    points
}

#[tokio::test]
async fn promise_6_the_process_may_be_killed_again_and_again() {
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    wfm.assign(&deployment(1, "1.0"));
    wfm.assign(&deployment(2, "1.0"));
    for kill in 0..KILLS {
        let before = wfm.requests().len();
        let process = Process::agent(&plant, "line-1", &wfm.url());
        // A little later every time.
        super::files::eventually("is it heard of", || async {
            (wfm.requests().len() > before + kill).then_some(())
        })
        .await;
        process.kill();
        station.state().await.load().await.unwrap().check().unwrap();
        wfm.assign(&deployment(1, &format!("{}.0", kill + 2)));
    }
    let process = Process::agent(&plant, "line-1", &wfm.url());
    let newest = wfm.version();
    for number in [1, 2] {
        wfm.wait_for_report(&id(number), |it| {
            it.status.state == DeploymentState::Installed
                && (number == 2 || it.adopted_manifest_version == Some(newest))
        })
        .await;
    }
    process.kill();
    let state = station.state().await.load().await.unwrap();
    assert_eq!(state.accepted.unwrap().version, newest);
    let removals = |number| {
        let statuses = wfm.statuses(&id(number));
        statuses
            .iter()
            .any(|it| it.status.state == DeploymentState::Removed)
    };
    assert!(!removals(1) && !removals(2));
    assert!(wfm.requests_for(Operation::RemoveDevice).is_empty());
}

/// At how many points the power is cut, about.
const CUTS: usize = 24;
const AT_ONCE: usize = 6;
const KILLS: usize = 6;
