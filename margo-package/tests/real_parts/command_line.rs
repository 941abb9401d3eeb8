//! The program against a real registry: the commands of the README, and what a locked-up registry wants.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::Value;

use crate::process::Registry;
use crate::registry::{Authority, tls_registry};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("readme_commands", &["docker-registry"], newcomer),
        trial("command_line_tls", &["docker-registry"], tls),
    ]
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

/// A registry with a private CA that wants client certificates.
async fn tls() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let registry = tls_registry(&authority, Some(&clients));
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = clients.issue(&["build-server"], ExtendedKeyUsagePurpose::ClientAuth);
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("me.pem", certificate),
        ("me.key", key),
    ] {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let repository = format!("oci://{}/hello", registry.host());
    run(
        folder.path(),
        &["init", "hello", "--repository", &repository],
    );
    let package = format!("{repository}/package");
    let trust = ["--ca", "ca.pem", "--cert", "me.pem", "--cert-key", "me.key"];
    run(
        folder.path(),
        &[&["push", "hello", &package][..], &trust].concat(),
    );
    let versions = run(
        folder.path(),
        &[&["versions", &package][..], &trust].concat(),
    );
    assert_eq!(versions, "1.0.0\n");

    for lacking in [&trust[..2], &trust[2..]] {
        let arguments = [&["versions", &package, "--attempts", "1"], lacking].concat();
        let output = command(folder.path(), &arguments)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
    }
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
    let output = command(folder, arguments).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}{errors}");
    text
}

/// The program, with nothing of our environment.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_margo-package"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder);
    command
}
