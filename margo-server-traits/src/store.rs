//! Where a fleet manager keeps things (one contract, several stores).
//!
//! Keys are client ids: a device or deployment means something only together with its client. Everything that is published
//! is kept as bytes, so that a poll is one read and no document is ever written twice.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;

/// A durable store. What a method has returned `Ok` for survives a crash.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    // --- clients ---
    /// Adds or changes a client.
    async fn put_client(&self, client: &ClientRecord) -> Result<(), StoreError>;
    /// A client.
    async fn client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError>;
    /// All clients, by id.
    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError>;

    // --- devices ---
    /// Replaces everything known about a device; true when it is new.
    async fn put_device(&self, device: &DeviceRecord) -> Result<bool, StoreError>;
    /// A device.
    async fn device(
        &self,
        client: &ClientId,
        device: &DeviceId,
    ) -> Result<Option<DeviceRecord>, StoreError>;
    /// The devices of a client, by id; of all clients when `None`.
    async fn devices(&self, client: Option<&ClientId>) -> Result<Vec<DeviceRecord>, StoreError>;
    /// Forgets a device and those behind it; false when it is not there.
    async fn remove_device(&self, client: &ClientId, device: &DeviceId)
    -> Result<bool, StoreError>;

    // --- desired state ---
    /// The newest publication of a client, without its contents.
    async fn head(&self, client: &ClientId) -> Result<Option<Head>, StoreError>;
    /// The newest manifest of a client.
    async fn manifest(&self, client: &ClientId) -> Result<Option<Bytes>, StoreError>;
    /// The deployments of the newest publication, by id, with the bytes of their documents.
    async fn assigned(&self, client: &ClientId) -> Result<Vec<(DeploymentId, Bytes)>, StoreError>;
    /// The version that once was published under this digest, also long ago.
    async fn version_of(
        &self,
        client: &ClientId,
        manifest: &Digest,
    ) -> Result<Option<ManifestVersion>, StoreError>;
    /// A deployment document or bundle of this or an earlier publication, by digest.
    async fn content(
        &self,
        client: &ClientId,
        key: &ContentKey,
    ) -> Result<Option<Bytes>, StoreError>;
    /// Publishes, if the newest version is still `expected`. All of it becomes visible at once, or none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else has published in the meantime.
    async fn publish(
        &self,
        client: &ClientId,
        expected: Option<ManifestVersion>,
        publication: &Publication,
    ) -> Result<(), StoreError>;

    // --- status ---
    /// Keeps a report as the latest on this deployment and device, and in the history; true when it is the first.
    async fn put_status(&self, status: &StatusRecord) -> Result<bool, StoreError>;
    /// The latest report on every deployment and device; of all clients when `None`.
    async fn statuses(&self, client: Option<&ClientId>) -> Result<Vec<StatusRecord>, StoreError>;
    /// The last reports on a deployment, the newest first, at most `limit`.
    async fn history(
        &self,
        client: &ClientId,
        deployment: &DeploymentId,
        limit: usize,
    ) -> Result<Vec<StatusRecord>, StoreError>;

    // --- housekeeping ---
    /// Drops contents that no current publication has and that were superseded before this time.
    async fn prune(&self, superseded_before: Timestamp) -> Result<u64, StoreError>;
}

/// An accepted client, or one that no longer is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientRecord {
    /// The client.
    pub id: ClientId,
    /// Whether it is served.
    pub accepted: bool,
    /// A note of the operator: where it is, or why it is refused.
    pub note: String,
}

/// What a device said it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceRecord {
    /// The client that reported it.
    pub client: ClientId,
    /// The device.
    pub device: DeviceId,
    /// The document as it was sent.
    pub capabilities: Bytes,
    /// What was found wrong with it, one line each.
    pub findings: Vec<String>,
    /// When it came.
    pub reported_at: Timestamp,
}

/// The newest publication of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Its version.
    pub version: ManifestVersion,
    /// The digest of its manifest.
    pub digest: Digest,
}

/// Everything that is published for a client at once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Publication {
    /// Its version.
    pub version: ManifestVersion,
    /// The manifest.
    pub manifest: Bytes,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The bundle and its digest; `None` without deployments.
    pub bundle: Option<(Digest, Bytes)>,
    /// The documents and their digests.
    pub deployments: Vec<(DeploymentId, Digest, Bytes)>,
    /// When.
    pub published_at: Timestamp,
}

/// Names a content of a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the specification has these two")]
pub enum ContentKey {
    /// A bundle.
    Bundle(Digest),
    /// The document of a deployment.
    Deployment(DeploymentId, Digest),
}

/// A report on a deployment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StatusRecord {
    /// The client that reported.
    pub client: ClientId,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The device behind the gateway, when the report names one.
    pub device: Option<DeviceId>,
    /// The document as it was sent.
    pub status: Bytes,
    /// What was found wrong with it, one line each.
    pub findings: Vec<String>,
    /// When it came.
    pub reported_at: Timestamp,
}

/// Why a store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else has published in the meantime; read again and decide anew.
    #[error("the client has the version {found:?} by now; read it again and publish after it")]
    Conflict {
        /// The version that is the newest now.
        found: Option<ManifestVersion>,
    },
    /// The store cannot be used now and may be soon.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store is damaged, or of a newer version than this program.
    #[error("the store cannot be read: {0}")]
    Damaged(String),
}
