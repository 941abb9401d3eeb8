//! Everything that runs: the registry, the fleet manager, the network between, and the devices.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use margo_client::identity::IdentityFiles;
use margo_conformance::gate::Gate;
use margo_conformance::registry::Registry;
use margo_package::oci::{Registries, RegistryAccess};
use margo_providers::Provider;
use margo_providers::compose::{ComposeProvider, Options};
use margo_providers::simulated::SimulatedProvider;
use margo_types::id::{ClientId, TrustDomain};
use margo_types::status::DeploymentState;
use margo_wfm::config::{IdentityConfig, StateConfig};
use margo_wfm::identity::{DevelopmentDomain, IssuedFiles};
use margo_wfm::operations::{DecideClient, DeploymentOverview, ListDevices, Report, Status};
use margo_wfm::{Config, Manager, Wfm};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use crate::device::{Device, Host, Running, state_file};
use crate::narrator::Narrator;
use crate::{Failure, image, package};

/// A fleet of three clients. The panel and the press are devices; the gateway connects two more.
pub(crate) struct Fleet {
    /// Where packages are.
    pub registry: Registry,
    /// The fleet manager, as its operator sees it.
    pub manager: Arc<Manager>,
    /// The network between the fleet manager and the devices.
    pub network: Gate,
    /// The devices, in the order of [`CLIENTS`].
    pub devices: Vec<(Device, Option<Running>)>,
    /// The script of the panel's workloads, where no engine runs them.
    pub panel_script: Option<Arc<SimulatedProvider>>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), margo_wfm::Failure>>,
    engine: Option<&'static str>,
    /// The place of all files; it goes last.
    folder: TempDir,
}

/// The clients of the fleet manager.
pub(crate) const CLIENTS: [&str; 3] = ["panel", "press", "gateway"];
/// The panel's place in [`Fleet::devices`].
pub(crate) const PANEL: usize = 0;
/// The press's place in [`Fleet::devices`].
pub(crate) const PRESS: usize = 1;
const REPORTED_DEVICES: usize = 5;

impl Fleet {
    /// Starts everything and waits until every device has said what it is.
    ///
    /// # Errors
    /// When something does not start.
    pub(crate) async fn start(narrator: &mut Narrator, simulated: bool) -> Result<Self, Failure> {
        let folder = TempDir::with_prefix("margo-quickstart-")?;
        let registry = Registry::start().await;
        let clients = CLIENTS
            .map(ClientId::parse)
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let domain = DevelopmentDomain::init(
            &folder.path().join("identity"),
            &TrustDomain::parse("quickstart.example")?,
            "quickstart",
            &[],
        )?;
        let wfm = open_wfm(&domain, &registry, folder.path()).await?;
        let manager = wfm.manager();
        let network = Gate::to(&wfm.address().to_string()).await;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(wfm.serve(async {
            // Dropping the fleet stops it, too.
            let _ = stopped.await;
        }));

        let (panel, panel_script, engine) =
            panel_provider(narrator, &registry, folder.path(), simulated).await?;
        let simulated = || -> Arc<dyn Provider> { Arc::new(SimulatedProvider::new()) };
        let hosts = [
            (Host::new("panel", panel)?, Vec::new()),
            (Host::new("press", simulated())?, Vec::new()),
            (
                Host::gateway("gateway")?,
                vec![
                    Host::new("gateway/north", simulated())?,
                    Host::new("gateway/south", simulated())?,
                ],
            ),
        ];
        let mut devices = Vec::new();
        for (client, (host, children)) in clients.into_iter().zip(hosts) {
            manager
                .run(DecideClient::accept(client.clone(), "the quickstart"))
                .await?;
            let device = Device {
                fleet_manager: Url::parse(&format!("https://{}", network.host()))?,
                state: state_file(&make_folder(folder.path(), client.as_str())?),
                identity: identity_files(domain.issue(&client)?),
                host,
                children,
            };
            let running = device.switch_on().await?;
            devices.push((device, Some(running)));
        }
        let fleet = Self {
            registry,
            manager,
            network,
            devices,
            panel_script,
            stop,
            serving,
            engine,
            folder,
        };
        fleet.wait_for_devices(narrator).await?;
        Ok(fleet)
    }

