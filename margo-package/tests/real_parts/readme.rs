//! What a newcomer does: the commands of the README, against a real registry.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::process::Registry;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("readme_commands", &["docker-registry"], newcomer)]
}

/// Runs the commands as they stand there; only the registry has another port.
async fn newcomer() {
    let registry = Registry::plain();
    let folder = tempfile::tempdir().expect("a folder");
    let commands = commands();
    assert_eq!(commands.len(), 5, "five commands: {commands:?}");
    for command in commands {
        let command = command.replace("localhost:5000", &registry.host());
        let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
        run(folder.path(), &arguments);
    }

    let read = |name: &str| fs::read(folder.path().join(name)).expect("a file");
    assert!(read("hello/margo.yaml") == read("copy/margo.yaml"));
    assert!(!read("copy/components/hello-compose.tar.gz").is_empty());
    let package = format!("oci://{}/hello/package", registry.host());
    let versions = run(
        folder.path(),
        &["versions", &package, "--plain-http", "--json"],
    );
    let versions: Value = serde_json::from_str(&versions).expect("JSON");
    assert_eq!(versions["versions"], serde_json::json!(["1.0.0"]));
    let linted = run(folder.path(), &["lint", "copy", "--deny-warnings"]);
    assert_eq!(linted, "copy: valid application package, no findings\n");
}

/// The commands in the first shell block of the README.
fn commands() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let block = readme.split("```sh\n").nth(1).expect("a shell block");
    let block = block.split("```").next().expect("its end");
    let lines = block
        .lines()
        .filter(|line| line.starts_with("margo-package "));
    lines.map(str::to_owned).collect()
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_margo-package"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}{errors}");
    text
}
