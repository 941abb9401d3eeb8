//! What should run on a device.

use std::collections::BTreeMap;

use margo_types::Digest;
use margo_types::application::{Component, ComponentProperties, DeploymentType, Target};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec, ParameterValue,
};
use margo_types::id::{DeploymentId, DeviceTarget};

use super::Failure;
use super::action::Change;

/// The deployments of one device, by their place.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    /// What its deployments may be for: the device alone, or a gateway and what is behind it.
    targets: Vec<DeviceTarget>,
    number: u8,
    changes: u64,
    all: BTreeMap<u8, Wish>,
    /// Whether the fleet manager was not told yet.
    pub(super) is_new: bool,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    revision: u64,
    setting: u64,
    /// Which of the targets, counted on and on.
    target: u64,
}

impl Wishes {
    /// None yet, for the client of this number.
    pub(super) const fn new(targets: Vec<DeviceTarget>, number: u8) -> Self {
        Self {
            targets,
            number,
            changes: 0,
            all: BTreeMap::new(),
            is_new: false,
        }
    }

    pub(super) fn change(&mut self, change: Change) {
        self.changes += 1;
        self.is_new = true;
        let fresh = Wish {
            revision: self.changes,
            setting: 0,
            target: self.changes,
        };
        match change {
            Change::Clear => self.all.clear(),
            Change::Remove(slot) if self.all.contains_key(&slot) => {
                self.all.remove(&slot);
            }
            Change::Update(slot) => {
                let wish = self.all.entry(slot).or_insert(fresh);
                wish.revision = self.changes;
            }
            Change::Reconfigure(slot) => {
                let wish = self.all.entry(slot).or_insert(fresh);
                wish.setting = self.changes;
            }
            Change::Move(slot) => {
                let wish = self.all.entry(slot).or_insert(fresh);
                wish.target += 1;
            }
            Change::Deploy(slot) | Change::Remove(slot) => {
                self.all.entry(slot).or_insert(fresh);
            }
        }
    }

    /// Gives every deployment another revision, as an operator does who has lost the last ones.
    pub(super) fn renew(&mut self) {
        self.changes += 1;
        self.is_new = true;
        for wish in self.all.values_mut() {
            wish.revision = self.changes;
        }
    }

    pub(super) fn deployments(&self) -> Result<Vec<ApplicationDeployment>, Failure> {
        let deployments = self.all.iter().map(|(slot, wish)| {
            let id = deployment_id(self.number, *slot);
            let target =
                usize::try_from(wish.target).unwrap_or_default() % self.targets.len().max(1);
            let target = self.targets.get(target).ok_or("there is no device")?;
            deployment(target, id, wish.revision, wish.setting)
        });
        deployments.collect()
    }
}

/// The deployment at this place of the client of this number.
pub(super) fn deployment_id(number: u8, slot: u8) -> DeploymentId {
    let mut bytes = [0x40; 16];
    bytes[0] = number;
    bytes[15] = slot;
    DeploymentId::from_uuid_bytes(bytes)
}

/// A deployment of two components.
pub(super) fn deployment(
    device: &DeviceTarget,
    id: DeploymentId,
    revision: u64,
    setting: u64,
) -> Result<ApplicationDeployment, Failure> {
    let component = |name: &str| {
        let mut properties = ComponentProperties::default();
        properties.repository = Some(format!("oci://registry.example/{name}").parse()?);
        properties.revision = Some(format!("1.0.{revision}").parse()?);
        Ok::<_, Failure>(Component::new(name.parse()?, properties))
    };
    let components = vec![component("web")?, component("database")?];
    let profile = DeployedProfile::new(DeploymentType::Compose, components);
    let mut spec = DeploymentSpec::new("com-example-app".parse()?, profile);
    let target = Target::new("SETTING", vec!["web".parse()?]);
    let value = ParameterValue::new(format!("{setting}"), vec![target]);
    spec.parameters.insert("setting".to_owned(), value);
    // What packs badly makes single documents cheaper than a bundle now and then.
    let noise =
        (0..8).map(|part| Digest::of(format!("{id} {revision} {part}").as_bytes()).to_hex());
    let target = Target::new("NOISE", vec!["web".parse()?]);
    let noise = ParameterValue::new(noise.collect::<String>(), vec![target]);
    spec.parameters.insert("noise".to_owned(), noise);
    let metadata = DeploymentMetadata::new("app", "default", device.clone());
    Ok(ApplicationDeployment::new(id, metadata, spec))
}
