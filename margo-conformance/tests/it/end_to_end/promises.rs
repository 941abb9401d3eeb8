//! The promises of a device, but for those on power cuts, retries and limits, which have files of their own.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use margo_client::agent::{Contact, Snapshot};
use margo_client::reconcile::Action;
use margo_client::state::{Report, StateStore as _};
use margo_conformance::log::heard_by;
use margo_conformance::wfm::{Answer, FakeWfm, Lie};
use margo_providers::Trouble;
use margo_providers::simulated::Fault;
use margo_types::deployment::ApplicationDeployment;
use margo_types::endpoint::Operation;
use margo_types::status::DeploymentState;
use tracing::subscriber::DefaultGuard;

use super::files::Plant;
use super::station::{
    Running, Station, are_installed, at_level, component, deployment, id, noise, only_for,
    quick_options,
};

#[tokio::test]
async fn promise_1_an_offline_reboot_converges_before_the_first_network_call() {
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let mut station = plant.station("line-1");
    wfm.assign(&deployment(1, "1.0"));
    wfm.assign(&deployment(2, "1.0"));
    let agent = station.start(&wfm.url()).await;
    agent.until_installed(&[1, 2]).await;
    agent.kill().await;

    wfm.stop().await;
    station.lose_workloads();
    let (asked, noted) = (wfm.requests().len(), station.journal.lines().len());
    let agent = station.start(&wfm.url()).await;
    let snapshot = agent
        .until("alone", |it| it.contact == Contact::Failing)
        .await;
    assert!(snapshot.converged);
    for number in [1, 2] {
        assert_eq!(station.machine.runs(number).as_deref(), Some("1.0"));
    }
    let lines = station.journal.lines().split_off(noted);
    let first_call = lines.iter().position(|it| it.starts_with("api ")).unwrap();
    let last_apply = lines
        .iter()
        .rposition(|it| it.starts_with("end of apply"))
        .unwrap();
    assert!(last_apply < first_call, "{lines:#?}");
    assert_eq!(wfm.requests().len(), asked);

    wfm.restart();
    agent.until_installed(&[1, 2]).await;
}

#[tokio::test]
async fn promise_2_a_tag_is_sent_only_when_all_content_is_here() {
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    wfm.assign(&deployment(1, "1.0"));
    let agent = station.start(&wfm.url()).await;
    agent.until_installed(&[1]).await;
    agent.until_polled(1).await;
    let complete = last_tag(&wfm);
    assert!(complete.is_some());

    wfm.lie(Lie::MissingContent);
    wfm.assign(&deployment(1, "2.0"));
    agent
        .until("failing", |it| it.consecutive_failures >= 2)
        .await;
    assert_eq!(last_tag(&wfm), complete);
    // Nor does the file have another one.
    agent.kill().await;
    let agent = station.start(&wfm.url()).await;
    agent
        .until("failing", |it| it.consecutive_failures >= 2)
        .await;
    assert_eq!(last_tag(&wfm), complete);
    assert_eq!(station.machine.runs(1).as_deref(), Some("1.0"));

    wfm.recover();
    agent
        .until("updated", |_| {
            station.machine.runs(1).as_deref() == Some("2.0")
        })
        .await;
    agent.until_polled(2).await;
    assert!(last_tag(&wfm).is_some() && last_tag(&wfm) != complete);
}

