//! Everything that runs: the registry, the fleet manager, the network between, and the devices.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use margo_client::identity::{IdentityFiles, SigningFiles};
use margo_conformance::authority::Authority;
use margo_conformance::registry::Registry;
use margo_package::oci::{Registries, RegistryAccess};
use margo_providers::Provider;
use margo_providers::compose::{ComposeProvider, Options};
use margo_providers::simulated::SimulatedProvider;
use margo_server_traits::signed::PublicUrl;
use margo_types::id::{ClientId, DeploymentId, DeviceTarget, TrustDomain};
use margo_types::status::DeploymentState;
use margo_wfm::config::{IdentityConfig, SignedConfig, StateConfig};
use margo_wfm::identity::{DevelopmentDomain, IssuedFiles};
use margo_wfm::operations::{
    CredentialText, DecideClient, DeploymentOverview, ListClients, ListDevices,
    RegisterCertificate, Report, Status,
};
use margo_wfm::{Config, Manager, Wfm};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use crate::cluster::{ClusterChoice, RackCluster};
use crate::device::{Device, DeviceIdentity, Host, Running};
use crate::image::Image;
use crate::narrator::Narrator;
use crate::network::Network;
use crate::{Failure, package};

/// A fleet of four clients. The panel, the press and the mill are devices, of which the mill speaks the signed generation;
/// the gateway connects two more. The rack, a device with Kubernetes, is a fifth client where it is asked for.
pub(crate) struct Fleet {
    /// Where packages are.
    pub registry: Registry,
    /// The fleet manager, as its operator sees it.
    pub manager: Arc<Manager>,
    /// The network between the fleet manager and the devices.
    pub network: Network,
    /// The devices, in the order of [`CLIENTS`], and then the rack.
    pub devices: Vec<(Device, Option<Running>)>,
    /// The script of the panel's workloads, where no engine runs them.
    pub panel_script: Option<Arc<SimulatedProvider>>,
    /// The cluster of the rack.
    pub rack: Option<RackCluster>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), margo_wfm::Failure>>,
    /// What the panel's containers are made of, where an engine runs them.
    image: Option<Image>,
    /// The place of all files; it goes last.
    folder: TempDir,
}

/// What the devices are to run their workloads with.
#[derive(Clone, Debug)]
pub(crate) struct Equipment {
    /// No containers, even where there is an engine.
    pub simulated: bool,
    /// The cluster of the rack; without one there is no rack.
    pub cluster: Option<ClusterChoice>,
}

/// What runs the panel's workloads.
struct PanelProvider {
    provider: Arc<dyn Provider>,
    script: Option<Arc<SimulatedProvider>>,
    image: Option<Image>,
}

/// The clients of every fleet.
const CLIENTS: [&str; 4] = ["panel", "press", "gateway", "mill"];
/// The client with a cluster, and its device.
pub(crate) const RACK: &str = "rack";
/// The panel's place in [`Fleet::devices`].
pub(crate) const PANEL: usize = 0;
/// The press's place in [`Fleet::devices`].
pub(crate) const PRESS: usize = 1;
/// The client that signs its requests.
const SIGNER: &str = "mill";
/// How many devices are behind the gateway.
const CHILDREN: usize = 2;

impl Fleet {
    /// Starts everything and waits until every device has said what it is.
    ///
    /// # Errors
    /// When something does not start.
    pub(crate) async fn start(
        narrator: &mut Narrator,
        equipment: &Equipment,
    ) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix(FOLDER_PREFIX)
            .rand_bytes(8)
            .tempdir()?;
        let registry = Registry::start().await;
        // First of all: what is missing is said at once.
        let rack = match &equipment.cluster {
            Some(choice) => {
                Some(RackCluster::start(narrator, choice, &registry, folder.path()).await?)
            }
            None => None,
        };
        let domain = DevelopmentDomain::init(
            &identity_folder(folder.path()),
            &TrustDomain::parse("quickstart.example")?,
            "quickstart",
            &[],
        )?;
        let network = Network::new().await;
        let wfm = open_wfm(&domain, &registry, &network, folder.path()).await?;
        let manager = wfm.manager();
        network.lead_to(&wfm)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(wfm.serve(async {
            // Dropping the fleet stops it, too.
            let _ = stopped.await;
        }));

