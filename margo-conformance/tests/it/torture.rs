//! The torture runner: it passes what is sound, and cannot pass what is not.

use std::process::{Command, Output};
use std::time::Duration;

use margo_conformance::torture::{Options, Outcome, Sabotage, kill_points, torture};

fn short(seed: u64) -> Options {
    let mut options = Options::new(seed);
    options.devices = 3;
    options.duration = Duration::ZERO;
    options.actions = 60;
    options
}

fn broken(sabotage: Sabotage) -> Options {
    let mut options = short(1);
    options.patience = Duration::from_secs(20);
    options.sabotage = Some(sabotage);
    options
}

fn assert_noticed(outcome: &Outcome, what: &str) {
    let noticed = outcome.violations.iter().any(|it| it.contains(what));
    assert!(noticed, "{:#?} {:#?}", outcome.violations, outcome.trace);
    assert!(!outcome.is_good());
    let in_trace = outcome.trace.iter().any(|line| line.contains("VIOLATION"));
    assert!(in_trace, "the trace leads to the violation");
}

#[test]
fn a_sound_fleet_survives() {
    let outcome = torture(&short(7));
    assert!(
        outcome.is_good(),
        "{:#?} {:#?}",
        outcome.violations,
        outcome.trace
    );
    assert_eq!(outcome.counts.of("actions"), 60, "{}", outcome.counts);
    assert!(outcome.counts.of("quiet points, everything as desired") > 0);
}

#[test]
fn a_sound_fleet_survives_kills_at_every_step() {
    let options = short(7);
    let outcome = kill_points(&options, 30);
    assert!(
        outcome.is_good(),
        "{:#?} {:#?}",
        outcome.violations,
        outcome.trace
    );
    assert!(outcome.counts.of("kills of agents") >= 30);
    assert!(outcome.counts.of("kills of fleet managers") >= 30);
    let (progress, count) = (&options.progress, |what| outcome.counts.of(what));
    assert_eq!(progress.agents_killed(), count("kills of agents"));
    assert_eq!(progress.managers_killed(), count("kills of fleet managers"));
    assert_eq!(progress.steps(), count("changes of desired states"));
}

#[test]
fn what_was_never_published_is_noticed_when_it_is_applied() {
    let outcome = torture(&broken(Sabotage::AppliesUnverified));
    assert_noticed(&outcome, "never published for it");
}

#[test]
fn workloads_that_stay_are_noticed() {
    let outcome = kill_points(&broken(Sabotage::KeepsRemoved), 60);
    assert_noticed(&outcome, "it runs");
}

#[test]
fn a_store_that_forgets_is_noticed() {
    let outcome = kill_points(&broken(Sabotage::ForgetsCommits), 30);
    assert_noticed(&outcome, "lost what it had written");
}

#[test]
fn reports_that_the_agent_loses_are_noticed() {
    let outcome = torture(&broken(Sabotage::AgentDropsReports));
    assert_noticed(&outcome, "report");
}

#[test]
fn reports_that_the_fleet_manager_loses_are_noticed() {
    let outcome = torture(&broken(Sabotage::ManagerDropsReports));
    assert_noticed(&outcome, "report");
}

#[test]
fn processes_survive_sigkill() {
    let output = run(&["--sigkill", "5", "--devices", "2", "--seed", "3"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("5 kills of agents by SIGKILL"), "{text}");
    assert!(text.contains("quiet points"), "{text}");
}

#[test]
fn a_run_shows_how_it_goes() {
    let output = run(&["--kills", "4", "--devices", "2", "--seed", "5"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("0 of 4 agents killed"), "{text}");
    // No test takes so long that there are more.
    assert!(lines.len() < 100, "{text}");
    assert!(lines.iter().all(|line| line.ends_with("seed 5")), "{text}");
}

#[test]
fn a_failure_ends_with_status_1_and_says_how_to_repeat_it() {
    let output = run(&[
        "--minutes",
        "0.01",
        "--memory",
        "1",
        "--devices",
        "2",
        "--seed",
        "99",
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("bytes of memory, more than"), "{text}");
    assert!(text.contains("repeat with --seed 99"), "{text}");
}

fn run(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_torture");
    let output = Command::new(program).args(arguments).output();
    output.expect("the runner runs")
}
