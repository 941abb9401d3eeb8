//! The program from outside, without containers.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

#[test]
fn everything_is_shown_and_goes_well() {
    let folder = TempDir::new().unwrap();
    let output = quickstart(folder.path(), &["--simulated", "--json"])
        .output()
        .unwrap();

    let story = story(&output);
    assert_eq!(output.status.code(), Some(0), "{story:#}");
    assert_eq!(story["ok"], true);
    assert_eq!(story["engine"], "simulated");
    assert_eq!(story["helm"], Value::Null);
    for (client, generation) in [
        ("panel", "rc.3"),
        ("press", "rc.3"),
        ("gateway", "rc.3"),
        ("mill", "rc.1"),
    ] {
        assert_eq!(story["generations"][client], generation, "{client}");
    }
    let steps = story["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 9, "{story:#}");
    for step in steps {
        assert_eq!(step["ok"], true, "{step:#}");
        assert!(step["seconds"].is_f64(), "{step:#}");
    }
    for (step, seen) in [
        (2, "panel: greeter 1.0.0 installed"),
        (2, "gateway/north (for *): greeter 1.0.0 installed"),
        (2, "mill: greeter 1.0.0 installed"),
        (4, "gateway/south: greeter 1.1.0 installed"),
        (4, "mill: greeter 1.1.0 installed"),
        (5, "panel: greeter 1.1.0 failed"),
        (5, "panel: greeter 1.1.0 installed"),
        (6, "press: restarted on its own"),
        (7, "press: greeter 1.1.0 removed"),
        (7, "mill: greeter 1.1.0 removed"),
    ] {
        let all = steps[step]["seen"].as_array().unwrap();
        let is_seen = |line: &Value| line.as_str().is_some_and(|line| line.starts_with(seen));
        assert!(all.iter().any(is_seen), "{seen} in {all:#?}");
    }
    assert_is_empty(folder.path());
}

#[test]
fn story_fits_a_terminal() {
    let folder = TempDir::new().unwrap();
    let output = quickstart(folder.path(), &["--simulated"])
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(
        text.contains("simulated: as --simulated asks for"),
        "{text}"
    );
    assert!(text.contains("Everything went as it should"), "{text}");
}

#[test]
fn without_an_engine_it_says_why_it_has_none() {
    let folder = TempDir::new().unwrap();
    let output = quickstart(folder.path(), &["--json"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();

    let story = story(&output);
    assert_eq!(output.status.code(), Some(0), "{story:#}");
    assert_eq!(story["engine"], "simulated");
    let because = story["simulated_because"].as_str().unwrap();
    assert!(because.contains("docker compose: it is not installed"));
}

#[test]
fn without_helm_it_says_what_to_install() {
    let folder = TempDir::new().unwrap();
    let output = quickstart(folder.path(), &["--simulated", "--helm", "--json"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();

    let story = story(&output);
    assert_eq!(output.status.code(), Some(1), "{story:#}");
    assert_eq!(story["ok"], false);
    assert_eq!(story["helm"], Value::Null);
    let error = story["error"].as_str().unwrap();
    for expected in ["helm", "not installed", "install Helm 3"] {
        assert!(error.contains(expected), "{expected} is not in {error}");
    }
    assert_is_empty(folder.path());
}

#[test]
fn a_kubeconfig_is_for_helm_alone() {
    let arguments = ["--kubeconfig", "kubeconfig"];
    let output = quickstart(Path::new("/nonexistent"), &arguments).output();
    assert_eq!(output.unwrap().status.code(), Some(2));
}

#[test]
fn without_a_place_for_files_it_fails_and_says_where() {
    let output = quickstart(Path::new("/nonexistent"), &["--simulated", "--json"])
        .output()
        .unwrap();

    let story = story(&output);
    assert_eq!(output.status.code(), Some(1), "{story:#}");
    assert_eq!(story["ok"], false);
    assert_eq!(story["steps"][0]["ok"], false);
    let error = story["error"].as_str().unwrap();
    assert!(error.contains("/nonexistent/margo-quickstart-"), "{error}");
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    // On a machine that is too busy it may be over before it is interrupted: then once more.
    let output = loop {
        let output = interrupted(folder.path());
        if output.status.code() != Some(0) {
            break output;
        }
    };
    let story = story(&output);
    assert_eq!(output.status.code(), Some(128 + 15), "{story:#}");
    assert_eq!(story["ok"], false);
    assert_eq!(story["error"], "interrupted by SIGTERM");
    assert_is_empty(folder.path());
}

/// Runs it until it has begun to keep files of the fleet manager, so that there is something to leave behind.
fn interrupted(folder: &Path) -> Output {
    let mut running = quickstart(folder, &["--simulated", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut is_over = false;
    wait_for(|| {
        is_over = running.try_wait().unwrap().is_some();
        is_over || find(folder, "wfm.db")
    });
    if !is_over {
        let terminate = ["-TERM".to_owned(), running.id().to_string()];
        let sent = Command::new("kill").args(terminate).status();
        assert!(sent.unwrap().success());
    }
    running.wait_with_output().unwrap()
}

/// The program with its files in this folder.
fn quickstart(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    command.args(arguments).env("TMPDIR", folder);
    command
}

fn story(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_is_empty(folder: &Path) {
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Whether there is a file of this name anywhere in the folder.
fn find(folder: &Path, name: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .any(|path| path.ends_with(name) || path.is_dir() && find(&path, name))
}

fn wait_for(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it took too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}