        let panel =
            PanelProvider::choose(narrator, &registry, folder.path(), equipment.simulated).await?;
        let simulated = || -> Arc<dyn Provider> { Arc::new(SimulatedProvider::new()) };
        let mut hosts = vec![
            (Host::new("panel", panel.provider)?, Vec::new()),
            (Host::new("press", simulated())?, Vec::new()),
            (
                Host::gateway("gateway")?,
                vec![
                    Host::new("gateway/north", simulated())?,
                    Host::new("gateway/south", simulated())?,
                ],
            ),
            (Host::new(SIGNER, simulated())?, Vec::new()),
        ];
        if let Some(rack) = &rack {
            hosts.push((Host::new(RACK, rack.provider.clone())?, Vec::new()));
        }
        let mut devices = Vec::new();
        for (client, (host, children)) in CLIENTS.into_iter().chain([RACK]).zip(hosts) {
            let client = ClientId::parse(client)?;
            let own_folder = make_folder(folder.path(), client.as_str())?;
            let (identity, url) = if client.as_str() == SIGNER {
                let identity = register_signer(&manager, &client, folder.path()).await?;
                (identity, network.signed_url())
            } else {
                manager
                    .run(DecideClient::accept(client.clone(), "the quickstart"))
                    .await?;
                (identity_files(domain.issue(&client)?), network.url())
            };
            let device = Device {
                fleet_manager: Url::parse(&url)?,
                folder: own_folder,
                identity,
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
            panel_script: panel.script,
            rack,
            stop,
            serving,
            image: panel.image,
            folder,
        };
        fleet.wait_for_devices(narrator).await?;
        Ok(fleet)
    }

    /// A folder for files that go with the fleet.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The name of the image that the sample runs, different for each fleet on an engine.
    pub(crate) fn image(&self) -> String {
        image_name(self.folder.path())
    }

