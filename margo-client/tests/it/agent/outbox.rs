//! Reports: order, folding, refusals, and what they say.

use std::time::Duration;

use margo_client::outbox::{due, enqueue};
use margo_client::retry::RetryPolicy;
use margo_client::state::State;
use margo_providers::Trouble;
use margo_types::manifest::ManifestVersion;
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus};
use margo_types::{SpecVersion, validate, validate_status_against};

use super::rig::{Fault, Rig, deployment, id};

fn put(state: &mut State, number: u8, of: DeploymentState) {
    let component = ComponentStatus::new("web".parse().unwrap(), of);
    let status = DeploymentStatus::new(id(number), ManifestVersion::FIRST, vec![component]);
    let second = i64::try_from(state.outbox.len()).unwrap();
    let at = jiff::Timestamp::from_second(second).unwrap();
    for change in enqueue(state, status, at) {
        state.apply(change);
    }
}

fn states(state: &State) -> Vec<String> {
    let reports = state.outbox.values();
    reports
        .map(|it| it.status.status.state.to_string())
        .collect()
}

#[test]
fn what_only_passes_is_folded_and_outcomes_are_kept() {
    let mut state = State::default();
    for of in [
        DeploymentState::Pending,
        DeploymentState::Installing,
        DeploymentState::Failed,
        DeploymentState::Installing,
        DeploymentState::Installed,
        DeploymentState::Installed,
        DeploymentState::Removing,
        DeploymentState::Removed,
    ] {
        put(&mut state, 1, of);
    }
    assert_eq!(states(&state), ["failed", "installed", "removed"]);
    put(&mut state, 2, DeploymentState::Pending);
    assert_eq!(due(&state).len(), 2, "one for each deployment");
    assert_eq!(
        due(&state)[0].1.status.status.state,
        DeploymentState::Failed,
        "the oldest"
    );
    assert!(
        !state.last.contains_key(&id(1)),
        "nothing is remembered of what is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_report_is_given_up_and_said() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    rig.wfm.fail("status", &[Fault::Refused(422, None)]);
    let agent = rig.start().await;
    let snapshot = agent.until_installed(&[id(1)]).await;
    assert_eq!(snapshot.refused_reports, 1);
    assert!(snapshot.last_refused_report.unwrap().contains("422"));
    assert_eq!(rig.wfm.states(id(1)).last().unwrap(), "installed");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_not_admitted_keeps_its_reports() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    rig.wfm.fail("status", &[Fault::Refused(403, None); 5]);
    let agent = rig.start().await;
    let snapshot = agent.until_installed(&[id(1)]).await;
    assert_eq!(snapshot.refused_reports, 0);
    assert_eq!(rig.wfm.states(id(1)).last().unwrap(), "installed");
}

#[tokio::test(start_paused = true)]
async fn every_report_obeys_the_specification() {
    let rig = Rig::new();
    rig.machine
        .faults
        .lock()
        .unwrap()
        .insert("app-1".to_owned(), vec![Trouble::Workload; 2]);
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let agent = rig.start().await;
    agent.until_installed(&[id(1)]).await;
    rig.wfm.publish(2, &[deployment(1, "2.0")]);
    agent
        .until("updated", |it| {
            it.outbox == 0 && rig.machine.runs(id(1)).as_deref() == Some("2.0")
        })
        .await;
    agent.until_installed(&[id(1)]).await;
    rig.wfm.publish(3, &[]);
    agent
        .until("removed", |it| it.deployments.is_empty() && it.outbox == 0)
        .await;

    let script = rig.wfm.script();
    for status in &script.statuses {
        let report = validate(status, SpecVersion::Rc3);
        assert!(report.is_valid(), "{report:?}");
        let report = validate_status_against(status, &deployment(1, "1.0"), SpecVersion::Rc3);
        assert!(report.is_valid(), "{report:?}");
    }
    let failed = script
        .statuses
        .iter()
        .find(|it| it.status.state == DeploymentState::Failed);
    let failed = failed.unwrap();
    assert_eq!(failed.status.error.as_ref().unwrap().source, "app-1");
    assert_eq!(failed.components[0].error.as_ref().unwrap().source, "web");
    let adopted: Vec<u64> = script
        .statuses
        .iter()
        .map(|it| it.adopted_manifest_version.unwrap().get())
        .collect();
    assert!(adopted.is_sorted() && adopted.contains(&1), "{adopted:?}");
    let removed = script.statuses.last().unwrap();
    assert_eq!(removed.status.state, DeploymentState::Removed);
    assert_eq!(
        adopted.last(),
        Some(&2),
        "the manifest that removes it never carried it"
    );
}

/// A clock that somebody sets, over that of the rig.
#[derive(Debug)]
struct SetClock {
    inner: std::sync::Arc<super::rig::TestClock>,
    ahead: std::sync::atomic::AtomicI64,
}

impl margo_client::agent::Clock for SetClock {
    fn now(&self) -> jiff::Timestamp {
        let ahead = self.ahead.load(std::sync::atomic::Ordering::SeqCst);
        self.inner.now() + jiff::SignedDuration::from_secs(ahead)
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_by_years_silences_nobody() {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0.0")]);
    rig.wfm.fail("status", &[Fault::Unreachable]);
    let clock = Arc::new(SetClock {
        inner: Arc::clone(&rig.clock),
        ahead: 10_i64.pow(9).into(),
    });
    let agent = super::rig::Running::start(rig.agent().clock(clock.clone())).await;
    agent
        .until("waiting to report", |it| {
            it.manifest.is_some() && it.outbox > 0
        })
        .await;
    clock.ahead.store(0, Ordering::SeqCst);
    // The rig waits for a day at most.
    agent.until_installed(&[id(1)]).await;
    rig.wfm.publish(2, &[]);
    agent
        .until("removed", |it| it.deployments.is_empty() && it.outbox == 0)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_report_that_was_refused_for_a_while_needs_no_other_to_come_again() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0.0")]);
    rig.wfm.fail("status", &[Fault::Refused(500, None); 12]);
    let agent = rig.start().await;
    // Once it is installed nothing happens any more but the attempts at its report.
    agent.until_installed(&[id(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_wait_is_over_at_once_comes_again() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0.0")]);
    // More failures than there are reports, each of which would remind of those before.
    rig.wfm.fail("status", &[Fault::Unreachable; 40]);
    let mut policy = RetryPolicy::default();
    policy.first_wait = Duration::ZERO;
    policy.longest_wait = Duration::ZERO;
    let agent = super::rig::Running::start(rig.agent().retry(policy)).await;
    agent.until_installed(&[id(1)]).await;
}
