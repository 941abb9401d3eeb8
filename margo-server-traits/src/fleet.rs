//! What a fleet manager implements.
//!
//! The traits hold what only the vendor knows: who is accepted, where things are kept. Everything the specification says
//! about requests and responses is in the service that calls them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::etag::EntityTag;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::status::DeploymentStatus;
use margo_types::{Digest, Exact, Report};

use crate::{Caller, Verified};

/// Says which clients are accepted; asked on every request (W60, W61).
#[async_trait]
pub trait ClientPolicy: Send + Sync {
    /// Whether this client may be served now.
    async fn admit(&self, caller: &Verified<Caller>) -> Result<Admission, FleetError>;
}

/// Keeps what devices say they are.
///
/// A device id means something only together with the client that reported it (rc3.md section 4.1): the same id from two
/// clients is two devices.
#[async_trait]
pub trait Capabilities: Send + Sync {
    /// Replaces everything known about a device (rc3.md ambiguity 41); the document is about this device.
    ///
    /// `None`, and nothing is kept, when the device is behind a gateway (its [root](DeviceId::root)) that the client has
    /// not reported. Both are one step: a gateway that is removed meanwhile leaves nothing behind.
    async fn put(
        &self,
        caller: &Verified<Caller>,
        device: &DeviceId,
        capabilities: Received<DeviceCapabilities>,
    ) -> Result<Option<Stored>, FleetError>;

    /// Forgets a device, with everything behind it when it is a gateway; false when it was not known.
    async fn remove(
        &self,
        caller: &Verified<Caller>,
        device: &DeviceId,
    ) -> Result<bool, FleetError>;
}

/// Holds what clients should run, already published as bytes.
///
/// Nothing is answered that was not published for the caller itself: a digest is no key to what is somebody else's.
#[async_trait]
pub trait DesiredState: Send + Sync {
    /// The digest of the client's current manifest; a manifest without deployments when nothing was ever assigned.
    ///
    /// An unchanged poll is answered from this alone, so it should be one indexed read.
    async fn manifest_digest(&self, caller: &Verified<Caller>) -> Result<Digest, FleetError>;

    /// The bytes of the client's current manifest.
    async fn manifest(&self, caller: &Verified<Caller>) -> Result<Bytes, FleetError>;

    /// The document of a deployment that was published for this client under this digest.
    async fn deployment(
        &self,
        caller: &Verified<Caller>,
        deployment: &DeploymentId,
        digest: &Digest,
    ) -> Result<Option<Bytes>, FleetError>;

    /// The bundle that was published for this client under this digest.
    async fn bundle(
        &self,
        caller: &Verified<Caller>,
        digest: &Digest,
    ) -> Result<Option<Bytes>, FleetError>;

    /// Is told that the client holds a manifest under a tag that is not that of the current one.
    ///
    /// [`manifest`](Self::manifest) is asked afterwards, so what is published here is what the client gets.
    ///
    /// A store that was restored from a backup learns here that it has forgotten something (rc3.md ambiguity 29).
    async fn holds(&self, caller: &Verified<Caller>, tag: &EntityTag) -> Result<(), FleetError> {
        let _ = (caller, tag);
        Ok(())
    }
}

/// Takes reports on deployments.
#[async_trait]
pub trait StatusSink: Send + Sync {
    /// Takes a report; `None` when this client has no such deployment, now or still to be removed.
    async fn report(
        &self,
        caller: &Verified<Caller>,
        status: Received<DeploymentStatus>,
    ) -> Result<Option<Stored>, FleetError>;
}

/// A fleet manager: the four traits together.
#[derive(Clone)]
#[non_exhaustive]
pub struct Fleet {
    /// Who may call.
    pub policy: Arc<dyn ClientPolicy>,
    /// What devices are.
    pub capabilities: Arc<dyn Capabilities>,
    /// What they should run.
    pub desired_state: Arc<dyn DesiredState>,
    /// How that fares.
    pub status: Arc<dyn StatusSink>,
}

impl Fleet {
    /// A fleet manager of these four.
    pub fn new(
        policy: Arc<dyn ClientPolicy>,
        capabilities: Arc<dyn Capabilities>,
        desired_state: Arc<dyn DesiredState>,
        status: Arc<dyn StatusSink>,
    ) -> Self {
        Self {
            policy,
            capabilities,
            desired_state,
            status,
        }
    }

    /// A fleet manager of one value that implements all four.
    pub fn of<T>(all: Arc<T>) -> Self
    where
        T: ClientPolicy + Capabilities + DesiredState + StatusSink + 'static,
    {
        Self {
            policy: all.clone(),
            capabilities: all.clone(),
            desired_state: all.clone(),
            status: all,
        }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("Fleet").finish_non_exhaustive()
    }
}

/// Whether a client is served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// It is.
    Admitted,
    /// It is not; the reason is told to the client.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// A document that a client sent: acceptable, but perhaps not flawless.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received<T> {
    /// The document, with its bytes.
    pub document: Exact<T>,
    /// Rules it breaks that no schema can express. They are to be recorded; the request was not refused for them.
    pub findings: Report,
}

impl<T> Received<T> {
    /// A received document with what was found in it.
    pub const fn new(document: Exact<T>, findings: Report) -> Self {
        Self { document, findings }
    }
}

/// Whether something is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "HTTP answers 201 or 200")]
pub enum Stored {
    /// There was nothing before.
    Created,
    /// It replaced what was there.
    Updated,
}

/// Why a fleet manager cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// It cannot now and can soon, as when its database is away: 503.
    #[error("not available now: {reason}")]
    Unavailable {
        /// Why, for the fleet manager's own log; clients are not told.
        reason: String,
        /// After how many seconds clients should ask again.
        retry_after: u32,
    },
    /// Something is broken: 500. The cause is for the log; clients are not told.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The vendor's policy refuses this request: 403, and the client is told why.
    #[error("refused: {0}")]
    Refused(String),
}
