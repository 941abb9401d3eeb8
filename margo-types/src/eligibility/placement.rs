//! Which profile for a device, and which device for a profile.

use std::fmt;

use super::{Constraints, Verdict};
use crate::application::{ApplicationDescription, DeploymentProfile};
use crate::capabilities::DeviceCapabilities;

/// The profiles of an application that a device can host, in the order of the description.
///
/// A description may have several profiles of one type, so the order is that of the supplier's preference
/// and never "the first of a type" (specification issue 170).
pub fn fitting_profiles<'a>(
    description: &'a ApplicationDescription,
    device: &'a DeviceCapabilities,
) -> impl Iterator<Item = &'a DeploymentProfile> {
    description
        .deployment_profiles
        .iter()
        .filter(|profile| Constraints::of_profile(profile).matches(device))
}

/// The first profile of an application that a device can host.
///
/// # Errors
/// [`NotPlaceable`] when there is none, with the verdict on every profile.
pub fn choose_profile<'a>(
    description: &'a ApplicationDescription,
    device: &DeviceCapabilities,
) -> Result<&'a DeploymentProfile, NotPlaceable> {
    let profiles = &description.deployment_profiles;
    let fits = |profile: &&DeploymentProfile| Constraints::of_profile(profile).matches(device);
    profiles.iter().find(fits).ok_or_else(|| NotPlaceable {
        considered: profiles
            .iter()
            .map(|profile| {
                let verdict = Constraints::of_profile(profile).explain(device);
                (format!("profile {}", profile.id), verdict)
            })
            .collect(),
    })
}

impl Constraints {
    /// The devices that fit, in their order. Lazy: take the first, or all (W50).
    pub fn fitting<'a>(
        &self,
        devices: impl IntoIterator<Item = &'a DeviceCapabilities>,
    ) -> impl Iterator<Item = &'a DeviceCapabilities> {
        devices.into_iter().filter(|device| self.matches(device))
    }

    /// The first device that fits.
    ///
    /// # Errors
    /// [`NotPlaceable`] when there is none, with the verdict on every device.
    pub fn choose<'a>(
        &self,
        devices: impl IntoIterator<Item = &'a DeviceCapabilities>,
    ) -> Result<&'a DeviceCapabilities, NotPlaceable> {
        let mut refused = Vec::new();
        for device in devices {
            if self.matches(device) {
                return Ok(device);
            }
            refused.push(device);
        }
        let considered = refused.into_iter().map(|device| {
            let name = format!("device {}", device.properties.id);
            (name, self.explain(device))
        });
        Err(NotPlaceable {
            considered: considered.collect(),
        })
    }
}

/// Nothing fits.
///
/// The specification asks to report this by "the existing status model", which has no such state (rc3.md
/// ambiguity 52), so it is an error of the fleet manager and never a deployment status.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NotPlaceable {
    /// Each profile or device that was considered, such as `device edge-7`, and why it does not fit.
    pub considered: Vec<(String, Verdict)>,
}

impl fmt::Display for NotPlaceable {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        if self.considered.is_empty() {
            return formatter.write_str("not placeable: there is nothing to choose from");
        }
        formatter.write_str("not placeable: nothing fits")?;
        for (name, verdict) in &self.considered {
            write!(formatter, "\n{name}: {verdict}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotPlaceable {}
