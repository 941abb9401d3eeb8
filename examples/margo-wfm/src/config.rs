//! The configuration file.

mod read;
mod signed;

use std::net::SocketAddr;
use std::path::PathBuf;

use margo_package::oci::Registries;
use serde::Deserialize;
use url::Url;

pub use self::signed::SignedConfig;

/// Everything that a fleet manager is told before it starts.
///
/// ```toml
/// listen = "0.0.0.0:8443"
/// public_url = "https://fleet.example:8443"
/// accept = "listed"
///
/// [identity]
/// svid = "identity/wfm.pem"
/// key = "identity/wfm-key.pem"
/// bundle = "identity/bundle.json"
///
/// [state]
/// directory = "state"
///
/// [signed]
/// listen = "0.0.0.0:9443"
/// public_urls = ["https://fleet.example:9443"]
/// certificate = "identity/tls.pem"
/// key = "identity/tls-key.pem"
///
/// [registries."registry.example:5000"]
/// username = "fleet"
/// password_file = "registry-password"
/// ```
///
/// [`Config::load`] takes relative paths from the directory of the file. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where devices connect; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Under which URL they do; `https://` and the address that it listens on when left out.
    #[serde(default, deserialize_with = "read::public_url")]
    pub public_url: Option<Url>,
    /// Which clients are served.
    #[serde(default)]
    pub accept: AcceptPolicy,
    /// Who the fleet manager is.
    pub identity: IdentityConfig,
    /// Where it keeps things.
    pub state: StateConfig,
    /// How clients of the signed generation (rc.1) are served; not at all when left out.
    #[serde(default)]
    pub signed: Option<SignedConfig>,
    /// How registries are reached, by `host` or `host:port`; others over HTTPS and anonymously.
    #[serde(default)]
    pub registries: Registries,
    /// The directory of the file, which relative paths are taken from.
    #[serde(skip)]
    pub directory: PathBuf,
}

/// Which clients are served. Either way their SVID must be one of this fleet manager's namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AcceptPolicy {
    /// Those that were accepted with `client accept`. Others are refused, and listed as waiting.
    #[default]
    Listed,
    /// All that were not refused with `client refuse`: a client is accepted by its first request.
    All,
}

/// The files with the identity of the fleet manager. They are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IdentityConfig {
    /// The X.509-SVID: PEM, the leaf first, then the intermediates.
    pub svid: PathBuf,
    /// Its private key: PEM.
    pub key: PathBuf,
    /// The trust bundle of the trust domain: a SPIFFE bundle (JSON).
    pub bundle: PathBuf,
}

/// Where the fleet manager keeps things.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StateConfig {
    /// Its own directory; made when it is not there.
    pub directory: PathBuf,
    /// The SQLite file; `wfm.db` in the directory when left out.
    #[serde(default)]
    pub database: Option<PathBuf>,
    /// The socket of the admin API; `admin.sock` in the directory when left out.
    #[serde(default)]
    pub admin_socket: Option<PathBuf>,
}

impl Config {
    /// What has to be said; the rest has defaults. Paths are used as they are.
    pub fn new(listen: SocketAddr, identity: IdentityConfig, state: StateConfig) -> Self {
        Self {
            listen,
            public_url: None,
            accept: AcceptPolicy::default(),
            identity,
            state,
            signed: None,
            registries: Registries::default(),
            directory: PathBuf::new(),
        }
    }
}

impl IdentityConfig {
    /// These three files.
    pub fn new(
        svid: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        bundle: impl Into<PathBuf>,
    ) -> Self {
        Self {
            svid: svid.into(),
            key: key.into(),
            bundle: bundle.into(),
        }
    }
}

impl StateConfig {
    /// Everything in this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            database: None,
            admin_socket: None,
        }
    }

    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.database
            .clone()
            .unwrap_or_else(|| self.directory.join("wfm.db"))
    }

    /// The socket of the admin API.
    pub fn admin_socket(&self) -> PathBuf {
        self.admin_socket
            .clone()
            .unwrap_or_else(|| self.directory.join("admin.sock"))
    }
}