    /// A folder for files that go with the fleet.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the fleet manager knows from reports that it is so, and tells every report that is news.
    ///
    /// # Errors
    /// When it takes too long, or what the fleet manager has cannot be read.
    pub(crate) async fn until(
        &self,
        narrator: &mut Narrator,
        is_so: impl Fn(&DeploymentOverview) -> bool,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let overviews = self.manager.run(Status::of_all()).await?;
            for overview in &overviews {
                for report in &overview.reports {
                    narrator.see(&place(overview, report), &state(overview, report));
                }
            }
            if !overviews.is_empty() && overviews.iter().all(&is_so) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("it took too long; the last reports are {overviews:?}").into());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Stops everything, and says what was left behind.
    ///
    /// # Errors
    /// When workloads are left on a device, or the fleet manager did not end well.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        let mut left = Vec::new();
        for (device, running) in self.devices {
            for host in [&device.host].into_iter().chain(&device.children) {
                if let Some(provider) = &host.provider {
                    left.extend(provider.list().await?);
                }
            }
            if let Some(running) = running {
                running.switch_off().await;
            }
        }
        let _ = self.stop.send(());
        self.serving.await??;
        if let Some(engine) = self.engine {
            image::remove(engine);
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(format!("deployments are left on devices: {left:?}").into())
    }

    async fn wait_for_devices(&self, narrator: &mut Narrator) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let known = self.manager.run(ListDevices {}).await?;
            for device in &known {
                narrator.see(device.device.as_str(), "reported what it is");
            }
            if known.len() == REPORTED_DEVICES {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(
                    format!("only {} of {REPORTED_DEVICES} devices came", known.len()).into(),
                );
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

async fn open_wfm(
    domain: &DevelopmentDomain,
    registry: &Registry,
    folder: &Path,
) -> Result<Wfm, Failure> {
    let IssuedFiles {
        svid, key, bundle, ..
    } = domain.wfm()?;
    let mut config = Config::new(
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        IdentityConfig::new(svid, key, bundle),
        StateConfig::new(folder.join("fleet-manager")),
    );
    config.registries = Registries::default().with(&registry.host(), RegistryAccess::plain_http());
    Ok(Wfm::open(&config).await?)
}

/// What runs the panel's workloads: the container engine of this machine, or else a simulated provider whose script is
/// given too. Says which it is, and why.
async fn panel_provider(
    narrator: &mut Narrator,
    registry: &Registry,
    folder: &Path,
    simulated: bool,
) -> Result<
    (
        Arc<dyn Provider>,
        Option<Arc<SimulatedProvider>>,
        Option<&'static str>,
    ),
    Failure,
> {
    let why = if simulated {
        "as asked for".to_owned()
    } else {
        let mut options =
            Options::new(folder.join("workloads"), package::client(&registry.host())?);
        "quickstart".clone_into(&mut options.prefix);
        match ComposeProvider::detect(options).await {
            Ok(provider) => {
                let found = provider.found().to_string();
                let program = if found.starts_with("podman") {
                    "podman"
                } else {
                    "docker"
                };
                match image::import(program) {
                    Ok(()) => {
                        narrator.engine(found);
                        return Ok((Arc::new(provider), None, Some(program)));
                    }
                    Err(why) => why,
                }
            }
            Err(error) => error.to_string(),
        }
    };
    narrator.engine(format!("simulated ({why})"));
    let provider = Arc::new(SimulatedProvider::new());
    Ok((provider.clone(), Some(provider), None))
}

fn identity_files(issued: IssuedFiles) -> IdentityFiles {
    IdentityFiles::new(issued.svid, issued.key, issued.bundle)
}

fn make_folder(folder: &Path, name: &str) -> Result<std::path::PathBuf, Failure> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Where a report comes from; of a gateway's own choice, which device it chose.
fn place(overview: &DeploymentOverview, report: &Report) -> String {
    let target = &overview.target;
    match &report.device {
        Some(device) if device.as_str() != target.to_string() => format!("{target} on {device}"),
        _ => target.to_string(),
    }
}

/// What it says.
fn state(overview: &DeploymentOverview, report: &Report) -> String {
    let version = report.version.as_deref().unwrap_or("?");
    let mut text = format!("{} {version} {}", overview.application, report.state);
    if let Some(manifest) = report.manifest {
        text = format!("{text}, by manifest {manifest}");
    }
    let component = report.components.iter().find_map(|it| it.error.as_ref());
    if let Some(error) = report.error.as_ref().or(component) {
        text = format!("{text}: {} ({})", error.message, error.code);
    }
    text
}

/// Whether a deployment runs as the fleet manager wants it now.
pub(crate) fn is_installed(overview: &DeploymentOverview) -> bool {
    let is_installed = |report: &Report| report.state == DeploymentState::Installed;
    overview.is_gone() || !overview.waiting && overview.reports.iter().all(is_installed)
}

const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