#[tokio::test]
async fn promise_3_a_lie_changes_nothing_and_tampering_is_a_security_event() {
    // One changed document is fetched by itself, many come as the bundle.
    for (lie, changed, is_tampering) in [
        (Lie::WrongDigest, 1, true),
        (Lie::WrongDigest, 8, true),
        (Lie::LowerVersion, 0, true),
        (Lie::SameVersion, 0, true),
        (Lie::MissingContent, 1, false),
        (Lie::MissingContent, 8, false),
        (Lie::IncompleteBundle, 8, false),
    ] {
        let (log, _guard) = Log::of_this_thread();
        let plant = Plant::new();
        let wfm = plant.fake_wfm().await;
        let station = plant.station("line-1");
        let all = [1, 2, 3, 4, 5, 6, 7, 8];
        let at = |number, revision| at_level(deployment(number, revision), &noise(number));
        for number in all {
            wfm.assign(&at(number, "1.0"));
        }
        let agent = station.start(&wfm.url()).await;
        let before = agent.until_installed(&all).await.manifest;
        let applied = station.journal.count("apply ");

        wfm.lie(lie);
        // Nobody polls in between: there is one thread.
        for number in &all[..changed] {
            wfm.assign(&at(*number, "2.0"));
        }
        let snapshot = agent
            .until("refused twice", |it| it.consecutive_failures >= 2)
            .await;
        assert_eq!(snapshot.manifest, before, "{lie:?}");
        assert!(are_installed(&snapshot, &all), "{lie:?}: {snapshot:#?}");
        assert_eq!(
            snapshot.security_events > 0,
            is_tampering,
            "{lie:?}: {snapshot:#?}"
        );
        let is_logged = log.has("ERROR") && log.has("security_event=true");
        assert_eq!(is_logged, is_tampering, "{lie:?}: {}", log.text());
        agent.kill().await;
        let kept = station.state().await.load().await.unwrap();
        assert_eq!(kept.accepted.unwrap().version, before.unwrap(), "{lie:?}");
        assert_eq!(station.journal.count("apply "), applied, "{lie:?}");
        assert_eq!(station.journal.count("remove "), 0, "{lie:?}");

        wfm.recover();
        wfm.assign(&deployment(1, "3.0"));
        let agent = station.start(&wfm.url()).await;
        agent
            .until("updated", |_| {
                station.machine.runs(1).as_deref() == Some("3.0")
            })
            .await;
    }
}

#[tokio::test]
async fn promise_4_failing_and_hanging_deployments_hold_nobody_up() {
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    let engine = &station.machine.engine;
    engine.script(Fault::fail(Trouble::Workload, "as told").of_deployment(id(1)));
    engine.script(Fault::hang().of_deployment(id(2)).times(1));
    (1..=4).for_each(|number| wfm.assign(&deployment(number, "1.0")));
    let mut options = quick_options();
    options.concurrency = 1;
    options.patience = Duration::from_millis(100);
    let agent = station
        .start_with(&wfm.url(), |builder| builder.options(options))
        .await;
    for number in [3, 4] {
        wfm.wait_for_status(&id(number), &DeploymentState::Installed)
            .await;
    }
    let failed = wfm.wait_for_status(&id(1), &DeploymentState::Failed).await;
    assert!(failed.status.error.unwrap().message.contains("as told"));
    assert_eq!(station.machine.runs(2), None);

    wfm.assign(&deployment(2, "2.0"));
    agent
        .until("superseded", |_| {
            station.machine.runs(2).as_deref() == Some("2.0")
        })
        .await;
    wfm.wait_for_status(&id(2), &DeploymentState::Installed)
        .await;
}

#[tokio::test]
async fn promise_5_no_status_is_lost_while_the_fleet_manager_is_away() {
    let (log, _guard) = Log::of_this_thread();
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    wfm.assign(&deployment(1, "1.0"));
    let agent = station.start(&wfm.url()).await;
    agent.until_installed(&[1]).await;
    wfm.stop().await;

    fall(&agent, &station, "first fall").await;
    agent.kill().await;
    let before = outbox(&station).await;
    assert_eq!(outcomes(&before), ["failed: first fall", "installed"]);

    let agent = station.start(&wfm.url()).await;
    agent
        .until("alone", |it| it.contact == Contact::Failing)
        .await;
    fall(&agent, &station, "second fall").await;
    agent.kill().await;
    let kept = outbox(&station).await;
    let same = kept
        .iter()
        .zip(&before)
        .all(|(kept, before)| kept == before);
    assert!(
        same,
        "neither order nor times change: {kept:#?} {before:#?}"
    );
    let all = [
        "failed: first fall",
        "installed",
        "failed: second fall",
        "installed",
    ];
    assert_eq!(outcomes(&kept), all);
    assert!(kept.is_sorted_by_key(|it| it.at));

    // What is refused for now arrives in the end.
    wfm.fail_next(Operation::ReportStatus, 1, Answer::problem(503));
    wfm.fail_next(Operation::ReportStatus, 1, Answer::status(502));
    wfm.restart();
    let agent = station.start(&wfm.url()).await;
    agent.until_installed(&[1]).await;
    let arrived: Vec<Report> = wfm
        .statuses(&id(1))
        .into_iter()
        .map(|status| Report::new(jiff::Timestamp::UNIX_EPOCH, status))
        .collect();
    let arrived = outcomes(&arrived);
    assert_eq!(arrived[0], "installed");
    assert_eq!(arrived[1..], all);
    for report in kept {
        assert!(
            log.has(&format!("at={}", report.at)),
            "its time is told: {}",
            log.text()
        );
    }
}

