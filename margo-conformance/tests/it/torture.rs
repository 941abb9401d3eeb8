//! The torture runner: it passes what is sound, and cannot pass what is not.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use margo_conformance::authority::{Authority, Lifetime};
use margo_conformance::torture::{Options, Outcome, Sabotage, kill_points, torture};
use margo_types::SpecVersion;
use margo_types::id::{SpiffeId, TrustDomain};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

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
    let outcome = torture(&short(7)).expect("a verdict");
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
    let outcome = kill_points(&options, 30).expect("a verdict");
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
    let outcome = torture(&broken(Sabotage::AppliesUnverified)).expect("a verdict");
    assert_noticed(&outcome, "never published for it");
}

#[test]
fn workloads_that_stay_are_noticed() {
    let outcome = kill_points(&broken(Sabotage::KeepsRemoved), 60).expect("a verdict");
    assert_noticed(&outcome, "it runs");
}

#[test]
fn a_store_that_forgets_is_noticed() {
    let outcome = kill_points(&broken(Sabotage::ForgetsCommits), 30).expect("a verdict");
    assert_noticed(&outcome, "lost what it had written");
}

#[test]
fn reports_that_the_agent_loses_are_noticed() {
    let outcome = torture(&broken(Sabotage::AgentDropsReports)).expect("a verdict");
    assert_noticed(&outcome, "report");
}

#[test]
fn reports_that_the_fleet_manager_loses_are_noticed() {
    let outcome = torture(&broken(Sabotage::ManagerDropsReports)).expect("a verdict");
    assert_noticed(&outcome, "report");
}

