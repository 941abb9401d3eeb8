//! What a device asks of its fleet manager, whatever generation they speak.

mod dialect;
mod interface;
mod options;
mod rc1;
mod rc3;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::etag::EntityTag;
use margo_types::id::DeviceId;
use margo_types::manifest::{BundleReference, DeploymentReference, StateManifest};
use margo_types::status::DeploymentStatus;
use margo_types::{Exact, SpecVersion};

use crate::Error;

pub use self::dialect::{Dialect, Documents};
pub use self::options::ApiOptions;
pub use self::rc1::Rc1Api;
pub use self::rc3::Rc3Api;

/// The management interface as a device sees it.
///
/// One method is one exchange: nothing is repeated, cached or decided here. Sizes are bounded; digests are for the
/// caller to check.
#[async_trait]
pub trait FleetApi: fmt::Debug + Send + Sync {
    /// The generation that the fleet manager is spoken to in.
    fn generation(&self) -> SpecVersion;

    /// Asks for the state manifest; `held` is the tag of the one that is completely stored.
    async fn manifest(&self, held: Option<&EntityTag>) -> Result<Poll, Error>;

    /// Fetches the document of one deployment, with transfer and content coding undone.
    async fn deployment(&self, reference: &DeploymentReference) -> Result<Bytes, Error>;

    /// Fetches the archive of all deployments, with transfer and content coding undone.
    async fn bundle(&self, reference: &BundleReference) -> Result<Bytes, Error>;

    /// Says what a device is and offers; a gateway before its children.
    async fn report_capabilities(&self, capabilities: &DeviceCapabilities) -> Result<(), Error>;

    /// Says that a device is gone. One that is not known there is gone as well.
    async fn remove_device(&self, device: &DeviceId) -> Result<(), Error>;

    /// Says how a deployment fares.
    async fn report_status(&self, status: &DeploymentStatus) -> Result<(), Error>;
}

/// The answer to a poll.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Poll {
    /// The manifest that is held is current.
    Unchanged,
    /// There is another one.
    Changed {
        /// The manifest, with the bytes its digest is made of.
        manifest: Box<Exact<StateManifest>>,
        /// Its entity tag; `None` when the fleet manager sent none or an unreadable one.
        tag: Option<EntityTag>,
    },
}
