//! How to reach registries: the options that all commands with a registry share.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use margo_package::oci::{
    Client, CredentialSource, Credentials, DockerConfig, OciError, Reference, RetryPolicy, Secret,
};

use crate::failure::{Failure, Kind};

/// Options for registries.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Registry options")]
pub(crate) struct Connection {
    /// Talk plain HTTP, without encryption, to the registry of the command; or to HOST[:PORT], as often as
    /// needed
    #[arg(
        long,
        value_name = "HOST",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    plain_http: Vec<String>,

    /// Log in to the registry of the command with this name; without it the logins of `docker login` are used
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    username: Option<String>,

    /// Read the password from the standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,

    /// Trust the CA certificates in this PEM file, besides those of the system
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,

    /// Show this client certificate (PEM) to the registry of the command
    #[arg(long, value_name = "FILE", requires = "cert_key")]
    cert: Option<PathBuf>,

    /// The private key (PEM) of the client certificate
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,

    /// How often a request is tried when the connection fails or the registry is busy
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
}

impl Connection {
    /// A client for a command about this artefact or repository.
    pub(crate) fn client(&self, reference: &Reference) -> Result<Client, Failure> {
        let registry = reference.registry();
        let mut builder = Client::builder();
        for host in &self.plain_http {
            builder = builder.plain_http(if host.is_empty() { registry } else { host });
        }
        for file in &self.ca {
            builder = builder.ca_certificates(&read(file)?);
        }
        if let (Some(certificate), Some(key)) = (&self.cert, &self.cert_key) {
            let key = read_secret(key)?;
            builder = builder.client_certificate(registry, &read(certificate)?, &key);
        }
        let own = match &self.username {
            Some(user) => Some(Credentials::password(user, password()?)),
            None => None,
        };
        let credentials = Given {
            registry: registry.to_owned(),
            own,
            docker: DockerConfig::of_user(),
        };
        let mut retry = RetryPolicy::default();
        retry.attempts = self.attempts;
        Ok(builder.credentials(credentials).retry(retry).build()?)
    }
}

/// The login of the command line for its registry, those of Docker for all.
#[derive(Debug)]
struct Given {
    registry: String,
    own: Option<Credentials>,
    docker: Option<DockerConfig>,
}

#[async_trait]
impl CredentialSource for Given {
    async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, OciError> {
        match (&self.own, &self.docker) {
            (Some(own), _) if registry == self.registry => Ok(Some(own.clone())),
            (_, Some(docker)) => docker.credentials(registry).await,
            (_, None) => Ok(None),
        }
    }
}

/// The password on the standard input, without the line break that `echo` leaves.
fn password() -> Result<Secret, Failure> {
    let unreadable = |why: &str| {
        let message = format!("the password on the standard input {why}; pipe it in as UTF-8");
        Failure::new(Kind::Usage, message)
    };
    let mut text = String::new();
    io::stdin()
        .take(MAX_PASSWORD + 1)
        .read_to_string(&mut text)
        .map_err(|_| unreadable("cannot be read"))?;
    if text.len() as u64 > MAX_PASSWORD {
        return Err(unreadable("is longer than 64 KiB"));
    }
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(unreadable("is empty"));
    }
    Ok(Secret::from(password))
}

/// A whole small file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file(path, error);
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_FILE {
        let message = format!(
            "{} has more than 1 MiB; name the right file",
            path.display()
        );
        return Err(Failure::new(Kind::Usage, message));
    }
    fs::read(path).map_err(failed)
}

/// A file with a secret; its content is in no message.
pub(crate) fn read_secret(path: &Path) -> Result<Secret, Failure> {
    let text = String::from_utf8(read(path)?).map_err(|_| {
        let message = format!("{} is not a text; give a key in PEM", path.display());
        Failure::new(Kind::Usage, message)
    })?;
    Ok(Secret::from(text))
}

const MAX_PASSWORD: u64 = 64 << 10;
const MAX_FILE: u64 = 1 << 20;
