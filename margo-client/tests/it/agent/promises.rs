//! The promises of a device: each test fails when its promise is broken.

use std::sync::Arc;
use std::time::Duration;

use margo_client::agent::{Contact, Options};
use margo_client::reconcile::Action;
use margo_client::schedule::{Schedule, ScheduleConfig, Window};
use margo_client::state::StateStore;
use margo_providers::Trouble;
use margo_types::application::{
    DeviceConstraints, EligibilityRule, MatchExpression, Operator, Selector,
};
use margo_types::deployment::ApplicationDeployment;
use margo_types::manifest::ManifestVersion;
use margo_types::status::DeploymentState;
use tokio::time::Instant;

use super::rig::{Fault, PowerCut, Rig, Running, deployment, id};

#[tokio::test(start_paused = true)]
async fn promise_1_a_reboot_without_network_brings_everything_back_first() {
    let rig = Rig::new();
    rig.wfm
        .publish(1, &[deployment(1, "1.0"), deployment(2, "1.0")]);
    let agent = rig.start().await;
    agent.until_installed(&[id(1), id(2)]).await;
    agent.kill().await;

    // The machine lost its containers, and there is no network.
    rig.machine.running.lock().unwrap().clear();
    rig.wfm.script().offline = true;
    let before = rig.log.all().len();
    let agent = rig.start().await;
    agent
        .until("failing to poll", |it| it.contact == Contact::Failing)
        .await;
    assert_eq!(rig.machine.runs(id(1)).as_deref(), Some("1.0"));
    let log = rig.log.all().split_off(before);
    let first_call = log.iter().position(|it| it.starts_with("api")).unwrap();
    let last_apply = log.iter().rposition(|it| it.starts_with("apply")).unwrap();
    assert!(last_apply < first_call, "{log:#?}");
}

#[tokio::test(start_paused = true)]
async fn promise_2_a_failed_fetch_is_never_hidden_by_a_304() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    for way in ["deployment", "bundle"] {
        rig.wfm.fail(way, &[Fault::Unreachable, Fault::Unreachable]);
    }
    let agent = rig.start().await;
    agent.until_installed(&[id(1)]).await;
    let tags = rig.wfm.script().tags.clone();
    assert!(
        tags.len() >= 3 && tags[..3].iter().all(Option::is_none),
        "{tags:?}"
    );
    agent
        .until("polled again", |_| rig.wfm.script().tags.len() > 3)
        .await;
    let script = rig.wfm.script();
    assert_eq!(script.tags.last().unwrap(), &script.tag);
}

