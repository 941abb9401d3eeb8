//! Which device gets a deployment.

use margo_server_traits::publish;
use margo_server_traits::store::{ClientRecord, DeviceRecord};
use margo_types::SpecVersion;
use margo_types::application::{ApplicationDescription, DeploymentProfile};
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::eligibility::Constraints;
use margo_types::id::ClientId;

use crate::failure::{Failure, Kind};
use crate::operations::Destination;

/// All clients, and all devices they have reported.
#[derive(Debug)]
pub(crate) struct KnownFleet {
    pub(crate) clients: Vec<ClientRecord>,
    pub(crate) devices: Vec<KnownDevice>,
}

/// A device and the client that reported it.
#[derive(Debug)]
pub(crate) struct KnownDevice {
    pub(crate) client: ClientId,
    pub(crate) capabilities: DeviceCapabilities,
}

impl KnownDevice {
    /// What the device said it is.
    pub(crate) fn read(record: &DeviceRecord) -> Result<Self, Failure> {
        let read = margo_types::read::<DeviceCapabilities>(&record.capabilities);
        let capabilities = read.map_err(|error| {
            let message = format!(
                "the stored capabilities of {}/{} cannot be read; restore a backup",
                record.client, record.device
            );
            Failure::caused(Kind::Environment, message, &error)
        })?;
        Ok(Self {
            client: record.client.clone(),
            capabilities: capabilities.into_value(),
        })
    }
}

/// A device, or gateway, and the profile for it.
#[derive(Debug)]
pub(crate) struct Placement {
    pub(crate) destination: Destination,
    pub(crate) profile: String,
}

impl Placement {
    /// The device of the fleet that can host the application: the one that is asked for, or else the first that fits.
    ///
    /// With `force`, a device that nothing is known about is taken as it is.
    pub(crate) fn find(
        fleet: &KnownFleet,
        description: &ApplicationDescription,
        profile: Option<&str>,
        destination: Option<&Destination>,
        force: bool,
    ) -> Result<Self, Failure> {
        let profiles = Self::profiles(description, profile)?;
        let candidates: Vec<&KnownDevice> = match destination {
            None => fleet
                .devices
                .iter()
                .filter(|device| fleet.serves(&device.client))
                .collect(),
            Some(destination) => match fleet.candidates(destination) {
                Ok(candidates) => candidates,
                Err(_) if force => return Self::blind(&profiles, destination),
                Err(why) => return Err(why),
            },
        };
        let mut refusals = Vec::new();
        for device in candidates {
            let at = Destination {
                client: device.client.clone(),
                target: device.capabilities.properties.id.clone().into(),
            };
            for profile in &profiles {
                let constraints = Constraints::of_profile(profile);
                if constraints.matches(&device.capabilities) {
                    return Ok(Self {
                        destination: destination.unwrap_or(&at).clone(),
                        profile: profile.id.clone(),
                    });
                }
                let verdict = constraints.explain(&device.capabilities);
                refusals.push(format!("{at}, profile {}: {verdict}", profile.id));
            }
        }
        let what = format!("{} {}", description.id, description.metadata.version);
        Err(Self::nowhere(&what, refusals))
    }

    /// Whether a device that the changed deployment is for can host it. Devices that nothing is known about are not asked.
    pub(crate) fn check(
        fleet: &KnownFleet,
        client: &ClientId,
        deployment: &ApplicationDeployment,
    ) -> Result<(), Failure> {
        let devices: Vec<_> = fleet
            .of_client(client)
            .map(|device| device.capabilities.clone())
            .collect();
        let placement = publish::placement(deployment, &devices);
        if placement.considered.is_empty() || placement.is_placeable() {
            return Ok(());
        }
        let refusals = placement.considered.iter();
        let refusals = refusals.map(|(device, verdict)| format!("{client}/{device}: {verdict}"));
        Err(Self::nowhere(&deployment.metadata.name, refusals.collect()))
    }

