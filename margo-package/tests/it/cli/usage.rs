//! What all commands have in common: help, exit codes, JSON, and where output goes.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use super::Desk;

const COMMANDS: [&str; 13] = [
    "init",
    "validate",
    "lint",
    "build",
    "push",
    "pull",
    "versions",
    "inspect",
    "deploy",
    "verify",
    "sign",
    "keygen",
    "completions",
];

#[test]
fn every_command_has_help_with_examples() {
    let desk = Desk::new();
    let help = desk.run(&["--help"]).succeeded().out;
    for code in ["0  done", "1  what", "2  the", "3  the", "4  the"] {
        assert!(help.contains(code), "{help}");
    }
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let help = desk.run(&[command, "--help"]).succeeded().out;
        let example = format!("\n  margo-package {command} ");
        assert!(
            help.contains("Examples:\n") && help.contains(&example),
            "{help}"
        );
        assert!(help.contains("--json"), "{help}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_code_2() {
    let desk = Desk::new();
    for arguments in [
        &["frobnicate"][..],
        &["versions"],
        &["versions", "registry.example"],
        &["versions", "oci://registry.example/UPPER"],
        &["versions", "oci://registry.example/web", "--username", "me"],
        &["init", "x", "--id", "Not Good"],
        &["deploy", "x", "--profile", "p"],
        &[
            "deploy",
            "x",
            "--profile",
            "p",
            "--device",
            "d",
            "--set",
            "novalue",
        ],
        &["completions", "cmd.exe"],
    ] {
        let ran = desk.run(arguments);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (2, ""),
            "{arguments:?}: {ran:?}"
        );
        assert!(ran.err.starts_with("error: "), "{}", ran.err);

        let ran = desk.run(&[arguments, &["--json"]].concat());
        assert_eq!(
            (ran.code, ran.err.as_str()),
            (2, ""),
            "{arguments:?}: {ran:?}"
        );
        let document: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
        assert_eq!(document["error"]["kind"], "usage", "{document}");
        assert_eq!(document["ok"], false);
    }
    assert!(desk.tree().is_empty());
}

#[test]
fn completions_are_for_the_program_and_its_commands() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = desk.run(&["completions", shell]).succeeded().out;
        assert!(
            script.contains("margo-package") && script.contains("deny-warnings"),
            "{shell}"
        );
    }
    let (_, document) = desk.json(&["completions", "bash"]);
    assert!(
        document["script"]
            .as_str()
            .expect("a script")
            .contains("keygen")
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = Desk::new();
    let mut child = desk
        .command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let mut errors = String::new();
    let mut pipe = child.stderr.take().expect("a pipe");
    pipe.read_to_string(&mut errors).expect("what it said");
    assert_eq!(errors, "", "no panic and no complaint");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_is_full_is_code_4() {
    let desk = Desk::new();
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("the device");
    let output = desk.command(&["completions", "bash"]).stdout(full).output();
    let ran = super::Ran::from(output.expect("it runs"));
    assert_eq!(ran.code, 4);
    assert!(
        ran.err.contains("the standard output cannot be written"),
        "{}",
        ran.err
    );
}

/// Files of at most 512 bytes may be written, as if the disk were full then.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let desk = Desk::with_sample("registry.example");
    desk.run(&["build", "hello", "-o", "hello.oci"]).succeeded();
    let before = desk.tree();
    for arguments in [
        &["init", "other"][..],
        &["build", "hello", "-o", "other.oci"],
        &["build", "hello", "-o", "other.tar"],
        &["pull", "hello.oci", "-o", "other", "--components"],
        &[
            "deploy",
            "hello",
            "--profile",
            "com-example-hello-helm",
            "--device",
            "d",
            "-o",
            "other.yaml",
        ],
    ] {
        let limited = r#"trap '' XFSZ; ulimit -f 1; exec "$0" "$@""#;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", limited, env!("CARGO_BIN_EXE_margo-package")]);
        let output = desk.prepared(shell, arguments).output();
        let ran = super::Ran::from(output.expect("it runs"));
        assert_eq!(ran.code, 4, "{arguments:?}: {ran:?}");
        assert!(
            ran.err.contains("File too large"),
            "{arguments:?}: {}",
            ran.err
        );
        assert!(desk.tree() == before, "{arguments:?} left something behind");
    }
}
