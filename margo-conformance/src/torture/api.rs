//! The exchanges of an agent, watched.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use margo_client::{Error, FleetApi, Poll};
use margo_types::SpecVersion;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::etag::EntityTag;
use margo_types::id::DeviceId;
use margo_types::manifest::{BundleReference, DeploymentReference};
use margo_types::status::DeploymentStatus;

use super::power::Power;

/// An interface whose exchanges are kill points: before the request, and when the answer is there but nobody has it yet.
#[derive(Debug)]
pub(super) struct WatchedApi {
    pub(super) inner: Arc<dyn FleetApi>,
    pub(super) power: Arc<Power>,
    /// Broken on purpose: says that reports were delivered, and drops them.
    pub(super) drops_reports: bool,
}

#[async_trait]
impl FleetApi for WatchedApi {
    fn generation(&self) -> SpecVersion {
        self.inner.generation()
    }

    async fn manifest(&self, held: Option<&EntityTag>) -> Result<Poll, Error> {
        self.power.point("before poll").await?;
        let answer = self.inner.manifest(held).await;
        self.power.point("after poll").await?;
        answer
    }

    async fn deployment(&self, reference: &DeploymentReference) -> Result<Bytes, Error> {
        self.power.point("before document").await?;
        let answer = self.inner.deployment(reference).await;
        self.power.point("after document").await?;
        answer
    }

    async fn bundle(&self, reference: &BundleReference) -> Result<Bytes, Error> {
        self.power.point("before bundle").await?;
        let answer = self.inner.bundle(reference).await;
        self.power.point("after bundle").await?;
        answer
    }

    async fn report_capabilities(&self, capabilities: &DeviceCapabilities) -> Result<(), Error> {
        self.power.point("before capabilities").await?;
        let answer = self.inner.report_capabilities(capabilities).await;
        self.power.point("after capabilities").await?;
        answer
    }

    async fn remove_device(&self, device: &DeviceId) -> Result<(), Error> {
        self.power.point("before removal").await?;
        let answer = self.inner.remove_device(device).await;
        self.power.point("after removal").await?;
        answer
    }

    async fn report_status(&self, status: &DeploymentStatus) -> Result<(), Error> {
        self.power.point("before report").await?;
        if self.drops_reports {
            return Ok(());
        }
        let answer = self.inner.report_status(status).await;
        self.power.point("after report").await?;
        answer
    }
}
