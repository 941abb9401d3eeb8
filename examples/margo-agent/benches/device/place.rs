//! A directory with a configuration and an identity, and the agent in it.

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime};

use margo_types::application::{Component, ComponentProperties, DeploymentType};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec,
};
use margo_types::id::DeploymentId;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde_json::Value;
use tempfile::TempDir;

use crate::fleet::FleetManager;
use crate::process::Process;
use crate::{Failure, poller, until};

/// The program.
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_margo-agent");

/// The device `panel`.
#[derive(Clone)]
pub(crate) struct Place(Rc<TempDir>);

impl Place {
    /// A device of this fleet manager that polls this often.
    pub(crate) fn of(fleet: &FleetManager, period: &str) -> Result<Self, Failure> {
        let place = Self(Rc::new(TempDir::new()?));
        let (svid, bundle) = fleet.provision()?;
        let port = fleet.port.to_string();
        let config = CONFIG.replace("PORT", &port).replace("PERIOD", period);
        let path = |name: &str| place.0.path().join(name);
        fs::write(path("margo-agent.toml"), config)?;
        fs::write(path("capabilities.json"), CAPABILITIES)?;
        fs::write(path("svid.pem"), svid.chain_pem)?;
        fs::write(path("svid.key"), svid.key_pem)?;
        fs::write(path("bundle.json"), bundle)?;
        fs::set_permissions(path("svid.key"), fs::Permissions::from_mode(0o600))?;
        Ok(place)
    }

    pub(crate) fn start(&self) -> Result<Agent, Failure> {
        let log = fs::File::create(self.path("log"))?;
        let child = self.command(&["run"]).stderr(log).spawn()?;
        Ok(Agent {
            child,
            place: self.clone(),
        })
    }

    /// The bare poller with the same identity.
    pub(crate) fn start_poller(&self, fleet: &FleetManager) -> Result<Agent, Failure> {
        let child = Command::new(std::env::current_exe()?)
            .arg(poller::COMMAND)
            .arg(self.0.path())
            .arg(fleet.port.to_string())
            .spawn()?;
        Ok(Agent {
            child,
            place: self.clone(),
        })
    }

    /// Looks from now on when the simulated provider is called for a deployment: it begins a note in a file then.
    pub(crate) fn watch(
        &self,
        it: &ApplicationDeployment,
    ) -> Result<Receiver<SystemTime>, Failure> {
        let directory = inotify::init(CreateFlags::CLOEXEC)?;
        inotify::add_watch(&directory, self.path("state/simulated"), WatchFlags::CREATE)?;
        let (id, (sender, called)) = (it.id.to_string(), mpsc::channel());
        thread::spawn(move || {
            let mut buffer = [const { MaybeUninit::uninit() }; 4096];
            let mut events = inotify::Reader::new(directory, &mut buffer);
            while let Ok(event) = events.next() {
                let now = SystemTime::now();
                let name = event.file_name().unwrap_or_default().to_bytes();
                if name.starts_with(id.as_bytes()) {
                    let _ = sender.send(now);
                    break;
                }
            }
        });
        Ok(called)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(AGENT);
        command
            .args(["--config", "margo-agent.toml"])
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }
}

/// A process; killed when it is dropped.
pub(crate) struct Agent {
    child: Child,
    place: Place,
}

impl Agent {
    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits until the status of the agent is as desired.
    pub(crate) fn wait(
        &self,
        what: &str,
        is_desired: impl Fn(&Value) -> bool,
    ) -> Result<(), Failure> {
        until(what, || {
            thread::sleep(GLANCE);
            let output = self.place.command(&["status", "--json"]).output()?;
            let status = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
            Ok((output.status.success() && is_desired(&status)).then_some(()))
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many deployments are installed, in the status of an agent.
pub(crate) fn installed(status: &Value) -> usize {
    let all = status["deployments"].as_object();
    let all = all.into_iter().flat_map(|all| all.values());
    all.filter(|it| it["state"] == "installed").count()
}

/// This many deployments, in their first revision.
pub(crate) fn deployments(count: u16) -> Vec<ApplicationDeployment> {
    (0..count).map(|number| deployment(number, 0)).collect()
}

/// A deployment of one component, which this revision changes.
pub(crate) fn deployment(number: u16, revision: u32) -> ApplicationDeployment {
    let mut properties = ComponentProperties::default();
    properties.repository = Some(REPOSITORY.parse().expect("it is a repository"));
    let revision = format!("1.0.{revision}").parse();
    properties.revision = Some(revision.expect("it is a revision"));
    let component = Component::new("lamp".parse().expect("it is a name"), properties);
    let profile = DeployedProfile::new(DeploymentType::Compose, vec![component]);
    let id = DeploymentId::parse(&format!("00000000-0000-4000-8000-{number:012}"));
    let device = "panel".parse().expect("it is a device");
    ApplicationDeployment::new(
        id.expect("it is a UUID"),
        DeploymentMetadata::new(format!("lamp-{number}"), "default", device),
        DeploymentSpec::new("com-example-lamp".parse().expect("it is a name"), profile),
    )
}

/// Asking for the status costs the agent something, too.
const GLANCE: Duration = Duration::from_millis(200);
const REPOSITORY: &str = "oci://registry.example/lamp";

const CONFIG: &str = r#"state_directory = "state"

[fleet_manager]
url = "https://127.0.0.1:PORT"

[identity]
svid = "svid.pem"
key = "svid.key"
trust_bundle = "bundle.json"

[device]
id = "panel"
capabilities = "capabilities.json"

[provider]
kind = "simulated"

[telemetry]
http_endpoint = "http://127.0.0.1:4318"

[schedule]
period = "PERIOD"
jitter_percent = 0
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