#[tokio::test(start_paused = true)]
async fn promise_2_a_document_that_is_discarded_while_a_manifest_comes_is_stored_again() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let agent = rig.start().await;
    agent.until_installed(&[id(1)]).await;

    // Its removal ends, and its document goes, between the question and the answer that wants it back.
    *rig.machine.removal_takes.lock().unwrap() = Duration::from_mins(1);
    rig.wfm.publish(2, &[]);
    agent.handle.poll_now();
    agent
        .until("removing", |_| rig.log.count("remove app-1") == 1)
        .await;
    rig.wfm.publish(3, &[deployment(1, "1.0")]);
    rig.wfm.script().manifest_takes = Duration::from_mins(2);
    agent.handle.poll_now();
    agent.until_installed(&[]).await;
    rig.wfm.script().manifest_takes = Duration::ZERO;
    agent.until_installed(&[id(1)]).await;
    rig.state.load().await.unwrap().check().unwrap();
    agent.kill().await;
    let agent = rig.start().await;
    agent.until_installed(&[id(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn promise_3_wrong_bytes_and_older_versions_change_nothing() {
    let rig = Rig::new();
    rig.wfm
        .publish(5, &[deployment(1, "1.0"), deployment(2, "1.0")]);
    let agent = rig.start().await;
    agent.until_installed(&[id(1), id(2)]).await;

    // One of two documents has other bytes: neither is taken.
    rig.wfm.fail("deployment", &[Fault::WrongBytes]);
    rig.wfm.fail("bundle", &[Fault::WrongBytes]);
    rig.wfm
        .publish(6, &[deployment(1, "2.0"), deployment(2, "2.0")]);
    let snapshot = agent.until("refused", |it| it.security_events == 1).await;
    assert_eq!(snapshot.manifest, ManifestVersion::new(5));
    assert_eq!(rig.machine.runs(id(1)).as_deref(), Some("1.0"));
    assert_eq!(rig.machine.runs(id(2)).as_deref(), Some("1.0"));

    // It is taken as soon as it is whole.
    let snapshot = agent.until_installed_with(&rig, "2.0").await;
    assert_eq!(snapshot.manifest, ManifestVersion::new(6));

    for (version, content) in [(5, "1.0"), (6, "3.0")] {
        let events = agent.handle.snapshot().security_events;
        rig.wfm
            .publish(version, &[deployment(1, content), deployment(2, content)]);
        let snapshot = agent
            .until("refused", |it| it.security_events > events)
            .await;
        assert!(snapshot.last_security_event.unwrap().contains("refused"));
        assert_eq!(rig.machine.runs(id(1)).as_deref(), Some("2.0"));
    }
}

#[tokio::test(start_paused = true)]
async fn promise_3_content_that_is_not_found_is_no_deletion() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let agent = rig.start().await;
    agent.until_installed(&[id(1)]).await;
    rig.wfm.fail("deployment", &[Fault::NotFound]);
    rig.wfm.fail("bundle", &[Fault::NotFound]);
    rig.wfm.publish(2, &[deployment(1, "2.0")]);
    agent
        .until("failed", |it| it.consecutive_failures > 0)
        .await;
    assert_eq!(rig.machine.runs(id(1)).as_deref(), Some("1.0"));
    agent.until_installed_with(&rig, "2.0").await;
    assert_eq!(rig.log.count("remove"), 0);
}

#[tokio::test(start_paused = true)]
async fn promise_4_failing_and_stuck_deployments_hold_nobody_up() {
    let rig = Rig::new();
    for number in 1..=5 {
        rig.machine
            .stuck
            .lock()
            .unwrap()
            .insert(format!("app-{number} 1.0"));
    }
    rig.machine
        .faults
        .lock()
        .unwrap()
        .insert("app-6".to_owned(), vec![Trouble::Workload; 1000]);
    let mut all: Vec<_> = (1..=8).map(|number| deployment(number, "1.0")).collect();
    rig.wfm.publish(1, &all);
    let agent = rig.start().await;
    agent
        .until("the others run", |_| {
            rig.machine.runs(id(7)).is_some() && rig.machine.runs(id(8)).is_some()
        })
        .await;
    agent
        .until("the reason is there", |it| {
            it.deployments.get(&id(6)).is_some_and(|it| {
                it.state == DeploymentState::Failed
                    && it
                        .last_error
                        .as_ref()
                        .is_some_and(|it| it.message.contains("as told"))
            })
        })
        .await;

    // A newer revision supersedes the one that is stuck.
    all[0] = deployment(1, "2.0");
    rig.wfm.publish(2, &all);
    agent
        .until("superseded", |_| {
            rig.machine.runs(id(1)).as_deref() == Some("2.0")
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn promise_5_days_without_network_lose_no_status() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    rig.wfm.fail("status", &[Fault::Unreachable; 2]);
    let agent = rig.start().await;
    agent
        .until("installed", |_| rig.machine.runs(id(1)).is_some())
        .await;
    rig.wfm.script().offline = true;
    agent
        .until("installed", |it| {
            it.deployments
                .get(&id(1))
                .is_some_and(|it| it.state == DeploymentState::Installed)
        })
        .await;
    rig.machine.crashing.lock().unwrap().insert(id(1));
    agent
        .until("given up", |it| {
            it.deployments
                .get(&id(1))
                .is_some_and(|it| it.state == DeploymentState::Failed)
        })
        .await;
    tokio::time::sleep(Duration::from_hours(24 * 4)).await;
    agent.kill().await;

    let kept = rig.state.load().await.unwrap().outbox;
    let times: Vec<_> = kept.values().map(|it| it.at).collect();
    assert!(times.is_sorted() && times.len() >= 2, "{times:?}");
    let outcomes = |states: Vec<String>| {
        let is_outcome = |it: &String| it == "installed" || it == "failed";
        states.into_iter().filter(is_outcome).collect::<Vec<_>>()
    };
    let kept = kept.values().map(|it| it.status.status.state.to_string());
    let kept = outcomes(kept.collect());
    let before = outcomes(rig.wfm.states(id(1))).len();

    rig.wfm.script().offline = false;
    let agent = rig.start().await;
    agent
        .until("delivered", |it| {
            it.outbox == 0 && it.contact == Contact::Online
        })
        .await;
    let delivered = outcomes(rig.wfm.states(id(1))).split_off(before);
    assert!(
        delivered.starts_with(&kept),
        "{delivered:?} instead of {kept:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn promise_6_power_may_fail_at_any_write() {
    let mut survived = 0;
    for commits in 0.. {
        let rig = Rig::new();
        rig.wfm
            .publish(1, &[deployment(1, "1.0"), deployment(2, "1.0")]);
        let store = PowerCut::after(commits, Arc::clone(&rig.state));
        let agent = rig.agent_on(store.clone());
        let running = Running::start(agent).await;
        let work = async {
            running.until_installed(&[id(1), id(2)]).await;
            rig.wfm
                .publish(2, &[deployment(2, "2.0"), deployment(3, "1.0")]);
            running.until_installed(&[id(2), id(3)]).await;
        };
        let finished = tokio::select! {
            () = store.cut.notified() => false,
            () = work => true,
        };
        running.kill().await;
        let before = rig.state.load().await.unwrap();
        before.check().unwrap();

        // The power is back.
        let running = rig.start().await;
        rig.wfm
            .publish(3, &[deployment(2, "3.0"), deployment(3, "1.0")]);
        let third = ManifestVersion::new(3);
        running.until("accepted", |it| it.manifest == third).await;
        running.until_installed(&[id(2), id(3)]).await;
        assert_eq!(rig.machine.runs(id(1)), None, "cut after {commits}");
        assert_eq!(
            rig.machine.runs(id(2)).as_deref(),
            Some("3.0"),
            "cut after {commits}"
        );
        assert_eq!(
            rig.machine.runs(id(3)).as_deref(),
            Some("1.0"),
            "cut after {commits}"
        );
        for (number, state) in [(2, "installed"), (3, "installed")] {
            assert_eq!(
                rig.wfm.states(id(number)).last().unwrap(),
                state,
                "cut after {commits}"
            );
        }
        if let Some(last) = rig.wfm.states(id(1)).last() {
            assert_eq!(last, "removed", "cut after {commits}");
        }
        if finished {
            break;
        }
        survived += 1;
    }
    assert!(survived > 15, "only {survived} points were cut at");
}

#[tokio::test(start_paused = true)]
async fn promise_7_retry_after_is_obeyed_also_by_operators() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    rig.wfm.fail("manifest", &[Fault::Refused(503, Some(7200))]);
    let agent = rig.start().await;
    let begun = Instant::now();
    agent
        .until("refused", |it| it.consecutive_failures == 1)
        .await;
    agent.handle.poll_now();
    agent.until_installed(&[id(1)]).await;
    assert!(
        begun.elapsed() >= Duration::from_hours(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(rig.log.count("api manifest"), 2);
}

#[tokio::test(start_paused = true)]
async fn promise_7_there_is_no_traffic_in_a_downtime() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let mut config = ScheduleConfig::default();
    config.time_zone = Some("UTC".to_owned());
    config.downtime = vec![Window::daily("11:00-18:00").unwrap()];
    let agent = rig.agent().schedule(Schedule::new(&config).unwrap());
    let agent = Running::start(agent).await;
    agent
        .until("in a downtime", |it| it.contact == Contact::Downtime)
        .await;
    agent.handle.poll_now();
    tokio::time::sleep(Duration::from_hours(5)).await;
    assert_eq!(rig.log.count("api"), 0, "{:?}", rig.log.all());
    assert_eq!(agent.handle.snapshot().consecutive_failures, 0);
    agent.until_installed(&[id(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn promise_8_a_flapping_workload_does_not_fill_the_disk() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let mut options = Options::default();
    options.repairs = 100_000;
    let agent = Running::start(rig.agent().options(options)).await;
    agent.until_installed(&[id(1)]).await;
    rig.wfm.script().offline = true;
    rig.machine.crashing.lock().unwrap().insert(id(1));
    tokio::time::sleep(Duration::from_hours(24)).await;
    let waiting = rig.state.load().await.unwrap().outbox.len();
    assert!(
        (2..=margo_client::outbox::MOST_OUTCOMES + 1).contains(&waiting),
        "{waiting}"
    );
}

#[tokio::test(start_paused = true)]
async fn promise_9_what_the_device_is_not_eligible_for_is_never_applied() {
    let rig = Rig::new();
    rig.wfm.publish(
        1,
        &[
            only_for(deployment(1, "1.0"), "Other"),
            deployment(2, "1.0"),
        ],
    );
    let agent = rig.start().await;
    agent
        .until("the rest runs, and the refusal is reported", |it| {
            rig.machine.runs(id(2)).is_some()
                && it.outbox == 0
                && rig.wfm.states(id(1)) == ["failed"]
        })
        .await;
    assert_eq!(rig.log.count("apply app-1"), 0);
    let script = rig.wfm.script();
    let status = script
        .statuses
        .iter()
        .find(|it| it.deployment_id == id(1))
        .unwrap();
    let error = status.status.error.as_ref().unwrap();
    assert_eq!(
        (error.code.as_str(), error.source.as_str()),
        ("INELIGIBLE", "app-1")
    );
    assert!(error.message.contains("/vendor"), "{}", error.message);
    assert_eq!(status.adopted_manifest_version, ManifestVersion::new(1));
}

#[tokio::test(start_paused = true)]
async fn promise_10_a_veto_postpones_and_says_why() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let busy = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&busy);
    let veto = move |_: &ApplicationDeployment, action: Action| {
        let busy = asked.load(std::sync::atomic::Ordering::SeqCst);
        busy.then(|| format!("the press is closed, no {action:?} now"))
    };
    let agent = Running::start(rig.agent().veto(Arc::new(veto))).await;
    let snapshot = agent
        .until("postponed", |it| {
            it.deployments
                .get(&id(1))
                .is_some_and(|it| it.postponed.is_some())
                && it.outbox == 0
        })
        .await;
    let view = &snapshot.deployments[&id(1)];
    assert_eq!(
        view.postponed.as_deref(),
        Some("the press is closed, no Install now")
    );
    assert_eq!(rig.wfm.states(id(1)), ["pending"]);
    tokio::time::sleep(Duration::from_hours(8)).await;
    assert_eq!(rig.log.count("apply"), 0);
    busy.store(false, std::sync::atomic::Ordering::SeqCst);
    agent.until_installed(&[id(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired_but_not_for_ever() {
    let rig = Rig::new();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    let agent = rig.start().await;
    agent.until_installed(&[id(1)]).await;
    rig.machine.running.lock().unwrap().clear();
    agent
        .until("repaired", |_| rig.machine.runs(id(1)).is_some())
        .await;
    rig.machine.crashing.lock().unwrap().insert(id(1));
    tokio::time::sleep(Duration::from_hours(24 * 7)).await;
    assert_eq!(
        rig.log.count("apply"),
        1 + 3,
        "one installation and three repairs"
    );
    assert_eq!(rig.wfm.states(id(1)).last().unwrap(), "failed");
    assert!(!rig.wfm.states(id(1)).contains(&"removed".to_owned()));
    rig.machine.crashing.lock().unwrap().clear();
    rig.wfm.publish(2, &[deployment(1, "2.0")]);
    agent.until_installed_with(&rig, "2.0").await;
}

#[tokio::test(start_paused = true)]
async fn permanent_errors_wait_for_another_revision_and_transient_ones_pass() {
    let rig = Rig::new();
    rig.machine.faults.lock().unwrap().extend([
        ("app-1".to_owned(), vec![Trouble::Deployment]),
        ("app-2".to_owned(), vec![Trouble::Registry; 3]),
    ]);
    rig.wfm
        .publish(1, &[deployment(1, "1.0"), deployment(2, "1.0")]);
    let agent = rig.start().await;
    agent
        .until("the second runs", |_| rig.machine.runs(id(2)).is_some())
        .await;
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert_eq!(rig.log.count("apply app-1"), 1);
    assert_eq!(rig.log.count("apply app-2"), 4);
    assert_eq!(rig.wfm.states(id(2)).last().unwrap(), "installed");
    rig.wfm
        .publish(2, &[deployment(1, "1.1"), deployment(2, "1.0")]);
    agent.until_installed(&[id(1), id(2)]).await;
}

/// The same deployment, for devices of this vendor only.
pub(super) fn only_for(
    mut deployment: ApplicationDeployment,
    vendor: &str,
) -> ApplicationDeployment {
    let expression = MatchExpression::new("/vendor", Operator::In).with_values([vendor]);
    let mut rule = EligibilityRule::default();
    rule.property_selector = Some(Selector::new(vec![expression]));
    let mut constraints = DeviceConstraints::default();
    constraints.eligibility_rules = Some(vec![rule]);
    deployment.spec.deployment_profile.device_constraints = Some(constraints);
    deployment
}

impl Running {
    async fn until_installed_with(
        &self,
        rig: &Rig,
        revision: &str,
    ) -> margo_client::agent::Snapshot {
        self.until("installed", |snapshot| {
            snapshot.outbox == 0
                && snapshot.deployments.iter().all(|(id, view)| {
                    view.state == DeploymentState::Installed
                        && rig.machine.runs(*id).as_deref() == Some(revision)
                })
        })
        .await
    }
}

impl Rig {
    fn agent_on(&self, state: Arc<dyn StateStore>) -> margo_client::agent::AgentBuilder {
        margo_client::Agent::builder(self.wfm.clone(), state)
            .clock(self.clock.clone())
            .device(
                super::rig::host("edge"),
                [self.machine.clone() as Arc<dyn margo_providers::Provider>],
            )
    }
}
