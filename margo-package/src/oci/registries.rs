//! Registries, as the configuration file of an agent or a fleet manager names them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use super::{Client, Credentials, OciError, Secret, StaticCredentials};

/// How registries are reached, by `host` or `host:port`. One that is not named is reached over HTTPS, with the system's
/// certificate authorities and without credentials.
///
/// ```
/// use margo_package::oci::Registries;
///
/// let registries: Registries = serde_json::from_str(r#"{ "127.0.0.1:5000": { "plain_http": true } }"#)?;
/// let client = registries.client(std::path::Path::new("/etc/margo"))?;
/// # let _ = client;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Registries(BTreeMap<String, RegistryAccess>);

impl Registries {
    /// The same, and this one.
    #[must_use]
    pub fn with(mut self, host: &str, access: RegistryAccess) -> Self {
        self.0.insert(host.to_owned(), access);
        self
    }

    /// A client that reaches them so. Relative paths are below `base`, the folder of the configuration file.
    ///
    /// # Errors
    /// [`RegistriesError`] when a file cannot be read, or a registry is described in part.
    pub fn client(&self, base: &Path) -> Result<Client, RegistriesError> {
        let mut builder = Client::builder();
        let mut credentials = StaticCredentials::new();
        for (host, access) in &self.0 {
            let read = |path: &Path| {
                let path = base.join(path);
                fs::read(&path).map_err(|source| RegistriesError::File { path, source })
            };
            let incomplete = |have, lack| RegistriesError::Incomplete {
                host: host.clone(),
                have,
                lack,
            };
            if access.plain_http {
                builder = builder.plain_http(host);
            }
            if let Some(path) = &access.ca_certificates {
                builder = builder.ca_certificates(&read(path)?);
            }
            match (&access.username, &access.password_file) {
                (Some(user), Some(file)) => {
                    let password = String::from_utf8_lossy(&read(file)?).trim_end().to_owned();
                    credentials = credentials.with(host, Credentials::password(user, password));
                }
                (Some(_), None) => return Err(incomplete("username", "password_file")),
                (None, Some(_)) => return Err(incomplete("password_file", "username")),
                (None, None) => {}
            }
            match (&access.client_certificate, &access.client_key) {
                (Some(certificate), Some(key)) => {
                    let key = Secret::new(String::from_utf8_lossy(&read(key)?));
                    builder = builder.client_certificate(host, &read(certificate)?, &key);
                }
                (Some(_), None) => return Err(incomplete("client_certificate", "client_key")),
                (None, Some(_)) => return Err(incomplete("client_key", "client_certificate")),
                (None, None) => {}
            }
        }
        Ok(builder.credentials(credentials).build()?)
    }
}

/// How one registry is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RegistryAccess {
    /// Over HTTP without TLS: what is pulled is still checked by its digest, but anybody can read it and the credentials.
    pub plain_http: bool,
    /// The name to log in with.
    pub username: Option<String>,
    /// The file with the password; blanks and line ends after it do not count.
    pub password_file: Option<PathBuf>,
    /// Certificate authorities (PEM) that are trusted besides the system's.
    pub ca_certificates: Option<PathBuf>,
    /// The certificate (PEM, chain included) that is shown to this registry.
    pub client_certificate: Option<PathBuf>,
    /// The key of that certificate (PEM).
    pub client_key: Option<PathBuf>,
}

impl RegistryAccess {
    /// Over HTTP without TLS.
    pub fn plain_http() -> Self {
        Self {
            plain_http: true,
            ..Self::default()
        }
    }
}

/// Why there is no client for the registries.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistriesError {
    /// A file that is named cannot be read.
    #[error("{} cannot be read; correct its path or its permissions", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Of two settings that belong together one is missing.
    #[error("registry {host} has a {have} but no {lack}; write both or none")]
    Incomplete {
        /// The registry.
        host: String,
        /// The setting that is there.
        have: &'static str,
        /// The one that is not.
        lack: &'static str,
    },
    /// The client cannot be set up with these certificates.
    #[error("the registry client cannot be set up")]
    Client(#[from] OciError),
}
