//! How a client is set up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Identity, NoProxy, Proxy, redirect};

use super::{Client, Shared, auth};
use crate::oci::credentials::{Anonymous, CredentialSource};
use crate::oci::error::{Failure, OciError, Place};
use crate::oci::retry::RetryPolicy;
use crate::oci::secret::Secret;

/// Sets up a [`Client`].
#[must_use]
pub struct ClientBuilder {
    plain_http: BTreeSet<String>,
    certificates: Vec<Vec<u8>>,
    only_given_certificates: bool,
    identities: BTreeMap<String, Vec<u8>>,
    proxy: ProxyChoice,
    credentials: Arc<dyn CredentialSource>,
    retry: RetryPolicy,
    timeouts: Timeouts,
    user_agent: String,
}

/// How long a client waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection with its TLS handshake: 10 s.
    pub connect: Duration,
    /// For the next piece of progress in either direction: 60 s. While a blob is pulled, at least 1 KiB
    /// must come in this time, so that a drip counts as silence.
    pub idle: Duration,
    /// For a whole manifest, token or list, however slowly it drips: 60 s.
    pub document: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            document: Duration::from_mins(1),
        }
    }
}

#[derive(Debug)]
enum ProxyChoice {
    Environment,
    None,
    Url { url: Secret, bypass: String },
}

impl ClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            plain_http: BTreeSet::new(),
            certificates: Vec::new(),
            only_given_certificates: false,
            identities: BTreeMap::new(),
            proxy: ProxyChoice::Environment,
            credentials: Arc::new(Anonymous),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            user_agent: concat!("margo-package/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Talks plain HTTP to this host (`host` or `host:port`): no encryption, no proof of who it is.
    ///
    /// Digests still protect what is pulled by digest, but credentials travel readable.
    pub fn plain_http(mut self, host: &str) -> Self {
        self.plain_http.insert(host.to_ascii_lowercase());
        self
    }

    /// Trusts these CA certificates (PEM, one or more) besides those of the system.
    pub fn ca_certificates(mut self, pem: &[u8]) -> Self {
        self.certificates.push(pem.to_vec());
        self
    }

    /// Trusts only the certificates of [`ca_certificates`](Self::ca_certificates), not the system's.
    ///
    /// Also what a machine without any CA certificates needs.
    pub fn only_these_certificates(mut self) -> Self {
        self.only_given_certificates = true;
        self
    }

    /// Shows this certificate (PEM, chain included) with its private key (PEM) to one registry.
    ///
    /// No other host ever sees it, also not one that the registry redirects to.
    pub fn client_certificate(mut self, host: &str, certificate: &[u8], key: &Secret) -> Self {
        let pem = [certificate, b"\n", key.expose().as_bytes()].concat();
        self.identities.insert(host.to_ascii_lowercase(), pem);
        self
    }

    /// Takes the credentials from here.
    pub fn credentials(mut self, source: impl CredentialSource + 'static) -> Self {
        self.credentials = Arc::new(source);
        self
    }

    /// Uses this proxy for everything but the hosts in `bypass`, which is written like `NO_PROXY`.
    ///
    /// Without this call the proxy comes from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    pub fn proxy(mut self, url: impl Into<Secret>, bypass: &str) -> Self {
        self.proxy = ProxyChoice::Url {
            url: url.into(),
            bypass: bypass.to_owned(),
        };
        self
    }

    /// Uses no proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = ProxyChoice::None;
        self
    }

    /// Repeats failed requests like this.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Waits like this.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Calls itself this; `margo-package/` and the version by default.
    pub fn user_agent(mut self, name: &str) -> Self {
        name.clone_into(&mut self.user_agent);
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`OciError::Environment`] when a certificate, a key, the proxy's address or the system's trust
    /// store cannot be used.
    pub fn build(self) -> Result<Client, OciError> {
        let setup = |what| {
            move |error: reqwest::Error| {
                let place = Place::new("set-up", "registry client");
                OciError::environment(&place, Failure::Setup { what }, error)
            }
        };
        let mut certificates = Vec::new();
        for pem in &self.certificates {
            let bundle = Certificate::from_pem_bundle(pem).map_err(setup("the CA certificates"))?;
            certificates.extend(bundle);
        }
        let http = |identity: Option<Identity>| {
            let mut builder = reqwest::Client::builder()
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .http1_only()
                .connect_timeout(self.timeouts.connect)
                .user_agent(&self.user_agent);
            builder = if self.only_given_certificates {
                builder.tls_certs_only(certificates.clone())
            } else {
                builder.tls_certs_merge(certificates.clone())
            };
            builder = match &self.proxy {
                ProxyChoice::Environment => builder,
                ProxyChoice::None => builder.no_proxy(),
                ProxyChoice::Url { url, bypass } => {
                    let proxy = Proxy::all(url.expose()).map_err(setup("the proxy"))?;
                    builder.proxy(proxy.no_proxy(NoProxy::from_string(bypass)))
                }
            };
            if let Some(identity) = identity {
                builder = builder.identity(identity);
            }
            builder.build().map_err(setup("HTTPS"))
        };

        let mut identified = BTreeMap::new();
        for (host, pem) in &self.identities {
            let identity = Identity::from_pem(pem).map_err(setup("the client certificate"))?;
            identified.insert(host.clone(), http(Some(identity))?);
        }
        Ok(Client {
            shared: Arc::new(Shared {
                http: http(None)?,
                identified,
                plain_http: self.plain_http,
                credentials: self.credentials,
                authorizations: auth::Cache::default(),
                retry: self.retry,
                timeouts: self.timeouts,
            }),
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("ClientBuilder")
            .field("plain_http", &self.plain_http)
            .field("credentials", &self.credentials)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
