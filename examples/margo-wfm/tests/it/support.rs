//! A directory with a configuration, and the program in it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with the identities of a development trust domain and a configuration for port 0.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// A place with the clients `line-1` and `line-2`.
    pub(crate) fn new() -> Self {
        let place = Self::empty();
        let made = place.run(&[
            "identity", "init", "--client", "line-1", "--client", "line-2",
        ]);
        assert!(made.status.success(), "{}", stderr(&made));
        place.write("margo-wfm.toml", CONFIG);
        place
    }

    pub(crate) fn empty() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The configuration with something else in it.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let file = self.path("margo-wfm.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        fs::write(file, text.replace(from, to)).unwrap();
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The result of a command that succeeds.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {text}{}",
            stderr(&output)
        );
        let mut document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["ok"], true, "{text}");
        document["result"].take()
    }

    /// The exit code of a command that fails, and its message with all causes.
    pub(crate) fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        assert!(output.stdout.is_empty(), "{}", stdout(&output));
        (output.status.code().unwrap(), stderr(&output))
    }

    /// Starts the fleet manager and waits until it says that it is ready.
    pub(crate) fn start(&self) -> Running {
        let mut child = self
            .command(&["run", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::from(fs::File::create(self.path("log")).unwrap()))
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        if line.is_empty() {
            child.wait().unwrap();
            panic!(
                "it ended: {}",
                fs::read_to_string(self.path("log")).unwrap()
            );
        }
        let ready: Value = serde_json::from_str(&line).unwrap();
        Running {
            ready: ready["result"].clone(),
            child,
            _stdout: stdout,
        }
    }

    /// The lines that a command prints until it is dropped.
    pub(crate) fn lines(&self, arguments: &[&str]) -> Lines {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Lines { child, stdout }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_margo-wfm"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }
}

/// A fleet manager; killed when it is dropped.
pub(crate) struct Running {
    pub(crate) ready: Value,
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.ready["address"].as_str().unwrap().parse().unwrap()
    }

    /// Kills it as a power loss would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that goes on printing; killed when it is dropped.
pub(crate) struct Lines {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Lines {
    /// The result in the next line.
    pub(crate) fn next(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let document: Value = serde_json::from_str(&line).unwrap();
        document["result"].clone()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A package in two profiles: one for machines with 64 GiB, one for any that runs Compose.
pub(crate) fn package(version: &str) -> String {
    PACKAGE.replace("VERSION", version)
}

const CONFIG: &str = r#"listen = "127.0.0.1:0"

[identity]
svid = "development-identity/wfm.pem"
key = "development-identity/wfm-key.pem"
bundle = "development-identity/bundle.json"

[state]
directory = "state"
"#;

const PACKAGE: &str = r#"apiVersion: v1
id: com-example-lamp
metadata:
  name: Lamp
  version: "VERSION"
  catalog:
    organization:
      - name: Example Lights
deploymentProfiles:
  - type: compose
    id: large
    components:
      - name: lamp-large
        properties:
          repository: oci://registry.lights.example/compose/lamp
          revision: VERSION.0
    deviceConstraints:
      capacityRequirements:
        memory: 64Gi
  - type: compose
    id: small
    components:
      - name: lamp
        properties:
          repository: oci://registry.lights.example/compose/lamp
          revision: VERSION.0
parameters:
  colour:
    value: white
    targets:
      - pointer: COLOUR
        components: [lamp, lamp-large]
  socket:
    value: E27
    targets:
      - pointer: SOCKET
        components: [lamp, lamp-large]
configuration:
  sections:
    - name: Light
      settings:
        - parameter: colour
          name: Colour
          schema: colour
        - parameter: socket
          name: Socket
          schema: text
          immutable: true
  schema:
    - name: colour
      dataType: string
      regexMatch: ^[a-z]+$
    - name: text
      dataType: string
"#;