#[tokio::test]
async fn promise_9_what_the_device_is_not_eligible_for_never_reaches_the_engine() {
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    wfm.assign(&only_for(deployment(1, "1.0"), "Other"));
    wfm.assign(&deployment(2, "1.0"));
    let agent = station.start(&wfm.url()).await;
    let refused = wfm.wait_for_status(&id(1), &DeploymentState::Failed).await;
    let error = refused.status.error.unwrap();
    assert_eq!(error.code, "INELIGIBLE");
    assert!(error.message.contains("/vendor"), "{}", error.message);
    wfm.wait_for_status(&id(2), &DeploymentState::Installed)
        .await;

    // Nor does what it runs become what it is not eligible for.
    wfm.assign(&only_for(deployment(2, "2.0"), "Other"));
    wfm.wait_for_status(&id(2), &DeploymentState::Failed).await;
    assert_eq!(station.machine.runs(2).as_deref(), Some("1.0"));
    agent.until_polled(2).await;
    assert_eq!(station.journal.count("apply app-1"), 0);
    assert_eq!(station.journal.count("apply app-2 2.0"), 0);
}

#[tokio::test]
async fn promise_10_a_veto_is_visible_and_can_be_lifted() {
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    wfm.assign(&deployment(1, "1.0"));
    let is_busy = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&is_busy);
    let veto = move |_: &ApplicationDeployment, action: Action| {
        let is_busy = asked.load(Ordering::SeqCst);
        is_busy.then(|| format!("no {action:?} while the press is closed"))
    };
    let agent = station
        .start_with(&wfm.url(), |builder| builder.veto(Arc::new(veto)))
        .await;
    let postponed = |text: &'static str| {
        move |it: &Snapshot| {
            let view = it.deployments.get(&id(1));
            view.is_some_and(|it| it.postponed.as_deref() == Some(text))
        }
    };
    let reason = "no Install while the press is closed";
    agent.until("postponed", postponed(reason)).await;
    wfm.wait_for_status(&id(1), &DeploymentState::Pending).await;
    agent.until_polled(2).await;
    assert_eq!(station.journal.count("apply "), 0);

    is_busy.store(false, Ordering::SeqCst);
    agent.handle.reconcile_now();
    let adopted = agent.until_installed(&[1]).await.deployments[&id(1)].adopted;

    // What runs goes on running while its update waits.
    is_busy.store(true, Ordering::SeqCst);
    wfm.assign(&deployment(1, "2.0"));
    let reason = "no Update while the press is closed";
    let snapshot = agent.until("postponed", postponed(reason)).await;
    assert_eq!(snapshot.deployments[&id(1)].adopted, adopted);
    assert_eq!(station.machine.runs(1).as_deref(), Some("1.0"));
    is_busy.store(false, Ordering::SeqCst);
    agent
        .until("updated", |_| {
            station.machine.runs(1).as_deref() == Some("2.0")
        })
        .await;
}

/// The entity tag that the last poll came with.
fn last_tag(wfm: &FakeWfm) -> Option<String> {
    let polls = wfm.requests_for(Operation::Manifest);
    let tag = polls.last().unwrap().header("if-none-match");
    tag.map(ToOwned::to_owned)
}

/// Lets the workload fall over, and waits until it was repaired.
async fn fall(agent: &Running, station: &Station, why: &str) {
    let repairs = station.journal.count("end of apply");
    let engine = &station.machine.engine;
    engine.break_component(id(1), &component(), why).unwrap();
    let is_up =
        |it: &Snapshot| station.journal.count("end of apply") > repairs && are_installed(it, &[1]);
    agent.until("repaired", is_up).await;
}

/// The reports that wait on the disk.
async fn outbox(station: &Station) -> Vec<Report> {
    let state = station.state().await.load().await.unwrap();
    state.outbox.into_values().collect()
}

/// What the reports say that is not merely on its way, in words.
fn outcomes(reports: &[Report]) -> Vec<String> {
    let outcome = |report: &Report| {
        let status = &report.status;
        match &status.status.state {
            DeploymentState::Installed => Some("installed".to_owned()),
            DeploymentState::Failed => {
                let errors = status.components.iter().find_map(|it| it.error.as_ref());
                Some(format!("failed: {}", errors?.message))
            }
            _ => None,
        }
    };
    reports.iter().filter_map(outcome).collect()
}

/// What is logged by the thread of a test, in which everything but the files happens.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(super) fn of_this_thread() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::dispatcher::set_default(&heard_by(subscriber)))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(super) fn has(&self, words: &str) -> bool {
        self.text().contains(words)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