#[test]
fn processes_survive_sigkill() {
    let output = run(&["--sigkill", "8", "--devices", "5", "--seed", "3"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("8 kills of agents by SIGKILL"), "{text}");
    assert!(text.contains("quiet points"), "{text}");
}

/// A device may accept the first manifest as soon as the fleet manager listens. If that were not told until there is a second
/// one, it would seem to have accepted what was never published.
#[test]
fn players_tell_every_manifest_before_a_device_can_accept_it() {
    let folder = TempDir::new().expect("a folder");
    provision_manager(folder.path());
    let mut manager = program()
        .args(["--play", "manager"])
        .arg(folder.path())
        .args(["1", "5"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a fleet manager");
    let output = manager.stdout.take().expect("its output");
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    let before: Vec<String> = lines.take_while(|it| !it.starts_with("address")).collect();
    manager.kill().expect("it is alive");
    manager.wait().expect("it is dead");
    for number in 0..5 {
        let head = format!("head device-{number} 1 ");
        let is_told = before.iter().any(|line| line.starts_with(&head));
        assert!(is_told, "{number}: {before:?}");
    }
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
    let given = ["--minutes", "0.01", "--memory=1", "--devices", "2"];
    let output = run(&given);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("bytes of memory, more than"), "{text}");
    let (_, command) = text.rsplit_once("repeat with: ").expect("how to repeat it");
    assert!(command.contains(&given.join(" ")), "{command}");

    let again = Command::new("sh").args(["-c", command]).output();
    let again = again.expect("a shell");
    let repeated = String::from_utf8_lossy(&again.stdout);
    assert_eq!(again.status.code(), Some(1), "{repeated}");
    assert_eq!(repeated.lines().next(), text.lines().next(), "the seed");
    assert!(repeated.ends_with(command), "{repeated}");
}

#[test]
fn runs_of_nothing_are_refused() {
    for nothing in [["--minutes", "0"], ["--kills", "0"], ["--sigkill", "0"]] {
        let output = run(&nothing);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{nothing:?}: {said}");
        assert!(said.contains(nothing[0]), "{said}");
        assert!(output.stdout.is_empty(), "{nothing:?}");
    }
}

#[test]
fn a_missing_folder_for_temporary_files_is_no_violation() {
    for mode in [["--kills", "2"], ["--sigkill", "2"]] {
        let missing = Path::new("/proc/there-is-none");
        let mut command = program();
        let output = command.args(mode).env("TMPDIR", missing).output();
        assert_no_verdict(&output.expect("the runner runs"), "set TMPDIR");
    }
}

#[test]
fn too_few_open_files_are_told_before() {
    for mode in ["--kills 2", "--sigkill 2"] {
        let output = limited("ulimit -n 200", &format!("{mode} --devices 200"));
        assert_no_verdict(&output, "files have to be open at a time, and 200 may be");
    }
}

#[test]
fn open_files_are_raised_as_far_as_they_may() {
    let output = limited("ulimit -S -n 24", "--kills 4 --devices 2 --seed 5");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn a_standard_output_that_cannot_be_written_is_told() {
    let output = limited("true", "--kills 2 --devices 2 >/dev/full");
    assert_no_verdict(&output, "standard output cannot be written");

    let mut command = program();
    command.args(["--kills", "2", "--devices", "2"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut runner = command.spawn().expect("the runner runs");
    drop(runner.stdout.take());
    let output = runner.wait_with_output().expect("its errors");
    assert_no_verdict(&output, "standard output cannot be written");
}

#[test]
fn an_interrupted_run_tells_its_counts_and_leaves_nothing() {
    let (interrupt, terminate) = ((Signal::INT, 130), (Signal::TERM, 143));
    for (mode, mark, (signal, status), counted) in [
        (["--minutes", "60"], "Change(", interrupt, " actions\n"),
        (
            ["--kills", "10000"],
            "killed the agent",
            terminate,
            " kills of agents\n",
        ),
        (
            ["--sigkill", "10000"],
            "Published(",
            terminate,
            " changes of desired states\n",
        ),
    ] {
        let folder = TempDir::new().expect("a folder");
        let mut command = program();
        command.args(mode).env("TMPDIR", folder.path());
        command.args(["--devices", "2", "--seed", "41", "--verbose"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut runner = command.spawn().expect("the runner runs");
        let begun = interrupt_at(mark, signal, &mut runner);
        let output = runner.wait_with_output().expect("its output");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{text} {begun}");
        assert!(text.contains(counted), "{text}");
        let end = text.lines().last().expect("an end");
        assert!(end.starts_with("interrupted after"), "{end}");
        assert!(end.ends_with("seed 41"), "{end}");
        let left = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 0, "{mode:?}");
    }
}

/// Sends the signal when standard error has this; gives all of that.
fn interrupt_at(mark: &str, signal: Signal, runner: &mut Child) -> String {
    let mut errors = BufReader::new(runner.stderr.take().expect("its errors"));
    let mut said = String::new();
    while !said.contains(mark) {
        let read = errors.read_line(&mut said).expect("text");
        assert!(read > 0, "it ended: {said}");
    }
    let id = i32::try_from(runner.id()).ok().and_then(Pid::from_raw);
    kill_process(id.expect("an id"), signal).expect("it is alive");
    errors.read_to_string(&mut said).expect("text");
    said
}

fn assert_no_verdict(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(why), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("VIOLATION"), "{text}");
}

/// What is made of these arguments by a shell that limits itself before.
fn limited(limit: &str, arguments: &str) -> Output {
    let script = format!("{limit} && exec '{PROGRAM}' {arguments}");
    let output = Command::new("sh").args(["-c", &script]).output();
    output.expect("a shell")
}

/// Writes the files of the fleet manager's identity.
fn provision_manager(folder: &Path) {
    let domain = TrustDomain::parse("plant.example").expect("a domain");
    let authority = Authority::new(&domain);
    let id = SpiffeId::wfm(&domain, "wfm-1").expect("an id");
    let svid = authority.issue(&id, Lifetime::default());
    let bundle = margo_types::write(&authority.bundle(), SpecVersion::NEWEST).expect("a bundle");
    for (name, content) in [
        ("svid.pem", svid.chain_pem.into_bytes()),
        ("key.pem", svid.key_pem.as_bytes().to_vec()),
        ("bundle.json", bundle),
    ] {
        let path = folder.join(name);
        fs::write(&path, content).expect("a file");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path, private).expect("a private file");
    }
}

fn run(arguments: &[&str]) -> Output {
    let output = program().args(arguments).output();
    output.expect("the runner runs")
}

fn program() -> Command {
    Command::new(PROGRAM)
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_torture");
