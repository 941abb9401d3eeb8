//! The program on a real container engine, and with the real `helm`.
//!
//! The engine that answers is used; without one, root starts a private `dockerd`. What is missing makes its tests *visibly
//! ignored, with the reason*; with `CI=true` it makes them fail. `.ci/install` installs all parts.

#[path = "../../../../margo-providers/tests/real_parts/engine.rs"]
mod engine;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;

use self::engine::TestEngine;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each looks at the whole engine for what was left behind.
    arguments.test_threads = Some(1);
    let engine = if arguments.list {
        Err("not started for a list".to_owned())
    } else {
        TestEngine::find_or_start().map(Arc::new)
    };
    let trials = vec![
        trial(
            "everything_goes_well_and_nothing_is_left",
            &engine,
            whole_tour,
        ),
        trial("interrupted_it_leaves_nothing_behind", &engine, interrupted),
        trial("charts_are_deployed_updated_and_removed", &helm(), charts),
        trial("interrupted_it_leaves_no_chart", &helm(), chart_interrupted),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn whole_tour(engine: &TestEngine) {
    let output = quickstart(engine).output().unwrap();

    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{story:#}");
    assert_eq!(story["ok"], true);
    let name = story["engine"].as_str().unwrap();
    assert!(name.contains("compose"), "{name}");
    assert_eq!(story["generations"]["mill"], "rc.1");
    let failing = story["steps"][5]["seen"].to_string();
    assert!(failing.contains("the sensor does not answer"), "{failing}");
    assert_nothing_is_left(engine);
}

fn interrupted(engine: &TestEngine) {
    let running = quickstart(engine).stdout(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while engine.docker(&CONTAINERS).is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no container");
        std::thread::sleep(Duration::from_millis(20));
    }
    interrupt(&running);
    let output = running.wait_with_output().unwrap();
    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(128 + 2), "{story:#}");
    assert_eq!(story["error"], "interrupted by SIGINT");
    assert_nothing_is_left(engine);
}

/// The `helm` in the path.
struct Helm;

/// Whether there is a `helm`, or why it is not used.
fn helm() -> Result<Arc<Helm>, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join("helm").is_file());
    let found = is_there.then(|| Arc::new(Helm));
    found.ok_or_else(|| "helm is missing; .ci/install installs it".to_owned())
}

fn charts(_: &Helm) {
    let folder = TempDir::new().unwrap();
    let output = with_helm(&folder).output().unwrap();

    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{story:#}");
    let engine = story["helm"]["engine"].as_str().unwrap();
    assert!(engine.starts_with("helm "), "{engine}");
    assert_eq!(story["helm"]["cluster"], "simulated");
    assert_eq!(story["generations"]["rack"], "rc.3");
    for (step, seen) in [
        (2, "rack: greeter 1.0.0 installed"),
        (2, "cluster of the rack: Deployment "),
        (4, "rack: greeter 1.1.0 installed"),
        (7, "rack: greeter 1.1.0 removed"),
    ] {
        let all = story["steps"][step]["seen"].as_array().unwrap();
        let is_seen = |line: &Value| line.as_str().is_some_and(|line| line.starts_with(seen));
        assert!(all.iter().any(is_seen), "{seen} in {all:#?}");
    }
    let updated = story["steps"][4]["seen"].to_string();
    assert!(updated.contains("1.1.0, 1 of 1 pods ready"), "{updated}");
    assert_is_empty(&folder);
}

fn chart_interrupted(_: &Helm) {
    let folder = TempDir::new().unwrap();
    let running = with_helm(&folder).stdout(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    // The rack keeps a folder for each deployment.
    while !find(folder.path(), "values.json") {
        assert!(begun.elapsed() < Duration::from_mins(1), "no chart");
        std::thread::sleep(Duration::from_millis(20));
    }
    interrupt(&running);
    let output = running.wait_with_output().unwrap();
    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(128 + 2), "{story:#}");
    assert_eq!(story["error"], "interrupted by SIGINT", "{story:#}");
    assert_is_empty(&folder);
}

fn with_helm(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    command
        .args(["--simulated", "--helm", "--json"])
        .env("TMPDIR", folder.path());
    command
}

fn quickstart(engine: &TestEngine) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    command.arg("--json").env("DOCKER_HOST", engine.host());
    command
}

fn interrupt(running: &Child) {
    let arguments = ["-INT".to_owned(), running.id().to_string()];
    let sent = Command::new("kill").args(arguments).status().unwrap();
    assert!(sent.success());
}

fn assert_is_empty(folder: &TempDir) {
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Whether there is a file of this name anywhere in the folder.
fn find(folder: &Path, name: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .any(|path| path.ends_with(name) || path.is_dir() && find(&path, name))
}

fn assert_nothing_is_left(engine: &TestEngine) {
    for look in [&CONTAINERS[..], &VOLUMES, &NETWORKS, &IMAGES] {
        assert_eq!(engine.docker(look), "", "{look:?}");
    }
}

/// A test, unless the part it wants is missing.
fn trial<P>(name: &str, part: &Result<Arc<P>, String>, test: fn(&P)) -> Trial
where
    P: Send + Sync + 'static,
{
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let is_ignored = part.is_err() && !in_ci;
    let kind = part.as_ref().err().cloned().unwrap_or_default();
    let part = part.clone();
    let trial = Trial::test(name, move || {
        test(&*part.map_err(Failed::from)?);
        Ok(())
    });
    trial.with_kind(kind).with_ignored_flag(is_ignored)
}

const CONTAINERS: [&str; 4] = ["ps", "-aq", "--filter", "name=quickstart"];
const VOLUMES: [&str; 5] = ["volume", "ls", "-q", "--filter", "name=quickstart"];
const NETWORKS: [&str; 5] = ["network", "ls", "-q", "--filter", "name=quickstart"];
const IMAGES: [&str; 3] = ["images", "-q", "margo-quickstart"];
