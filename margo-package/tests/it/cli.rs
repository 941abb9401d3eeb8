//! The command line, run as a person or a script runs it.

mod deploy;
mod local;
mod refused;
mod registry;
mod usage;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::tree;

/// A place to work in, with a home of its own.
struct Desk {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("home")).expect("a home");
        fs::create_dir(folder.path().join("work")).expect("a place to work");
        Self { folder }
    }

    /// A desk with the sample package, as `init hello` writes it, whose components belong to this registry.
    fn with_sample(registry: &str) -> Self {
        let desk = Self::new();
        let repository = format!("oci://{registry}/hello");
        desk.run(&["init", "hello", "--repository", &repository])
            .succeeded();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, content).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Replaces a text in a file, which must be there.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, text.replace(from, to));
    }

    /// Everything in the working directory, also what is hidden.
    fn tree(&self) -> BTreeMap<String, Vec<u8>> {
        tree(&self.path(""))
    }

    /// The program in the working directory, with nothing of our environment.
    fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_margo-package")), arguments)
    }

    fn prepared(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("PATH", "/usr/bin:/bin");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(
            self.command(arguments)
                .stdin(Stdio::null())
                .output()
                .expect("it runs"),
        )
    }

    /// The same with something on the standard input.
    fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        // A command that does not want it may have closed it.
        let _ = child
            .stdin
            .take()
            .expect("an input")
            .write_all(input.as_bytes());
        Ran::from(child.wait_with_output().expect("it ends"))
    }

    /// Runs with `--json` and gives the document, which must be all there is.
    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.err, "", "with --json errors are in the document");
        let document: Value = serde_json::from_str(&ran.out).expect("JSON");
        assert_eq!(document["ok"], ran.code == 0, "{document}");
        assert_eq!(document["command"], arguments[0], "{document}");
        (ran.code, document)
    }

    /// Runs a command that must fail with this code, say these words, and leave everything as it is.
    fn refuses(&self, code: i32, arguments: &[&str], words: &[&str]) {
        let before = self.tree();
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        for word in words {
            assert!(
                ran.err.contains(word),
                "{arguments:?}: no {word:?} in {}",
                ran.err
            );
        }
        assert!(ran.err.starts_with("error: "), "{}", ran.err);
        assert_eq!(ran.out, "", "{arguments:?}");
        assert!(self.tree() == before, "{arguments:?} left something behind");

        let (json_code, document) = self.json(arguments);
        assert_eq!(json_code, code, "{document}");
        let error = &document["error"];
        let kind = ["", "invalid", "usage", "registry", "environment"]
            [usize::try_from(code).expect("a code")];
        assert_eq!(error["kind"], kind, "{document}");
        let text = format!(
            "{}\n{}",
            error["message"].as_str().expect("a message"),
            error["causes"]
        );
        assert!(text.contains(words[0]), "{document}");
    }
}

impl Ran {
    #[track_caller]
    fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        assert_eq!(self.err, "", "a success says nothing on the standard error");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal"),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}
