//! The arguments of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use margo_types::SpecVersion;
use margo_types::id::{ClientId, TrustDomain};
use margo_wfm::operations::Destination;

/// A small workload fleet manager for Margo.
///
/// Exit codes: 0 done; 1 the package or the answers are not valid; 2 the command or the configuration makes no sense; 3 the
/// registry; 4 a file, the port, the identity or the database; 5 the fleet cannot do it, as when no device fits; 6 the fleet
/// manager is not running; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "margo-wfm", version)]
pub(crate) struct Cli {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "margo-wfm.toml"
    )]
    pub(crate) config: PathBuf,

    /// Print one JSON object: `ok` with `result` or `error`.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve devices and the other commands until interrupted.
    Run,
    /// Make identities for development. Works without a running fleet manager.
    #[command(subcommand)]
    Identity(Identity),
    /// Import and list application packages.
    #[command(subcommand)]
    Package(Package),
    /// Decide which clients are served.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Decide about the certificates of clients that sign their requests (rc.1).
    #[command(subcommand)]
    Enrolment(Enrolment),
    /// Look at the devices that clients reported.
    #[command(subcommand)]
    Device(Device),
    /// Deploy an application to a device.
    Deploy(Deploy),
    /// Bring a deployment to another version of its application.
    Update(Update),
    /// Change values of a deployment.
    Reconfigure(Reconfigure),
    /// Take a deployment away; it stays in the status until the device has reported its removal.
    Remove(OneDeployment),
    /// Show how deployments fare.
    Status(Status),
    /// Show what was decided about a deployment and what was reported on it.
    History(OneDeployment),
    /// Copy database, packages and journal while the fleet manager runs.
    Backup {
        /// The directory to make.
        directory: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// Make a trust domain FOR DEVELOPMENT ONLY: an authority, the fleet manager and some clients.
    Init {
        /// The directory to make.
        #[arg(default_value = "development-identity")]
        directory: PathBuf,
        /// The trust domain.
        #[arg(long, default_value = "development.invalid", value_parser = TrustDomain::parse)]
        trust_domain: TrustDomain,
        /// The id of the fleet manager.
        #[arg(long, default_value = "wfm")]
        wfm_id: String,
        /// A client to issue an SVID to; as often as needed.
        #[arg(long = "client", value_name = "CLIENT", value_parser = ClientId::parse)]
        clients: Vec<ClientId>,
    },
    /// Issue an SVID to one more client.
    Issue {
        /// The client.
        #[arg(value_parser = ClientId::parse)]
        client: ClientId,
        /// The directory that `init` made.
        #[arg(long, default_value = "development-identity")]
        directory: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Package {
    /// Import a package from a registry or a directory.
    Import {
        /// `oci://HOST/REPO:TAG`, or a directory with `margo.yaml`.
        source: String,
    },
    /// List the packages that can be deployed.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Serve a client.
    Accept {
        /// The client.
        #[arg(value_parser = ClientId::parse)]
        client: ClientId,
        /// Where it is, say.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Serve a client no longer.
    Refuse {
        /// The client.
        #[arg(value_parser = ClientId::parse)]
        client: ClientId,
        /// Why; the client is told.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// List the clients: accepted, refused, and waiting to be either.
    List,
    /// Make a client one of another generation; everything is published for it anew.
    Generation {
        /// The client.
        #[arg(value_parser = ClientId::parse)]
        client: ClientId,
        /// rc.1, whose clients sign their requests, or rc.3.
        #[arg(value_parser = SpecVersion::parse)]
        generation: SpecVersion,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Enrolment {
    /// List the certificates: accepted, rejected, and waiting to be either.
    List,
    /// Accept a certificate before its client asks with it.
    Register(Register),
    /// Accept a certificate that waits.
    Approve {
        /// Its fingerprint, or a unique beginning of it.
        fingerprint: String,
        /// The client that it is a new certificate of; without it a new client, unless the key is known.
        #[arg(long, value_parser = ClientId::parse)]
        client: Option<ClientId>,
        /// Where it is, say.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Reject a certificate that waits.
    Reject {
        /// Its fingerprint, or a unique beginning of it.
        fingerprint: String,
        /// Why; whoever asks with it is told.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// End an accepted certificate, such as one that was renewed or stolen.
    Retire {
        /// Its fingerprint, or a unique beginning of it.
        fingerprint: String,
        /// Why; whoever asks with it is told.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Forget a certificate that waits or was rejected, or all that wait.
    Forget(Forget),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Forget {
    /// Its fingerprint, or a unique beginning of it.
    pub(crate) fingerprint: Option<String>,
    /// All that wait.
    #[arg(long)]
    pub(crate) pending: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    /// The client; new unless it is known.
    #[arg(value_parser = ClientId::parse)]
    pub(crate) client: ClientId,
    #[command(flatten)]
    pub(crate) credential: CredentialArguments,
    /// Where it is, say.
    #[arg(long, default_value = "")]
    pub(crate) note: String,
}

/// The certificate or a fingerprint.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct CredentialArguments {
    /// The file of the certificate: PEM, or base64 of DER.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// The SHA-256 of the certificate or of its key.
    #[arg(long, value_name = "SHA256")]
    pub(crate) fingerprint: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// List the devices.
    List,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// APPLICATION, for what was imported last, or APPLICATION:VERSION.
    pub(crate) package: String,
    /// The deployment profile; without it the first that fits.
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// CLIENT/DEVICE, or CLIENT/GATEWAY/* to let the gateway choose; without it the first that fits.
    #[arg(long, value_name = "CLIENT/DEVICE")]
    pub(crate) device: Option<Destination>,
    #[command(flatten)]
    pub(crate) values: Values,
    /// Also to a client or device that is not accepted or has not reported yet.
    #[arg(long, requires = "device")]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Its id, a unique beginning of it, or its name.
    pub(crate) deployment: String,
    /// The version of the application; without it what was imported last.
    #[arg(long = "version", value_name = "VERSION")]
    pub(crate) to: Option<String>,
    /// The deployment profile; without it the deployed one.
    #[arg(long)]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) values: Values,
}

#[derive(Debug, Args)]
pub(crate) struct Reconfigure {
    /// Its id, a unique beginning of it, or its name.
    pub(crate) deployment: String,
    #[command(flatten)]
    pub(crate) values: Values,
}

#[derive(Debug, Args)]
pub(crate) struct OneDeployment {
    /// Its id, a unique beginning of it, or its name.
    pub(crate) deployment: String,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Show it again with every change, until interrupted.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Also deployments that were reported removed.
    #[arg(long)]
    pub(crate) all: bool,
}

/// Values for parameters.
#[derive(Debug, Args)]
pub(crate) struct Values {
    /// Give a parameter this value; as often as needed.
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Take values from a YAML or JSON file, one `parameter: value` a line; --set wins.
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: Option<PathBuf>,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
