//! Who we are to a registry, and where that knowledge comes from.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use super::error::OciError;
use super::secret::Secret;

/// How to authenticate to one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A name and a password, given to the registry itself or to its token service.
    Password {
        /// The user name.
        user: String,
        /// The password or access token.
        password: Secret,
    },
    /// A refresh token, which the token service turns into short-lived tokens (`identitytoken`).
    RefreshToken(Secret),
    /// A token that the registry takes as it is (`registrytoken`).
    BearerToken(Secret),
}

impl Credentials {
    /// A name and a password.
    pub fn password(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Password {
            user: user.into(),
            password: password.into(),
        }
    }
}

/// Gives the credentials for a registry.
///
/// It is asked once per registry and scope, and only after the registry itself demanded authentication;
/// a host that a redirect leads to is never asked for. [`DockerConfig`](super::DockerConfig) reads
/// those of the Docker command line, [`StaticCredentials`] holds a few in memory.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync {
    /// The credentials for `registry` (`host` or `host:port`), or `None` to stay anonymous.
    async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, OciError>;
}

/// Stays anonymous everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anonymous;

#[async_trait]
impl CredentialSource for Anonymous {
    async fn credentials(&self, _: &str) -> Result<Option<Credentials>, OciError> {
        Ok(None)
    }
}

/// Credentials in memory, by registry.
#[derive(Clone, Debug, Default)]
pub struct StaticCredentials(BTreeMap<String, Credentials>);

impl StaticCredentials {
    /// No credentials yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, and these for `registry` (`host` or `host:port`, as in a reference).
    #[must_use]
    pub fn with(mut self, registry: &str, credentials: Credentials) -> Self {
        self.0.insert(registry.to_ascii_lowercase(), credentials);
        self
    }
}

#[async_trait]
impl CredentialSource for StaticCredentials {
    async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, OciError> {
        Ok(self.0.get(registry).cloned())
    }
}