    fn profiles<'a>(
        description: &'a ApplicationDescription,
        wanted: Option<&str>,
    ) -> Result<Vec<&'a DeploymentProfile>, Failure> {
        let Some(wanted) = wanted else {
            return Ok(description.deployment_profiles.iter().collect());
        };
        if let Some(profile) = description.profile(wanted) {
            return Ok(vec![profile]);
        }
        let known: Vec<_> = description
            .deployment_profiles
            .iter()
            .map(|profile| profile.id.as_str())
            .collect();
        let message = format!(
            "{} has no deployment profile {wanted:?}; choose one of: {}",
            description.id,
            known.join(", ")
        );
        Err(Failure::new(Kind::Usage, message))
    }

    /// A place that nothing is known about.
    fn blind(profiles: &[&DeploymentProfile], destination: &Destination) -> Result<Self, Failure> {
        let [profile] = profiles else {
            let ids: Vec<_> = profiles.iter().map(|profile| profile.id.as_str()).collect();
            let message = format!(
                "nothing is known about {destination} that could choose a profile; choose one with --profile: {}",
                ids.join(", ")
            );
            return Err(Failure::new(Kind::Usage, message));
        };
        Ok(Self {
            destination: destination.clone(),
            profile: profile.id.clone(),
        })
    }

    fn nowhere(what: &str, refusals: Vec<String>) -> Failure {
        let message = if refusals.is_empty() {
            format!(
                "no device can host {what}: no accepted client has reported one; accept a client and start its agent"
            )
        } else {
            format!("no device can host {what}; change the package or the devices")
        };
        let mut failure = Failure::new(Kind::Refused, message);
        failure.causes = refusals;
        failure
    }
}

impl KnownFleet {
    /// Whether a client was decided about, or has asked.
    pub(crate) fn knows(&self, client: &ClientId) -> bool {
        self.clients.iter().any(|record| record.id == *client)
    }

    /// The generation that a client speaks; the newest for one that is not known.
    pub(crate) fn generation(&self, client: &ClientId) -> SpecVersion {
        let record = self.clients.iter().find(|record| record.id == *client);
        record.map_or(SpecVersion::NEWEST, |record| record.generation)
    }

    pub(crate) fn serves(&self, client: &ClientId) -> bool {
        self.clients
            .iter()
            .any(|record| record.id == *client && record.accepted)
    }

    fn of_client(&self, client: &ClientId) -> impl Iterator<Item = &KnownDevice> {
        self.devices
            .iter()
            .filter(move |device| device.client == *client)
    }

    /// The devices at a destination; at least one.
    fn candidates(&self, destination: &Destination) -> Result<Vec<&KnownDevice>, Failure> {
        let client = &destination.client;
        let force = "or deploy with --force";
        if !self.serves(client) {
            let known = match self.clients.iter().find(|record| record.id == *client) {
                Some(_) => "is not accepted",
                None => "is not known",
            };
            let message = format!(
                "client {client} {known}; accept it with `margo-wfm client accept {client}`, {force}"
            );
            return Err(Failure::new(Kind::Refused, message));
        }
        let target = &destination.target;
        let reported: Vec<_> = self.of_client(client).collect();
        let candidates: Vec<_> = reported
            .iter()
            .copied()
            .filter(|device| target.admits(&device.capabilities.properties.id))
            .collect();
        if !candidates.is_empty() {
            return Ok(candidates);
        }
        let message = match reported.as_slice() {
            [] => {
                format!("client {client} has not reported any device yet; start its agent, {force}")
            }
            reported => {
                let ids: Vec<_> = reported
                    .iter()
                    .map(|device| device.capabilities.properties.id.as_str())
                    .collect();
                format!(
                    "client {client} has not reported {target}, only {}; choose one of these, {force}",
                    ids.join(", ")
                )
            }
        };
        Err(Failure::new(Kind::Refused, message))
    }
}
