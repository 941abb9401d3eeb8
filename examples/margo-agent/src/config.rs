//! The configuration file.

mod read;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use margo_client::schedule::Schedule;
use margo_package::oci::Registries;
use margo_types::application::DeploymentType;
use margo_types::id::{ClientId, DeviceId};
use serde::Deserialize;
use url::Url;

use crate::failure::{Failure, Kind};

/// Everything the agent has to be told. Relative paths are below the folder of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the agent keeps what it must not lose; made when missing.
    pub state_directory: PathBuf,
    /// The fleet manager.
    pub fleet_manager: FleetManager,
    /// Who the device is to it.
    pub identity: Identity,
    /// Where the trust bundle comes from; without it, the operator replaces the file.
    pub identity_service: Option<IdentityService>,
    /// The device.
    pub device: Device,
    /// What runs its workloads.
    #[serde(default)]
    pub provider: Provider,
    /// The collector that workloads send their telemetry to.
    pub telemetry: Option<Telemetry>,
    /// Where packages come from; others over HTTPS without credentials.
    #[serde(default)]
    pub registries: Registries,
    /// When to ask for work.
    #[serde(default)]
    pub schedule: Schedule,
    /// The file.
    #[serde(skip)]
    pub file: PathBuf,
}

/// The fleet manager.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FleetManager {
    /// Where it is; may have a path before `/api/v1`. In rc.3, who it is follows from the device's own SVID.
    pub url: Url,
    /// Which generation it speaks.
    #[serde(default)]
    pub generation: Generation,
    /// rc.1: which one of those that differ in details it is; `common` when left out.
    pub profile: Option<String>,
    /// rc.1: the certificate authorities of its HTTPS (PEM). A missing file is fetched when there are pins.
    pub ca_certificates: Option<PathBuf>,
    /// rc.1: SHA-256 digests, in base64, of keys in its certificate chain.
    #[serde(default)]
    pub pins: Vec<String>,
    /// rc.1: the client id, where the fleet manager does not tell it to the device.
    pub client_id: Option<ClientId>,
}

/// The generation of the management interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Generation {
    /// rc.2 and rc.3: mutual TLS.
    #[default]
    Rc3,
    /// rc.1: signed requests.
    Rc1,
}

/// The files of the identity, provisioned by the operator and read again when they change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// The private key (PEM).
    pub key: PathBuf,
    /// rc.3: the X.509-SVID with its intermediates (PEM).
    pub svid: Option<PathBuf>,
    /// rc.3: the trust bundle (SPIFFE JSON, or the anchors in PEM).
    pub trust_bundle: Option<PathBuf>,
    /// rc.1: the certificate that the device enrols with (PEM).
    pub certificate: Option<PathBuf>,
}

/// The service (MIS) that publishes the trust bundle, and how it is recognised: by anchors, pins, or both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityService {
    /// Where to ask for the bundle's address.
    pub discovery: Option<Url>,
    /// Where the bundle is.
    pub bundle: Option<Url>,
    /// The certificate authorities of its HTTPS (PEM).
    pub ca_certificates: Option<PathBuf>,
    /// SHA-256 digests, in base64, of keys in its certificate chain.
    #[serde(default)]
    pub pins: Vec<String>,
}

/// The device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    /// Its id among those of this client.
    pub id: DeviceId,
    /// What it is and offers, as `margo-agent capabilities --write` drafts it and its owner corrects it.
    pub capabilities: PathBuf,
}

/// What runs the workloads.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Provider {
    /// How.
    pub kind: ProviderKind,
    /// Compose: the command, such as `["podman", "compose"]`; found when left out.
    pub command: Option<Vec<String>>,
    /// Compose: the engine's socket, such as `unix:///run/podman/podman.sock`.
    pub docker_host: Option<String>,
    /// Helm: how charts get into the cluster; installed when left out.
    pub mode: Option<HelmMode>,
    /// Helm: the program; `helm` in the path when left out.
    pub program: Option<PathBuf>,
    /// Helm: the kubeconfig of the cluster; `KUBECONFIG` or Helm's own default when left out.
    pub kubeconfig: Option<PathBuf>,
    /// Helm: the context in it; the current one when left out.
    pub context: Option<String>,
    /// Helm: whether a namespace that is missing is made.
    pub create_namespace: Option<bool>,
    /// Helm: what tells the releases of this agent from those of another on the same cluster; `margo` when left out.
    pub owner: Option<String>,
    /// Helm: the secrets with which the cluster pulls images.
    pub image_pull_secrets: Vec<String>,
    /// Helm: who the cluster is to registries that images are pulled from, by `host` or `host:port`.
    pub image_registries: BTreeMap<String, ImageRegistry>,
    /// Helm, templates: the version of Kubernetes that charts are rendered for.
    pub kube_version: Option<String>,
    /// Helm, templates: the versions of APIs that charts may ask for.
    pub api_versions: Vec<String>,
}

/// A registry that images are pulled from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(feature = "helm"),
    allow(dead_code, reason = "without Helm it is refused")
)]
pub(crate) struct ImageRegistry {
    /// The name to log in with.
    pub username: String,
    /// The file with the password; blanks and line ends after it do not count.
    pub password_file: PathBuf,
}

/// How workloads are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProviderKind {
    /// Through an installed container engine.
    #[default]
    Compose,
    /// In a Kubernetes cluster, through an installed `helm`.
    Helm,
    /// Not at all, and only noted in the state directory: for trying out fleet managers.
    Simulated,
}

/// How charts get into the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HelmMode {
    /// Helm installs them.
    #[default]
    Install,
    /// Helm renders them without access to the cluster, and the agent applies what comes out.
    Template,
}

/// The collector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// The URL of OTLP over HTTP.
    pub http_endpoint: String,
    /// The URL of OTLP over gRPC.
    pub grpc_endpoint: Option<String>,
    /// The path, in the containers, of the certificate to use.
    pub certificate: Option<String>,
    /// `http/protobuf` or `grpc`.
    pub protocol: Option<String>,
}

impl ProviderKind {
    /// The type of deployments that are run in this way.
    pub(crate) const fn deployment_type(self) -> DeploymentType {
        match self {
            Self::Compose | Self::Simulated => DeploymentType::Compose,
            Self::Helm => DeploymentType::Helm,
        }
    }
}

impl Config {
    /// A path of the file, seen from here.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("/")).join(path)
    }

    /// A file in the state directory.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.path(&self.state_directory).join(name)
    }

    /// The socket that `margo-agent status` asks.
    pub(crate) fn status_socket(&self) -> PathBuf {
        self.state("status.sock")
    }

    /// Refuses settings that are there but belong to a choice that was not made: one of the two is a mistake.
    pub(crate) fn refuse(
        &self,
        settings: &[(&str, bool)],
        choice: &str,
        remedy: &str,
    ) -> Result<(), Failure> {
        let Some((setting, _)) = settings.iter().find(|(_, is_there)| *is_there) else {
            return Ok(());
        };
        let message = format!(
            "{}, {setting} is for {choice}; remove it, or write {remedy}",
            self.file.display()
        );
        Err(Failure::new(Kind::Configuration, message))
    }

    /// What to say when a setting turns out to be of no use.
    pub(crate) fn wrong(&self, setting: &str, error: &dyn Error) -> Failure {
        let doing = format!("{}, {setting} cannot be used", self.file.display());
        Failure::of(Kind::Configuration, error).while_doing(doing)
    }
}
