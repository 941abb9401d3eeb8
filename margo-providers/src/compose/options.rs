//! How the Compose provider is set up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use margo_package::oci::Client;

use crate::Telemetry;

/// What a [`ComposeProvider`](super::ComposeProvider) needs and may be told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The directory for archives, compose files and what is remembered of each deployment; made when missing. No two
    /// providers share one.
    pub state: PathBuf,
    /// Pulls the archives: with its credentials, its certificates, and plain HTTP only to the hosts it allows.
    pub registry: Client,
    /// The Compose command, such as `["docker", "compose"]`; without one the usual ones are tried.
    pub command: Option<Vec<String>>,
    /// The engine's socket, such as `unix:///run/docker.sock`; without one `DOCKER_HOST` or the engine's own default.
    pub docker_host: Option<String>,
    /// More variables for the engine's programs, such as `DOCKER_CONFIG` with the credentials that images are pulled with.
    /// They come before those inherited: `PATH`, `HOME`, proxies and the engine's own.
    pub environment: BTreeMap<String, String>,
    /// The collector that containers are told of.
    pub telemetry: Option<Telemetry>,
    /// How long a component without `timeout` may take, images included: 15 minutes.
    pub default_timeout: Duration,
    /// How long all containers of a component must have been up, with none started again, before it counts as complete: 2 s.
    /// Many programs find only after they started that they cannot run.
    pub settle: Duration,
    /// What project names start with: `margo`. Devices that share an engine need different ones: 1 to 20 lower-case letters
    /// and digits.
    pub prefix: String,
}

impl Options {
    /// The defaults, with this state directory and this client for archives.
    pub fn new(state: impl Into<PathBuf>, registry: Client) -> Self {
        Self {
            state: state.into(),
            registry,
            command: None,
            docker_host: None,
            environment: BTreeMap::new(),
            telemetry: None,
            default_timeout: Duration::from_mins(15),
            settle: Duration::from_secs(2),
            prefix: "margo".to_owned(),
        }
    }

    /// All variables that programs of the engine are run with.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let inherited = INHERITED.iter().filter_map(|name| {
            let value = std::env::var(name).ok()?;
            Some(((*name).to_owned(), value))
        });
        let mut variables: BTreeMap<String, String> = inherited.collect();
        variables.extend(FIXED.map(|(name, value)| (name.to_owned(), value.to_owned())));
        variables.extend(self.environment.clone());
        if let Some(host) = &self.docker_host {
            variables.remove("DOCKER_CONTEXT");
            variables.insert("DOCKER_HOST".to_owned(), host.clone());
            variables.insert("CONTAINER_HOST".to_owned(), host.clone());
        }
        variables
    }
}

/// What the programs need to find themselves, the engine, its credentials and the network.
const INHERITED: &[&str] = &[
    "ALL_PROXY",
    "CONTAINERS_CONF",
    "CONTAINER_HOST",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "PATH",
    "REGISTRY_AUTH_FILE",
    "SSH_AUTH_SOCK",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
];
/// Output for programs to read.
const FIXED: [(&str, &str); 5] = [
    ("COMPOSE_ANSI", "never"),
    ("COMPOSE_MENU", "false"),
    ("COMPOSE_PROGRESS", "plain"),
    ("DOCKER_CLI_HINTS", "false"),
    ("LC_ALL", "C.UTF-8"),
];
