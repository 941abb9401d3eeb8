//! Looking at an agent and steering it.

use std::fmt;
use std::sync::{Arc, PoisonError};

use margo_types::capabilities::DeviceCapabilities;
use tokio::sync::watch;

use super::builder::check;
use super::shared::Shared;
use super::snapshot::Snapshot;
use crate::Error;
use crate::gateway::{Device, Devices};

/// Looks at an agent and steers it, from anywhere. Cheap to clone.
#[derive(Clone)]
pub struct AgentHandle {
    shared: Arc<Shared>,
}

impl AgentHandle {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// How the agent fares now. Cheap.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot.borrow().clone()
    }

    /// The same, told about every change.
    pub fn watch(&self) -> watch::Receiver<Snapshot> {
        self.shared.snapshot.subscribe()
    }

    /// Polls now, also outside the polling hours; not in a downtime, and not before the fleet manager wants to be asked.
    pub fn poll_now(&self) {
        self.shared.poke.notify_one();
    }

    /// Looks now whether there is something to do, for example because a veto was lifted.
    pub fn reconcile_now(&self) {
        self.shared.changed.notify_one();
    }

    /// Replaces what one of the devices is and offers. The fleet manager is told at once, and deployments that were
    /// refused are looked at again.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`](crate::ErrorKind::Setup) when there is no such device or the capabilities are invalid.
    pub fn set_capabilities(&self, capabilities: DeviceCapabilities) -> Result<(), Error> {
        let id = capabilities.properties.id.clone();
        self.change(|devices| {
            let all = [&mut devices.root].into_iter();
            let mut all = all.chain(&mut devices.children).chain(&mut devices.members);
            let device = all.find(|device| *device.id() == id).ok_or_else(|| {
                super::builder::setup(format!(
                    "there is no device {id}; name one of the configured ones"
                ))
            })?;
            device.capabilities = capabilities;
            Ok(())
        })
    }

    /// Connects a device to the see-thru gateway, or replaces it.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`](crate::ErrorKind::Setup) when its id is not behind the gateway or its capabilities are invalid.
    pub fn connect_child(&self, child: Device) -> Result<(), Error> {
        self.change(|devices| {
            devices.children.retain(|it| it.id() != child.id());
            devices.children.push(child);
            Ok(())
        })
    }

    /// Disconnects a device from the see-thru gateway: the fleet manager is told that it is gone, and what is for it is
    /// reported as failed.
    pub fn disconnect_child(&self, id: &margo_types::id::DeviceId) -> Result<(), Error> {
        self.change(|devices| {
            devices.children.retain(|it| it.id() != id);
            Ok(())
        })
    }

    fn change(&self, change: impl FnOnce(&mut Devices) -> Result<(), Error>) -> Result<(), Error> {
        let mut slot = self
            .shared
            .devices
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut devices = Devices::clone(&slot);
        change(&mut devices)?;
        check(&devices)?;
        *slot = Arc::new(devices);
        drop(slot);
        self.shared.poke.notify_one();
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl fmt::Debug for AgentHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("AgentHandle")
            .finish_non_exhaustive()
    }
}
