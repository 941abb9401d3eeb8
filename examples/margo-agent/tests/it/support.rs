//! A directory with a configuration and an identity, and the program in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use margo_conformance::authority::{Authority, IssuedSvid, Lifetime};
use margo_conformance::wfm::FakeWfm;
use margo_types::application::{Component, ComponentProperties, DeploymentType};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec,
};
use margo_types::id::{ClientId, DeploymentId, SpiffeId, TrustDomain};
use serde_json::Value;
use tempfile::TempDir;

/// The device `panel` of the client `line-1`.
pub(crate) struct Place {
    directory: TempDir,
    pub(crate) authority: Authority,
}

impl Place {
    /// A device of the fleet manager at this URL.
    pub(crate) fn of(authority: Authority, url: &str) -> Self {
        let place = Self {
            directory: TempDir::new().unwrap(),
            authority,
        };
        place.write("margo-agent.toml", &CONFIG.replace("URL", url));
        place.write("capabilities.json", CAPABILITIES);
        place.write("bundle.pem", &place.authority.to_pem().0);
        place.provision(Lifetime::default());
        place
    }

    /// The same device, of a fleet manager of the signed generation.
    pub(crate) fn signing(authority: Authority, url: &str) -> Self {
        let place = Self::of(authority, url);
        let manager =
            format!("url = \"{url}\"\ngeneration = \"rc1\"\nca_certificates = \"ca.pem\"");
        place.change("margo-agent.toml", &format!("url = \"{url}\""), &manager);
        place.change(
            "margo-agent.toml",
            "svid = \"svid.pem\"",
            "certificate = \"svid.pem\"",
        );
        place.change("margo-agent.toml", "trust_bundle = \"bundle.pem\"\n", "");
        place.write("ca.pem", &place.authority.to_pem().0);
        place
    }

    /// A device of a fleet manager that nobody answers for.
    pub(crate) fn alone() -> Self {
        Self::of(authority(), "https://127.0.0.1:1")
    }

    /// Writes a new SVID and its key.
    pub(crate) fn provision(&self, lifetime: Lifetime) {
        let client = ClientId::parse("line-1").unwrap();
        let id = SpiffeId::wfm_client(self.authority.domain(), "one", &client).unwrap();
        self.provision_with(&self.authority.issue(&id, lifetime));
    }

    pub(crate) fn provision_with(&self, issued: &IssuedSvid) {
        let key = self.write("svid.key", &issued.key_pem);
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        self.write("svid.pem", &issued.chain_pem);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A file with something else in it.
    pub(crate) fn change(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        self.write(file, &text.replace(from, to));
    }

    /// Other settings of what runs the workloads.
    pub(crate) fn provider(&self, settings: &str) {
        self.change("margo-agent.toml", "kind = \"simulated\"", settings);
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    pub(crate) fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}{log}");
        text
    }

    /// The exit code of a command that fails, and what it says.
    pub(crate) fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), text)
    }

    /// Starts the agent and waits until it answers.
    pub(crate) fn start(&self) -> Running<'_> {
        let log = fs::File::options()
            .append(true)
            .create(true)
            .open(self.path("log"))
            .unwrap();
        let child = self.command(&["run"]).stderr(log).spawn().unwrap();
        let mut running = Running { child, place: self };
        running.wait("an answer", |_| true);
        running
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_margo-agent"));
        command
            .args(["--config", "margo-agent.toml"])
            .args(arguments)
            .current_dir(self.directory.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }
}

/// An agent; killed when it is dropped.
pub(crate) struct Running<'a> {
    child: Child,
    place: &'a Place,
}

impl Running<'_> {
    /// Waits until the status is as desired, and gives it.
    pub(crate) fn wait(&mut self, what: &str, is_desired: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let output = self.place.run(&["status", "--json"]);
            let status = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
            if output.status.success() && is_desired(&status) {
                return status;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "{what} did not come ({ended:?}): {status:#}\n{}",
                self.place.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
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

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fleet manager, and a device of it.
pub(crate) async fn fleet() -> (FakeWfm, Place) {
    let authority = authority();
    let id = SpiffeId::wfm(authority.domain(), "one").unwrap();
    let wfm = FakeWfm::start(&authority, &id).await;
    let place = Place::of(authority, &wfm.url());
    (wfm, place)
}

pub(crate) fn authority() -> Authority {
    Authority::new(&TrustDomain::parse("margo.test").unwrap())
}

pub(crate) fn deployment(number: u8) -> ApplicationDeployment {
    let mut properties = ComponentProperties::default();
    properties.repository = Some("oci://registry.example/lamp".parse().unwrap());
    properties.revision = Some("1.0".parse().unwrap());
    let component = Component::new("lamp".parse().unwrap(), properties);
    let profile = DeployedProfile::new(DeploymentType::Compose, vec![component]);
    let id = format!("00000000-0000-4000-8000-{number:012}");
    ApplicationDeployment::new(
        DeploymentId::parse(&id).unwrap(),
        DeploymentMetadata::new(
            format!("lamp-{number}"),
            "default",
            "panel".parse().unwrap(),
        ),
        DeploymentSpec::new("com-example-lamp".parse().unwrap(), profile),
    )
}

const CONFIG: &str = r#"state_directory = "state"

[fleet_manager]
url = "URL"

[identity]
svid = "svid.pem"
key = "svid.key"
trust_bundle = "bundle.pem"

[device]
id = "panel"
capabilities = "capabilities.json"

[provider]
kind = "simulated"

[telemetry]
http_endpoint = "http://127.0.0.1:4318"

[schedule]
period = "200ms"
"#;

const CAPABILITIES: &str = r#"{
  "properties": {
    "id": "panel",
    "vendor": "Example Industries",
    "modelNumber": "Box 400",
    "serialNumber": "SN-0042",
    "cpus": [{ "cores": 2.0 }],
    "memory": "4Gi",
    "storage": "16Gi",
    "peripherals": [],
    "interfaces": [],
    "otelCollector": true,
    "supportedRuntimes": ["oci"],
    "supportedDeploymentTypes": ["compose"]
  }
}
"#;

const PATIENCE: Duration = Duration::from_mins(1);
