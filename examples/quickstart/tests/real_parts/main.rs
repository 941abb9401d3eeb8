//! The program on a real container engine.
//!
//! The engine that answers is used; without one, root starts a private `dockerd`. What is missing makes the tests *visibly
//! ignored, with the reason*; with `CI=true` it makes them fail. `.ci/install` installs all parts.

#[path = "../../../../margo-providers/tests/real_parts/engine.rs"]
mod engine;

use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

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
    let interrupt = ["-INT".to_owned(), running.id().to_string()];
    assert!(
        Command::new("kill")
            .args(interrupt)
            .status()
            .unwrap()
            .success()
    );

    let output = running.wait_with_output().unwrap();
    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(128 + 2), "{story:#}");
    assert_eq!(story["error"], "interrupted by SIGINT");
    assert_nothing_is_left(engine);
}

fn quickstart(engine: &TestEngine) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    command.arg("--json").env("DOCKER_HOST", engine.host());
    command
}

fn assert_nothing_is_left(engine: &TestEngine) {
    for look in [&CONTAINERS[..], &VOLUMES, &NETWORKS, &IMAGES] {
        assert_eq!(engine.docker(look), "", "{look:?}");
    }
}

/// A test, unless there is no engine.
fn trial(name: &str, engine: &Result<Arc<TestEngine>, String>, test: fn(&TestEngine)) -> Trial {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let is_ignored = engine.is_err() && !in_ci;
    let kind = engine.as_ref().err().cloned().unwrap_or_default();
    let engine = engine.clone();
    let trial = Trial::test(name, move || {
        test(&*engine.map_err(Failed::from)?);
        Ok(())
    });
    trial.with_kind(kind).with_ignored_flag(is_ignored)
}

const CONTAINERS: [&str; 4] = ["ps", "-aq", "--filter", "name=quickstart"];
const VOLUMES: [&str; 5] = ["volume", "ls", "-q", "--filter", "name=quickstart"];
const NETWORKS: [&str; 5] = ["network", "ls", "-q", "--filter", "name=quickstart"];
const IMAGES: [&str; 3] = ["images", "-q", "margo-quickstart"];
