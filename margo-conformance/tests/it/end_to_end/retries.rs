//! Promise 7: a device waits as it is told to, and is quiet when it should be.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use margo_client::agent::{Clock as _, Contact};
use margo_client::retry::RetryPolicy;
use margo_client::schedule::{Schedule, ScheduleConfig, Window};
use margo_conformance::wfm::{Answer, FakeWfm};
use margo_types::endpoint::Operation;
use margo_types::problem::{BackoffStrategy, Problem};

use super::files::{Plant, eventually};
use super::promises::Log;
use super::station::{component, deployment, every, id, quick_retries};

#[tokio::test]
async fn promise_7_retry_after_is_obeyed_whoever_is_impatient() {
    let (log, _guard) = Log::of_this_thread();
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    wfm.fail_next(
        Operation::Manifest,
        1,
        Answer::problem(503).retry_after(3600),
    );
    let before = station.clock.now();
    let agent = station.start(&wfm.url()).await;
    let asked_to_wait = |it: &margo_client::agent::Snapshot| {
        let next = it.next_poll;
        it.contact == Contact::Failing && next.is_some_and(|it| it >= before + HOUR)
    };
    agent.until("told to wait", asked_to_wait).await;
    agent.handle.poll_now();
    eventually("is it said", || async {
        log.has("not polling now").then_some(())
    })
    .await;
    assert_eq!(wfm.requests_for(Operation::Manifest).len(), 1);
}

#[tokio::test]
async fn promise_7_the_strategy_of_a_problem_decides_how_long_to_wait() {
    // One of the two would wait for weeks; the hour until the next regular poll is as good as never.
    let weeks = 1000 * HOUR;
    let (mut exponential, mut fixed) = (quick_retries(), quick_retries());
    exponential.fixed_wait = weeks;
    (fixed.first_wait, fixed.longest_wait) = (weeks, weeks);
    for (policy, strategy) in [
        (exponential, BackoffStrategy::Exponential),
        (fixed, BackoffStrategy::Fixed),
    ] {
        let mut problem = Problem::about_blank(503);
        problem.retryable = Some(true);
        problem.backoff_strategy = Some(strategy.clone());
        let polls = polls_after(&problem, policy, false).await;
        assert_eq!(polls, 4, "{strategy:?}: three failures and a success");
    }
}

#[tokio::test]
async fn promise_7_what_is_not_retryable_waits_for_its_regular_time() {
    let mut problem = Problem::about_blank(503);
    problem.retryable = Some(false);
    assert_eq!(polls_after(&problem, quick_retries(), true).await, 1);
}

/// How often is polled when three polls fail like this and the next regular one is an hour away.
async fn polls_after(problem: &Problem, policy: RetryPolicy, is_final: bool) -> usize {
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    wfm.assign(&deployment(1, "1.0"));
    wfm.fail_next(Operation::Manifest, 3, Answer::of_problem(problem));
    let before = station.clock.now();
    let agent = station
        .start_with(&wfm.url(), |it| it.retry(policy).schedule(every(HOUR)))
        .await;
    if is_final {
        // With chance in it, the next regular poll is not before 48 minutes are over.
        let waits = |it: &margo_client::agent::Snapshot| {
            it.consecutive_failures == 1 && it.next_poll.is_some_and(|it| it > before + HOUR / 2)
        };
        agent.until("waiting", waits).await;
    } else {
        agent.until_installed(&[1]).await;
    }
    wfm.requests_for(Operation::Manifest).len()
}

#[tokio::test]
async fn promise_7_there_is_no_traffic_in_a_downtime_and_errors_do_not_count() {
    let (log, _guard) = Log::of_this_thread();
    let plant = Plant::new();
    let wfm = plant.fake_wfm().await;
    let station = plant.station("line-1");
    wfm.assign(&deployment(1, "1.0"));
    let begin = station.clock.now() + 10 * HOUR;
    let agent = station
        .start_with(&wfm.url(), |it| it.schedule(quiet(begin, begin + 2 * HOUR)))
        .await;
    agent.until_installed(&[1]).await;

    station.clock.put_forward(11 * HOUR);
    agent
        .until("quiet", |it| it.contact == Contact::Downtime)
        .await;
    let asked = all_requests(&wfm);
    let engine = &station.machine.engine;
    engine
        .break_component(id(1), &component(), "fell over")
        .unwrap();
    agent.handle.poll_now();
    let kept = agent.until("kept for later", |it| it.outbox >= 2).await;
    eventually("is it said", || async {
        log.has("not polling now").then_some(())
    })
    .await;
    assert_eq!(kept.consecutive_failures, 0);
    assert_eq!(all_requests(&wfm), asked);

    station.clock.put_forward(2 * HOUR);
    agent.handle.poll_now();
    wfm.assign(&deployment(1, "2.0"));
    agent
        .until("updated", |_| {
            station.machine.runs(1).as_deref() == Some("2.0")
        })
        .await;
    agent.until_installed(&[1]).await;
}

fn all_requests(wfm: &FakeWfm) -> usize {
    wfm.requests().len()
}

/// Polls quickly, but not in this downtime.
fn quiet(from: Timestamp, to: Timestamp) -> Schedule {
    let local = |time: Timestamp| {
        time.to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%dT%H:%M")
            .to_string()
    };
    let mut config = ScheduleConfig::default();
    config.period = Duration::from_millis(100);
    config.time_zone = Some("UTC".to_owned());
    config.downtime = vec![Window::once(&local(from), &local(to)).unwrap()];
    Schedule::new(&config).unwrap()
}

const HOUR: Duration = Duration::from_hours(1);
