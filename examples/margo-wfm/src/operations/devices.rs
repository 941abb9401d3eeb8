//! The devices that were reported.

use jiff::Timestamp;
use margo_server_traits::store::{DeviceRecord, Store as _};
use margo_types::id::{ClientId, DeviceId};
use serde::{Deserialize, Serialize};

use super::{Listing, Operation};
use crate::failure::Failure;
use crate::manager::Manager;
use crate::placement::KnownDevice;

/// Lists the devices.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ListDevices {}

/// A device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Device {
    /// The client that reported it.
    pub client: ClientId,
    /// The device.
    pub device: DeviceId,
    /// Who makes it.
    pub vendor: String,
    /// The maker's model number.
    pub model: String,
    /// What it can host; nothing for a gateway that only passes on.
    pub deployment_types: Vec<String>,
    /// When it was reported.
    pub reported_at: Timestamp,
    /// What is wrong with the report, one line each.
    pub findings: Vec<String>,
}

impl Operation for ListDevices {
    const NAME: &'static str = "list-devices";
    type Output = Listing<Device>;

    async fn run(self, manager: &Manager) -> Result<Listing<Device>, Failure> {
        let mut listing = Listing {
            entries: Vec::new(),
            damaged: Vec::new(),
        };
        for record in manager.store().devices(None).await? {
            match describe(&record) {
                Ok(device) => listing.entries.push(device),
                Err(failure) => listing.damaged.push(failure),
            }
        }
        Ok(listing)
    }
}

fn describe(record: &DeviceRecord) -> Result<Device, Failure> {
    let capabilities = KnownDevice::read(record)?.capabilities;
    let types = capabilities.properties.supported_deployment_types.iter();
    Ok(Device {
        client: record.client.clone(),
        device: record.device.clone(),
        vendor: capabilities.properties.vendor.clone(),
        model: capabilities.properties.model_number.clone(),
        deployment_types: types.flatten().map(ToString::to_string).collect(),
        reported_at: record.reported_at,
        findings: record.findings.clone(),
    })
}
