//! The client of OCI registries (OCI distribution specification 1.1).

mod auth;
mod body;
mod builder;
mod download;
mod manifests;
mod pull;
mod push;
mod referrers;
mod tags;
mod transport;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use margo_types::Digest;
use margo_types::oci::Descriptor;
use tokio::io::AsyncWrite;
use url::Url;

pub use self::builder::{ClientBuilder, Timeouts};
use super::blob::BlobSource;
use super::credentials::CredentialSource;
use super::error::{OciError, Place};
use super::manifest::Manifest;
use super::reference::Reference;
use super::retry::RetryPolicy;
use super::store::{ArtifactStore, Pushed};

/// Pulls artefacts from registries and pushes them there.
///
/// One client serves any number of registries, keeps their connections and tokens, and is cheap to clone.
/// It speaks HTTPS only, except to the hosts that [`ClientBuilder::plain_http`] names. Everything it hands
/// out has the size and digest that was asked for.
///
/// ```no_run
/// use margo_package::oci::{ArtifactStore, Client, Reference};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder().build()?;
/// let web: Reference = "registry.example/apps/web:1.4.0".parse()?;
/// let manifest = client.pull_manifest(&web).await?;
/// for layer in &manifest.content().layers {
///     let mut bytes = Vec::new();
///     client.pull_blob(&web, layer, &mut bytes).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    /// Clients with a certificate of ours, each for one registry only.
    identified: BTreeMap<String, reqwest::Client>,
    plain_http: BTreeSet<String>,
    credentials: Arc<dyn CredentialSource>,
    authorizations: auth::Cache,
    retry: RetryPolicy,
    timeouts: Timeouts,
}

impl Client {
    /// A builder with the defaults: HTTPS, the system's CAs, the proxy of the environment, no credentials.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// The address of a resource in the reference's repository, such as `tags/list`.
    fn url(&self, reference: &Reference, resource: &str) -> Result<Url, OciError> {
        let registry = reference.registry();
        let scheme = if self.shared.plain_http.contains(registry) {
            "http"
        } else {
            "https"
        };
        let host = if registry == "docker.io" {
            "registry-1.docker.io"
        } else {
            registry
        };
        let text = format!("{scheme}://{host}/v2/{}/{resource}", reference.repository());
        Url::parse(&text).map_err(|error| {
            let problem = format!("{text} is not a URL: {error}");
            OciError::misused(
                &place_of(reference),
                problem,
                "check the host of the registry",
            )
        })
    }
}

#[async_trait]
impl ArtifactStore for Client {
    async fn pull_manifest(&self, reference: &Reference) -> Result<Manifest, OciError> {
        self.get_manifest(reference).await
    }

    async fn pull_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<(), OciError> {
        self.get_blob(reference, blob, sink).await
    }

    async fn push_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        source: &dyn BlobSource,
    ) -> Result<Pushed, OciError> {
        self.put_blob(reference, blob, source).await
    }

    async fn push_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<(), OciError> {
        self.put_manifest(reference, manifest).await
    }

    async fn tags(&self, reference: &Reference) -> Result<Vec<String>, OciError> {
        self.list_tags(reference).await
    }

    async fn referrers(
        &self,
        reference: &Reference,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, OciError> {
        self.list_referrers(reference, subject, artifact_type).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("plain_http", &self.shared.plain_http)
            .field("credentials", &self.shared.credentials)
            .finish_non_exhaustive()
    }
}

fn place_of(reference: &Reference) -> Place {
    Place::new(reference, format_args!("registry {}", reference.registry()))
}
