//! Which of a client's devices can host a deployment (rc3.md sections 1.5 and 4.1, W37 to W50).

use std::fmt;

use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::eligibility::{Constraints, Verdict};
use margo_types::id::{DeviceId, DeviceTarget};

/// Which of these devices can host a deployment.
///
/// Considered are the devices that the deployment's target admits: the one it names (an opaque gateway looks like one), or
/// all that are behind the gateway of `gateway-01/*`, of which the gateway chooses one. Of those the constraints of the
/// profile decide, and its type.
pub fn placement(deployment: &ApplicationDeployment, devices: &[DeviceCapabilities]) -> Placement {
    let constraints = Constraints::of_deployment(deployment);
    let target = deployment.metadata.device_id.clone();
    let admitted = devices.iter().filter(|device| {
        let id = &device.properties.id;
        target.as_ref().is_none_or(|target| target.admits(id))
    });
    let considered = admitted.map(|device| {
        let verdict = constraints.explain(device);
        (device.properties.id.clone(), verdict)
    });
    Placement {
        considered: considered.collect(),
        target,
    }
}

/// Which devices can host a deployment, and why the others cannot.
///
/// `Display` explains it, a line for each device.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct Placement {
    /// Where the deployment is to go.
    pub target: Option<DeviceTarget>,
    /// The reported devices that the target admits, and the verdict on each.
    pub considered: Vec<(DeviceId, Verdict)>,
}

impl Placement {
    /// The devices that can host the deployment.
    pub fn hosts(&self) -> impl Iterator<Item = &DeviceId> {
        let fitting = self.considered.iter();
        fitting
            .filter(|(_, verdict)| verdict.placeable)
            .map(|(device, _)| device)
    }

    /// Whether there is one.
    pub fn is_placeable(&self) -> bool {
        self.hosts().next().is_some()
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        if self.considered.is_empty() {
            return match &self.target {
                Some(DeviceTarget::AnyBehind(gateway)) => write!(
                    formatter,
                    "not placeable: the client has reported no device behind {gateway}"
                ),
                Some(DeviceTarget::Device(device)) => write!(
                    formatter,
                    "not placeable: the client has not reported a device {device}"
                ),
                None => formatter.write_str("not placeable: the client has reported no device"),
            };
        }
        for (position, (device, verdict)) in self.considered.iter().enumerate() {
            let separator = if position > 0 { "\n" } else { "" };
            write!(formatter, "{separator}device {device}: {verdict}")?;
        }
        Ok(())
    }
}
