//! How the Helm provider is set up.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use margo_package::oci::{Client, Credentials};
use serde::{Deserialize, Serialize};

use crate::{ProviderError, Telemetry, Trouble};

/// What a [`HelmProvider`](super::HelmProvider) needs and may be told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The directory for charts, values and what is remembered of each deployment; made when missing. No two providers share
    /// one.
    pub state: PathBuf,
    /// Pulls the charts: with its credentials, its certificates, and plain HTTP only to the hosts it allows.
    pub registry: Client,
    /// How charts come to the cluster: [`Mode::Install`].
    pub mode: Mode,
    /// The `helm` to use; without one that of the `PATH`.
    pub program: Option<PathBuf>,
    /// The file that says how to reach the cluster; without one `KUBECONFIG`, `~/.kube/config` or, in a pod, its service
    /// account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in that file; without one its current context.
    pub context: Option<String>,
    /// The namespace of deployments that name none, as those of older generations: `default`.
    pub default_namespace: String,
    /// Whether a namespace that is missing is made. It is never removed again. Without it the deployment fails and says so.
    pub create_namespace: bool,
    /// Names of secrets, in the namespace of the deployment, that images are pulled with: added to every pod.
    pub image_pull_secrets: Vec<String>,
    /// A user and a password for each private registry that images are pulled from, by its host, such as
    /// `registry.example:5000`. A secret with them is made beside each release, added to every pod, and removed with it.
    pub image_credentials: BTreeMap<String, Credentials>,
    /// The collector that containers are told of.
    pub telemetry: Option<Telemetry>,
    /// How long a component without `timeout` may take: 15 minutes.
    pub default_timeout: Duration,
    /// More variables for `helm` and the programs that its kubeconfig names. They come before those inherited: `PATH`, `HOME`,
    /// proxies and those of a pod.
    pub environment: BTreeMap<String, String>,
    /// Whose releases and objects these are: `margo`. Devices that share a cluster, as in a demonstration, need different
    /// ones: 1 to 20 lower-case letters and digits.
    pub owner: String,
}

/// How charts come to the cluster.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Mode {
    /// `helm` installs, upgrades and uninstalls releases. What charts must not depend on (hooks, custom resource definitions,
    /// `lookup`) works and is logged as a warning.
    #[default]
    Install,
    /// `helm` renders without access to the cluster, and the provider applies the objects. Charts with hooks, custom resource
    /// definitions or `lookup` are refused.
    Template(TemplateOptions),
}

impl Mode {
    /// Which one it is, whatever is set in it.
    pub(super) const fn name(&self) -> ModeName {
        match self {
            Self::Install => ModeName::Install,
            Self::Template(_) => ModeName::Template,
        }
    }
}

/// One of the modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModeName {
    Install,
    Template,
}

impl fmt::Display for ModeName {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Install => "install mode",
            Self::Template => "template mode",
        })
    }
}

/// What charts are rendered for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateOptions {
    /// The version of Kubernetes that charts are told, such as `1.32.0`.
    pub kube_version: String,
    /// The APIs that `.Capabilities.APIVersions.Has` knows, beside those that Helm itself knows, such as
    /// `monitoring.coreos.com/v1` or `monitoring.coreos.com/v1/ServiceMonitor`.
    pub api_versions: Vec<String>,
}

impl TemplateOptions {
    /// For this version of Kubernetes, with no other APIs than its own.
    pub fn new(kube_version: impl Into<String>) -> Self {
        Self {
            kube_version: kube_version.into(),
            api_versions: Vec::new(),
        }
    }
}

impl Options {
    /// The defaults, with this state directory and this client for charts.
    pub fn new(state: impl Into<PathBuf>, registry: Client) -> Self {
        Self {
            state: state.into(),
            registry,
            mode: Mode::Install,
            program: None,
            kubeconfig: None,
            context: None,
            default_namespace: "default".to_owned(),
            create_namespace: false,
            image_pull_secrets: Vec::new(),
            image_credentials: BTreeMap::new(),
            telemetry: None,
            default_timeout: Duration::from_mins(15),
            environment: BTreeMap::new(),
            owner: "margo".to_owned(),
        }
    }

    /// All variables that `helm` is run with. None of `HELM_…` is inherited: repositories, plugins and registries of whoever
    /// started the device are none of ours.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let inherited = INHERITED.iter().filter_map(|name| {
            let value = std::env::var(name).ok()?;
            Some(((*name).to_owned(), value))
        });
        let mut variables: BTreeMap<String, String> = inherited.collect();
        variables.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
        variables.insert("HELM_DRIVER".to_owned(), "secret".to_owned());
        for (name, directory) in DIRECTORIES {
            let path = self.state.join("helm").join(directory);
            variables.insert((*name).to_owned(), path.display().to_string());
        }
        variables.extend(self.environment.clone());
        if let Some(kubeconfig) = &self.kubeconfig {
            variables.insert("KUBECONFIG".to_owned(), kubeconfig.display().to_string());
        }
        variables
    }

    /// Whether they can be used at all.
    pub(super) fn check(&self) -> Result<(), ProviderError> {
        let is_token =
            |credentials: &Credentials| !matches!(credentials, Credentials::Password { .. });
        let mut credentials = self.image_credentials.iter();
        if let Some((registry, _)) = credentials.find(|(_, credentials)| is_token(credentials)) {
            let message = format!(
                "the image credentials for {registry} are a token, which Kubernetes has no use for; give a user and a password"
            );
            return Err(ProviderError::new(Trouble::Device, message));
        }
        let allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z');
        if (1..=20).contains(&self.owner.len()) && self.owner.bytes().all(allowed) {
            return Ok(());
        }
        let message = format!(
            "the owner {:?} is not usable; write 1 to 20 lower-case letters and digits",
            self.owner
        );
        Err(ProviderError::new(Trouble::Device, message))
    }
}

/// What `helm`, and what a kubeconfig has it run, need to find themselves, the cluster and the network.
const INHERITED: &[&str] = &[
    "ALL_PROXY",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
];
/// Where Helm keeps its own files, below the state directory.
const DIRECTORIES: &[(&str, &str)] = &[
    ("HELM_CACHE_HOME", "cache"),
    ("HELM_CONFIG_HOME", "config"),
    ("HELM_DATA_HOME", "data"),
    ("KUBECACHEDIR", "kube"),
];
