//! A fleet manager in memory whose every answer a test decides, and which remembers what it was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use margo_server_traits::{
    Admission, Caller, Capabilities, ClientPolicy, DesiredState, FleetError, Received, StatusSink,
    Stored, Verified,
};
use margo_types::Digest;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::etag::EntityTag;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::status::DeploymentStatus;

/// The fleet manager.
#[derive(Debug, Default)]
pub(crate) struct FakeFleet(Mutex<State>);

/// What it knows and what it was asked.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Clients that are refused, with the reason.
    pub(crate) refused: BTreeMap<ClientId, String>,
    /// What goes wrong, once admitted.
    pub(crate) trouble: Option<Trouble>,
    pub(crate) manifests: BTreeMap<ClientId, Bytes>,
    pub(crate) documents: BTreeMap<(ClientId, DeploymentId, Digest), Bytes>,
    pub(crate) bundles: BTreeMap<(ClientId, Digest), Bytes>,
    pub(crate) devices: BTreeSet<(ClientId, DeviceId)>,
    pub(crate) reported: BTreeSet<(ClientId, DeploymentId)>,

    /// The names of the methods that were called, in order.
    pub(crate) calls: Vec<&'static str>,
    /// Who was asked about.
    pub(crate) callers: Vec<Verified<Caller>>,
    pub(crate) held: Vec<EntityTag>,
    pub(crate) capabilities: Vec<Received<DeviceCapabilities>>,
    pub(crate) statuses: Vec<Received<DeploymentStatus>>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Unavailable { retry_after: u32 },
    Internal,
    Refused,
    Panic,
    Hang,
}

impl FakeFleet {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes a call, and makes what is to go wrong go wrong.
    async fn called(&self, method: &'static str) -> Result<(), FleetError> {
        let trouble = {
            let mut state = self.state();
            state.calls.push(method);
            state.trouble
        };
        match trouble {
            None => Ok(()),
            Some(Trouble::Unavailable { retry_after }) => Err(FleetError::Unavailable {
                reason: "the database on host secret-db is away".to_owned(),
                retry_after,
            }),
            Some(Trouble::Internal) => Err(FleetError::Internal("secret internals".into())),
            Some(Trouble::Refused) => Err(FleetError::Refused("not on Sundays".to_owned())),
            Some(Trouble::Panic) => panic!("this panic is part of a test"),
            Some(Trouble::Hang) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl ClientPolicy for FakeFleet {
    async fn admit(&self, caller: &Verified<Caller>) -> Result<Admission, FleetError> {
        let mut state = self.state();
        state.calls.push("admit");
        state.callers.push(caller.clone());
        Ok(match state.refused.get(&caller.client_id) {
            Some(reason) => Admission::Refused {
                reason: reason.clone(),
            },
            None => Admission::Admitted,
        })
    }
}

#[async_trait]
impl Capabilities for FakeFleet {
    async fn put(
        &self,
        caller: &Verified<Caller>,
        device: &DeviceId,
        capabilities: Received<DeviceCapabilities>,
    ) -> Result<Option<Stored>, FleetError> {
        self.called("put").await?;
        let mut state = self.state();
        let gateway = (caller.client_id.clone(), device.root());
        if device.is_child() && !state.devices.contains(&gateway) {
            return Ok(None);
        }
        state.capabilities.push(capabilities);
        let key = (caller.client_id.clone(), device.clone());
        Ok(Some(stored(state.devices.insert(key))))
    }

    async fn remove(
        &self,
        caller: &Verified<Caller>,
        device: &DeviceId,
    ) -> Result<bool, FleetError> {
        self.called("remove").await?;
        let key = (caller.client_id.clone(), device.clone());
        Ok(self.state().devices.remove(&key))
    }
}

#[async_trait]
impl DesiredState for FakeFleet {
    async fn manifest_digest(&self, caller: &Verified<Caller>) -> Result<Digest, FleetError> {
        self.called("manifest_digest").await?;
        Ok(Digest::of(&self.state().manifests[&caller.client_id]))
    }

    async fn manifest(&self, caller: &Verified<Caller>) -> Result<Bytes, FleetError> {
        self.called("manifest").await?;
        Ok(self.state().manifests[&caller.client_id].clone())
    }

    async fn deployment(
        &self,
        caller: &Verified<Caller>,
        deployment: &DeploymentId,
        digest: &Digest,
    ) -> Result<Option<Bytes>, FleetError> {
        self.called("deployment").await?;
        let key = (caller.client_id.clone(), *deployment, *digest);
        Ok(self.state().documents.get(&key).cloned())
    }

    async fn bundle(
        &self,
        caller: &Verified<Caller>,
        digest: &Digest,
    ) -> Result<Option<Bytes>, FleetError> {
        self.called("bundle").await?;
        let key = (caller.client_id.clone(), *digest);
        Ok(self.state().bundles.get(&key).cloned())
    }

    async fn holds(&self, _: &Verified<Caller>, tag: &EntityTag) -> Result<(), FleetError> {
        self.called("holds").await?;
        self.state().held.push(tag.clone());
        Ok(())
    }
}

#[async_trait]
impl StatusSink for FakeFleet {
    async fn report(
        &self,
        caller: &Verified<Caller>,
        status: Received<DeploymentStatus>,
    ) -> Result<Option<Stored>, FleetError> {
        self.called("report").await?;
        let mut state = self.state();
        let deployment = status.document.value().deployment_id;
        let mut known = state.documents.keys();
        if !known.any(|(client, id, _)| *client == caller.client_id && *id == deployment) {
            return Ok(None);
        }
        state.statuses.push(status);
        let key = (caller.client_id.clone(), deployment);
        Ok(Some(stored(state.reported.insert(key))))
    }
}

fn stored(is_new: bool) -> Stored {
    if is_new {
        Stored::Created
    } else {
        Stored::Updated
    }
}
