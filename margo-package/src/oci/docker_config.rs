//! The credentials that `docker login`, `helm registry login` and `skopeo login` leave behind.

mod helper;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::credentials::{CredentialSource, Credentials};
use super::error::{Failure, OciError, Place};
use super::secret::Secret;

/// Credentials from a Docker configuration file: `auths`, `credHelpers` and `credsStore`.
///
/// The file is read whenever credentials are needed, so a new login takes effect without a restart. A
/// file that does not exist means no credentials. Helpers (`docker-credential-*`) are run without a
/// shell, with a cleared environment and within a time limit.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    path: PathBuf,
    helper_timeout: Duration,
}

impl DockerConfig {
    /// The credentials in this file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            helper_timeout: Duration::from_secs(30),
        }
    }

    /// The file of the current user: `$DOCKER_CONFIG/config.json`, or else `~/.docker/config.json`.
    ///
    /// `None` when neither `DOCKER_CONFIG` nor `HOME` (`USERPROFILE` on Windows) is set.
    pub fn of_user() -> Option<Self> {
        let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = set("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&set(home)?).join(".docker")))?;
        Some(Self::at(folder.join("config.json")))
    }

    /// The same, waiting this long for a credential helper; 30 s by default.
    #[must_use]
    pub fn helper_timeout(mut self, timeout: Duration) -> Self {
        self.helper_timeout = timeout;
        self
    }

    async fn read(&self, place: &Place) -> Result<ConfigFile, OciError> {
        let unusable = |why: &str| OciError::Environment {
            place: place.clone(),
            failure: Failure::DockerConfig {
                path: self.path.display().to_string(),
                why: why.to_owned(),
            },
            source: None,
        };
        let length = match tokio::fs::metadata(&self.path).await {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(ConfigFile::default());
            }
            Err(error) => return Err(OciError::file(place, self.path.display(), error)),
        };
        if length > MAX_FILE {
            return Err(unusable("it is larger than 1 MiB"));
        }
        let text = tokio::fs::read(&self.path)
            .await
            .map_err(|error| OciError::file(place, self.path.display(), error))?;
        // The parser's message could quote a password: say only where it stopped.
        serde_json::from_slice(&text).map_err(|error| {
            unusable(&format!(
                "it is not the expected JSON at line {}",
                error.line()
            ))
        })
    }
}

#[async_trait]
impl CredentialSource for DockerConfig {
    async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, OciError> {
        let place = Place::new("credentials", format_args!("registry {registry}"));
        let config = self.read(&place).await?;
        let key = config_key(registry);

        if let Some(name) = config.helper_for(registry) {
            let found = helper::run(name, key, self.helper_timeout, &place).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let Some(entry) = config.entry_for(registry) else {
            return Ok(None);
        };
        entry.credentials().map_err(|why| OciError::Environment {
            place,
            failure: Failure::DockerConfig {
                path: self.path.display().to_string(),
                why: why.to_owned(),
            },
            source: None,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConfigFile {
    auths: HashMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: HashMap<String, String>,
}

impl ConfigFile {
    fn helper_for(&self, registry: &str) -> Option<&str> {
        let own = self
            .cred_helpers
            .iter()
            .find(|(key, _)| names(key, registry));
        own.map(|(_, helper)| helper)
            .or(self.creds_store.as_ref())
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    fn entry_for(&self, registry: &str) -> Option<&Entry> {
        self.auths.get(registry).or_else(|| {
            let other = self.auths.iter().find(|(key, _)| names(key, registry));
            other.map(|(_, entry)| entry)
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, &'static str> {
        let given = |secret: &Option<Secret>| secret.clone().filter(|s| !s.expose().is_empty());
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Some(Credentials::BearerToken(token)));
        }
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credentials::RefreshToken(token)));
        }
        if let Some(auth) = given(&self.auth) {
            let decoded = STANDARD.decode(auth.expose()).ok();
            let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or("a member `auth` is not base64 of a text")?;
            let (user, password) = text
                .split_once(':')
                .ok_or("a member `auth` does not hold a name and a password")?;
            // Docker pads the password with zero bytes.
            return Ok(Some(Credentials::password(
                user,
                password.trim_end_matches('\0'),
            )));
        }
        Ok(match (&self.username, given(&self.password)) {
            (Some(user), Some(password)) => Some(Credentials::password(user, password)),
            _ => None,
        })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

const MAX_FILE: u64 = 1 << 20;
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The name under which the configuration and the helpers know a registry.
fn config_key(registry: &str) -> &str {
    if registry == "docker.io" {
        DOCKER_HUB_KEY
    } else {
        registry
    }
}

/// Whether the key of an entry, perhaps a URL, names the registry.
fn names(key: &str, registry: &str) -> bool {
    if key == config_key(registry) {
        return true;
    }
    let rest = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    let host = rest.unwrap_or(key).split('/').next().unwrap_or_default();
    // An entry for a part of a registry does not speak for all of it.
    let is_whole = rest.is_some() || !key.contains('/');
    is_whole && host.eq_ignore_ascii_case(registry)
}