    /// Waits until the fleet manager knows from reports that it is so, and tells every report that is news.
    ///
    /// # Errors
    /// When it takes too long, will not become so, or what the fleet manager has cannot be read.
    pub(crate) async fn until(
        &self,
        narrator: &mut Narrator,
        is_so: impl Fn(&DeploymentOverview) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let overviews = self.manager.run(Status::of_all()).await?.entries;
            for overview in &overviews {
                for report in &overview.reports {
                    narrator.see(&place(overview, report), &state(overview, report));
                }
            }
            let mut missing = Vec::new();
            for overview in &overviews {
                if !is_so(overview)? {
                    missing.push(overview.target.to_string());
                }
            }
            if !overviews.is_empty() && missing.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let missing = missing.join(", ");
                let patience = PATIENCE.as_secs();
                return Err(format!("nothing after {patience} s from {missing}").into());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Stops everything and removes what is left on the devices, whatever happened before.
    ///
    /// # Errors
    /// What could not be stopped or removed.
    pub(crate) async fn end(self) -> Result<Vec<DeploymentId>, Failure> {
        let mut left = Vec::new();
        let mut problems = Vec::new();
        for (device, running) in self.devices {
            if let Some(running) = running {
                running.switch_off().await;
            }
            for host in [&device.host].into_iter().chain(&device.children) {
                match host.clear().await {
                    Ok(found) => left.extend(found),
                    Err(error) => problems.push(error.to_string()),
                }
            }
        }
        let in_cluster = self.rack.iter().flat_map(RackCluster::left);
        problems.extend(in_cluster.map(|object| format!("{object} was left in the cluster")));
        let _ = self.stop.send(());
        if let Err(error) = self.serving.await? {
            problems.push(error.to_string());
        }
        drop(self.image);
        if problems.is_empty() {
            Ok(left)
        } else {
            Err(problems.join("\n").into())
        }
    }

    async fn wait_for_devices(&self, narrator: &mut Narrator) -> Result<(), Failure> {
        let begun = Instant::now();
        let expected = self.devices.len() + CHILDREN;
        loop {
            let known = self.manager.run(ListDevices {}).await?.entries;
            for device in &known {
                narrator.see(device.device.as_str(), "reported what it is");
            }
            if known.len() == expected {
                for client in self.manager.run(ListClients {}).await? {
                    narrator.generation(client.client.as_str(), client.generation.as_str());
                }
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("only {} of {expected} devices came", known.len()).into());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

async fn open_wfm(
    domain: &DevelopmentDomain,
    registry: &Registry,
    network: &Network,
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
    let identity = identity_folder(folder);
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut signed = SignedConfig::new(any, identity.join("tls.pem"), identity.join("tls-key.pem"));
    signed.public_urls = vec![PublicUrl::parse(&network.signed_url())?];
    config.signed = Some(signed);
    config.registries = Registries::default().with(&registry.host(), RegistryAccess::plain_http());
    Ok(Wfm::open(&config).await?)
}

impl PanelProvider {
    /// The container engine of this machine, or else a simulated provider with a script. Tells which it is, and why.
    async fn choose(
        narrator: &mut Narrator,
        registry: &Registry,
        folder: &Path,
        simulated: bool,
    ) -> Result<Self, Failure> {
        let found = if simulated {
            Err("as --simulated asks for".to_owned())
        } else {
            Self::compose(narrator, registry, folder).await?
        };
        Ok(found.unwrap_or_else(|why| {
            narrator.simulated(why);
            let provider = Arc::new(SimulatedProvider::new());
            Self {
                provider: provider.clone(),
                script: Some(provider),
                image: None,
            }
        }))
    }

    /// The container engine, or why there is none to use.
    async fn compose(
        narrator: &mut Narrator,
        registry: &Registry,
        folder: &Path,
    ) -> Result<Result<Self, String>, Failure> {
        let mut options =
            Options::new(folder.join("workloads"), package::client(&registry.host())?);
        // Fleets that run at the same time share the engine, and must not take each other's containers for their own.
        options.prefix = format!("quickstart{}", run_name(folder));
        let provider = match ComposeProvider::detect(options).await {
            Ok(provider) => provider,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let found = provider.found().to_string();
        let program = if found.starts_with("podman") {
            "podman"
        } else {
            "docker"
        };
        Ok(Image::import(program, &image_name(folder)).map(|image| {
            narrator.engine(found);
            Self {
                provider: Arc::new(provider),
                script: None,
                image: Some(image),
            }
        }))
    }
}

/// What tells this fleet from others at the same time.
pub(crate) fn run_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches(FOLDER_PREFIX).to_ascii_lowercase()
}

fn image_name(folder: &Path) -> String {
    format!("margo-quickstart:{}", run_name(folder))
}

/// A key and a certificate of the device's own making, which the operator registers.
async fn register_signer(
    manager: &Manager,
    client: &ClientId,
    folder: &Path,
) -> Result<DeviceIdentity, Failure> {
    let own = Authority::new(&TrustDomain::parse("mills.example")?);
    let issued = own.issue_tls(client.as_str());
    let (key, certificate) = (folder.join("mill.key"), folder.join("mill.pem"));
    std::fs::write(&key, issued.key_pem)?;
    std::fs::write(&certificate, &issued.chain_pem)?;
    let credential = CredentialText::Certificate(issued.chain_pem);
    let register = RegisterCertificate::new(client.clone(), credential);
    manager.run(register).await?;
    let mut files = SigningFiles::new(key, certificate);
    files.ca_certificates = Some(identity_folder(folder).join("development-ca.pem"));
    Ok(DeviceIdentity::Key(files))
}

/// What the authority of the fleet has made.
fn identity_folder(folder: &Path) -> PathBuf {
    folder.join("identity")
}

fn identity_files(issued: IssuedFiles) -> DeviceIdentity {
    DeviceIdentity::Svid(IdentityFiles::new(issued.svid, issued.key, issued.bundle))
}

fn make_folder(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Where a report comes from; of a gateway's own choice, the device it chose.
fn place(overview: &DeploymentOverview, report: &Report) -> String {
    match (&overview.target, &report.device) {
        (DeviceTarget::AnyBehind(_), Some(device)) => format!("{device} (for *)"),
        (target, _) => target.to_string(),
    }
}

/// What it says.
fn state(overview: &DeploymentOverview, report: &Report) -> String {
    let application = overview.application.as_str();
    let application = application
        .rsplit_once('-')
        .map_or(application, |(_, name)| name);
    let version = report.version.as_deref().unwrap_or("?");
    let mut text = format!("{application} {version} {}", report.state);
    if let Some(manifest) = report.manifest {
        text = format!("{text} (manifest {manifest})");
    }
    let component = report.components.iter().find_map(|it| it.error.as_ref());
    if let Some(error) = report.error.as_ref().or(component) {
        text = format!("{text}\n{}: {}", error.code, error.message);
    }
    text
}

/// Whether a deployment runs as the fleet manager wants it now.
///
/// # Errors
/// When it failed.
pub(crate) fn is_installed(overview: &DeploymentOverview) -> Result<bool, Failure> {
    let is_installed = |report: &Report| report.state == DeploymentState::Installed;
    if overview.is_gone() {
        return Ok(true);
    }
    if let Some(report) = failure(overview) {
        let (place, state) = (place(overview, report), state(overview, report));
        return Err(format!("{place}: {state}").into());
    }
    Ok(!overview.waiting && overview.reports.iter().all(is_installed))
}

/// The report that the present state of a deployment failed.
pub(crate) fn failure(overview: &DeploymentOverview) -> Option<&Report> {
    let has_failed = |report: &&Report| report.state == DeploymentState::Failed;
    let mut reports = overview.reports.iter();
    reports.find(has_failed).filter(|_| !overview.waiting)
}

const FOLDER_PREFIX: &str = "margo-quickstart-";
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
