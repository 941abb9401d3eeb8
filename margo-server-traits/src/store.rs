//! Where a fleet manager keeps things: one contract, several stores.
//!
//! Keys are client ids: a device or deployment means something only together with its client. Everything that is published
//! is kept as bytes, so that a poll is one read and no document is ever written twice.
//!
//! [`MemoryStore`] forgets with the process, `SqliteStore` (feature `sqlite`) keeps one file. A store of your own is right
//! when it passes the suite in `store::contract` (feature `contract`).

#[cfg(feature = "contract")]
pub mod contract;
mod enrolment;
mod memory;
mod records;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::signature::ClientCertificate;

pub use self::enrolment::{
    CertificateNames, EnrolmentChange, EnrolmentPut, EnrolmentReading, EnrolmentRecord,
    EnrolmentState,
};
pub use self::memory::MemoryStore;
pub use self::records::{
    ClientRecord, ContentKey, DevicePut, DeviceRecord, Head, Publication, PublishedDocument,
    Standing, StatusRecord,
};
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;

/// The most reports that a store keeps in the history of one deployment.
pub const HISTORY: usize = 100;

/// The most devices of which a store keeps the latest report on one deployment. A deployment runs on one.
pub const REPORTERS: usize = 16;

/// A durable store. What a method has returned `Ok` for survives a crash.
///
/// Times are kept to the microsecond.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    // --- clients ---
    /// Adds or changes a client, whatever it was before.
    async fn put_client(&self, client: &ClientRecord) -> Result<(), StoreError>;
    /// Adds or changes a client if it is still as it was read; false, and nothing is changed, when it is not.
    async fn replace_client(
        &self,
        before: Option<&ClientRecord>,
        client: &ClientRecord,
    ) -> Result<bool, StoreError>;
    /// A client.
    async fn client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError>;
    /// What there is of a client that every poll asks for: at most one indexed read.
    async fn standing(&self, id: &ClientId) -> Result<Option<Standing>, StoreError> {
        let record = self.client(id).await?;
        Ok(record.as_ref().map(ClientRecord::standing))
    }
    /// All clients, by id.
    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError>;

    // --- enrolments ---
    /// Changes an enrolment, and its client with it, if both and what else was read are still as they were, and no two clients get
    /// the same certificate or key. All of this is one step.
    async fn change_enrolment(&self, change: &EnrolmentChange) -> Result<EnrolmentPut, StoreError>;
    /// The enrolments of a client, by time; of all clients and of nobody when `None`.
    async fn enrolments(
        &self,
        client: Option<&ClientId>,
    ) -> Result<Vec<EnrolmentRecord>, StoreError>;
    /// The enrolments that have one of these as their fingerprint, key or names, by time.
    async fn enrolments_by(&self, digests: &[Digest]) -> Result<Vec<EnrolmentRecord>, StoreError>;
    /// The accepted certificates of a client, the newest first; also those that are no longer valid.
    ///
    /// Every signed request asks for it, so a store should have it in memory.
    async fn credentials(&self, client: &ClientId) -> Result<Arc<[ClientCertificate]>, StoreError> {
        credentials(&self.enrolments(Some(client)).await?)
    }

    // --- devices ---
    /// Replaces everything known about a device, unless its gateway is not known, or it is new and the client has `limit`
    /// devices already. All of this is one step.
    async fn put_device(
        &self,
        device: &DeviceRecord,
        limit: usize,
    ) -> Result<DevicePut, StoreError>;
    /// A device.
    async fn device(
        &self,
        client: &ClientId,
        device: &DeviceId,
    ) -> Result<Option<DeviceRecord>, StoreError>;
    /// The devices of a client, by id; of all clients when `None`.
    async fn devices(&self, client: Option<&ClientId>) -> Result<Vec<DeviceRecord>, StoreError>;
    /// Forgets a device and those behind it; false when it is not there, and then nothing is forgotten.
    async fn remove_device(&self, client: &ClientId, device: &DeviceId)
    -> Result<bool, StoreError>;

    // --- desired state ---
    /// The newest publication of a client, without its contents.
    ///
    /// Every poll asks for it: at most one indexed read.
    async fn head(&self, client: &ClientId) -> Result<Option<Head>, StoreError>;
    /// The newest manifest of a client.
    async fn manifest(&self, client: &ClientId) -> Result<Option<Bytes>, StoreError>;
    /// The deployments of the newest publication, by id, with the bytes of their documents.
    async fn assigned(&self, client: &ClientId) -> Result<Vec<(DeploymentId, Bytes)>, StoreError>;
    /// The newest document of a deployment that the client has, or had and is still expected to report on.
    ///
    /// A deployment is known from its first publication until [`prune`](Self::prune) forgets it.
    async fn document(
        &self,
        client: &ClientId,
        deployment: &DeploymentId,
    ) -> Result<Option<PublishedDocument>, StoreError>;
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
    /// Publishes, if the newest version is still `expected` and the new one is above it. All of it becomes visible at once,
    /// or none.
    ///
    /// When it is in another generation than the newest one, that becomes the generation of the client, in the same step.
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
    ///
    /// Reports are kept in the order in which they come. The history holds the last [`HISTORY`] of a deployment; of more
    /// than [`REPORTERS`] devices, the latest report of the one that has been silent longest is dropped.
    async fn put_status(&self, status: &StatusRecord) -> Result<bool, StoreError>;
    /// The latest report on every deployment and device; of all clients when `None`.
    ///
    /// By client, deployment and device.
    async fn statuses(&self, client: Option<&ClientId>) -> Result<Vec<StatusRecord>, StoreError>;
    /// The last reports on a deployment, the newest first, at most `limit`.
    async fn history(
        &self,
        client: &ClientId,
        deployment: &DeploymentId,
        limit: usize,
    ) -> Result<Vec<StatusRecord>, StoreError>;

    // --- housekeeping ---
    /// Drops contents that no current publication has and that were superseded before this time; how many.
    ///
    /// A deployment that was taken out before this time is forgotten with all reports on it as soon as it was reported
    /// removed. Until then its last document stays.
    async fn prune(&self, superseded_before: Timestamp) -> Result<u64, StoreError>;
}

/// The certificates that a client may sign with, of its enrolments by time.
fn credentials(enrolments: &[EnrolmentRecord]) -> Result<Arc<[ClientCertificate]>, StoreError> {
    let accepted = enrolments.iter().rev().filter(|it| it.is_accepted());
    let read = accepted.filter_map(|enrolment| {
        let damaged = |why| {
            let fingerprint = enrolment.fingerprint;
            StoreError::Damaged(format!(
                "the certificate {fingerprint} is not what was enrolled ({why}); restore a backup"
            ))
        };
        Some(enrolment.read()?.map_err(damaged))
    });
    read.collect()
}

/// Why a store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else has published in the meantime; read again and decide anew.
    #[error("the client has {} by now; read it again and publish after it", Found(*.found))]
    Conflict {
        /// The version that is the newest now.
        found: Option<ManifestVersion>,
    },
    /// The store cannot be used now and may be soon.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store cannot be opened; the message says what to do.
    #[error("the store {} cannot be opened: {why}", .path.display())]
    Unopened {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// The store is damaged.
    #[error("the store cannot be read: {0}")]
    Damaged(String),
}

/// A version in words.
struct Found(Option<ManifestVersion>);

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            Some(version) => write!(formatter, "version {version}"),
            None => formatter.write_str("no version"),
        }
    }
}
