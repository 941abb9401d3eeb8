//! The devices of one client, and which of them takes a deployment (rc3.md sections 2, 4.1, 5.1; D16 to D20, D40, D48, D54 to
//! D58; ambiguities 24, 25, 36, 37).
//!
//! - A **plain device** hosts what is for its own id.
//! - A **see-thru gateway** reports itself first, then each child (`gw/child`). `gw` is for itself, `gw/child` for that
//!   child, `gw/*` for the first child in their order that is eligible. A deployment that was placed stays where it is as
//!   long as that device is eligible.
//! - An **opaque gateway** looks like one device. It reports the aggregate of itself and its members: processors and
//!   hardware listed, memory and storage added up, types and runtimes united. A deployment goes to the first member that is
//!   eligible *by itself* with the gateway's identity and all labels: aggregated memory is never promised to one workload.
//!
//! A deployment that no device takes gets the status `failed` (ambiguity 25), with one of these codes. Errors of a see-thru
//! gateway have its id as source, as section 5.1 wants; others the name of the deployment.
//!
//! | code | meaning |
//! |---|---|
//! | `INELIGIBLE` | an eligibility rule or a capacity requirement is not met; the message lists them |
//! | `NO_PROVIDER` | the device has no provider for the deployment type |
//! | `WRONG_DEVICE` | the deployment is for another device than this client's |
//! | `101` | `gw/child` is no child of this gateway |
//! | `102` | the engine of the child does not answer (reported when a step fails) |
//! | `103` | `gw/*`, but this gateway has no children to choose from |

use std::fmt;
use std::sync::Arc;

use margo_providers::Provider;
use margo_types::capabilities::{DeviceCapabilities, DeviceProperties};
use margo_types::deployment::ApplicationDeployment;
use margo_types::eligibility::Constraints;
use margo_types::id::{DeviceId, DeviceTarget};
use margo_types::scalar::Quantity;
use margo_types::status::{ReservedCode, StatusError};

/// A device that hosts workloads, or a gateway that does not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Device {
    /// What it is and offers.
    pub capabilities: DeviceCapabilities,
    /// What runs its workloads, one for each deployment type.
    pub providers: Vec<Arc<dyn Provider>>,
}

impl Device {
    /// A device with these providers.
    pub fn new(capabilities: DeviceCapabilities, providers: Vec<Arc<dyn Provider>>) -> Self {
        Self {
            capabilities,
            providers,
        }
    }

    /// Its id.
    pub fn id(&self) -> &DeviceId {
        &self.capabilities.properties.id
    }

    /// The provider for the deployment, if it has one.
    pub fn provider(&self, deployment: &ApplicationDeployment) -> Option<&Arc<dyn Provider>> {
        let wanted = &deployment.spec.deployment_profile.deployment_type;
        let mut providers = self.providers.iter();
        providers.find(|provider| provider.deployment_type() == *wanted)
    }
}

/// The devices of one client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Devices {
    /// The device, or the gateway.
    pub root: Device,
    /// The devices behind a see-thru gateway, each reported by itself.
    pub children: Vec<Device>,
    /// The devices behind an opaque gateway, which the fleet manager never hears of.
    pub members: Vec<Device>,
}

/// Where a deployment goes.
pub type Placement = Result<DeviceId, Refusal>;

/// Why no device takes a deployment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// The error to report.
    pub error: StatusError,
    /// The device to report it for, when that is one behind a gateway or its gateway.
    pub device: Option<DeviceId>,
}

impl Devices {
    /// A plain device.
    pub const fn new(root: Device) -> Self {
        Self {
            root,
            children: Vec::new(),
            members: Vec::new(),
        }
    }

    /// What is reported to the fleet manager, in the order to report it: a gateway before its children.
    pub fn reports(&self) -> Vec<DeviceCapabilities> {
        let root = aggregate(&self.root.capabilities, &self.members);
        let children = self.children.iter().map(|child| child.capabilities.clone());
        [root].into_iter().chain(children).collect()
    }

    /// The device with this id, reported or not.
    pub fn get(&self, id: &DeviceId) -> Option<&Device> {
        let mut all = [&self.root]
            .into_iter()
            .chain(&self.children)
            .chain(&self.members);
        all.find(|device| device.id() == id)
    }

    /// The `deviceId` in reports about a deployment on this device: there for a child, not for the device itself or a
    /// member of an opaque gateway.
    pub fn reported_id(&self, host: &DeviceId) -> Option<DeviceId> {
        self.is_child(host).then(|| host.clone())
    }

    /// Whether the device sits behind the see-thru gateway.
    pub fn is_child(&self, id: &DeviceId) -> bool {
        self.children.iter().any(|child| child.id() == id)
    }

    /// Decides where a deployment goes; `placed` is where it is already.
    ///
    /// # Errors
    /// [`Refusal`] when no device takes it.
    pub fn place(
        &self,
        deployment: &ApplicationDeployment,
        placed: Option<&DeviceId>,
    ) -> Placement {
        let root = self.root.id();
        match &deployment.metadata.device_id {
            None => self.own(deployment, placed),
            Some(DeviceTarget::Device(id)) if id == root => self.own(deployment, placed),
            Some(DeviceTarget::Device(id)) if id.is_behind(root) && self.members.is_empty() => {
                self.child(deployment, id)
            }
            Some(DeviceTarget::AnyBehind(id)) if id == root && self.members.is_empty() => {
                self.any(deployment, placed)
            }
            Some(target) => Err(Refusal {
                error: StatusError::new(
                    "WRONG_DEVICE",
                    &deployment.metadata.name,
                    format!("the deployment is for {target}, but this device is {root}"),
                ),
                device: None,
            }),
        }
    }

    fn is_see_thru(&self) -> bool {
        !self.children.is_empty()
    }

    /// For the device itself, or a member of the opaque gateway that it is.
    fn own(&self, deployment: &ApplicationDeployment, placed: Option<&DeviceId>) -> Placement {
        let name = deployment.metadata.name.as_str();
        let source = if self.is_see_thru() {
            self.root.id().as_str()
        } else {
            name
        };
        let members = self
            .members
            .iter()
            .map(|member| (member, self.as_gateway(member)));
        let itself = (&self.root, self.root.capabilities.clone());
        let hosts = self.root.capabilities.properties.hosts_workloads();
        let candidates: Vec<_> =
            if self.members.is_empty() || (hosts && !self.root.providers.is_empty()) {
                [itself].into_iter().chain(members).collect()
            } else {
                members.collect()
            };
        choose(deployment, &candidates, placed).map_err(|misfit| Refusal {
            error: misfit.to_error(source),
            device: None,
        })
    }

    fn child(&self, deployment: &ApplicationDeployment, id: &DeviceId) -> Placement {
        let gateway = self.root.id();
        let refuse = |error| Refusal {
            error,
            device: Some(id.clone()),
        };
        let Some(child) = self.children.iter().find(|child| child.id() == id) else {
            return Err(refuse(StatusError::new(
                ReservedCode::UnknownChildDevice.as_str(),
                gateway.as_str(),
                format!("the gateway {gateway} has no child {id}"),
            )));
        };
        let candidates = [(child, child.capabilities.clone())];
        choose(deployment, &candidates, None)
            .map_err(|misfit| refuse(misfit.to_error(gateway.as_str())))
    }

    fn any(&self, deployment: &ApplicationDeployment, placed: Option<&DeviceId>) -> Placement {
        let gateway = self.root.id();
        let refuse = |error| Refusal {
            error,
            device: Some(gateway.clone()),
        };
        if self.children.is_empty() {
            return Err(refuse(StatusError::new(
                ReservedCode::AutonomousPlacementNotSupported.as_str(),
                gateway.as_str(),
                format!("{gateway} has no children to choose from"),
            )));
        }
        let children = self.children.iter();
        let candidates: Vec<_> = children
            .map(|child| (child, child.capabilities.clone()))
            .collect();
        choose(deployment, &candidates, placed)
            .map_err(|misfit| refuse(misfit.to_error(gateway.as_str())))
    }

    /// A member as the fleet manager would see it if it were the whole gateway.
    fn as_gateway(&self, member: &Device) -> DeviceCapabilities {
        let mut seen = member.capabilities.clone();
        let root = &self.root.capabilities;
        identify(&mut seen.properties, &root.properties);
        seen.labels.extend(root.labels.clone());
        seen
    }
}

/// Why none of the candidates takes a deployment.
struct Misfit {
    code: &'static str,
    reasons: Vec<String>,
}

impl Misfit {
    fn to_error(&self, source: &str) -> StatusError {
        StatusError::new(self.code, source, self.reasons.join("\n"))
    }
}

/// The candidate that it is on already, if that fits, or else the first one that does.
fn choose(
    deployment: &ApplicationDeployment,
    candidates: &[(&Device, DeviceCapabilities)],
    placed: Option<&DeviceId>,
) -> Result<DeviceId, Misfit> {
    let profile = &deployment.spec.deployment_profile;
    let constraints = Constraints::of_deployed_profile(profile);
    let fits = |(device, capabilities): &&(&Device, DeviceCapabilities)| {
        device.provider(deployment).is_some() && constraints.matches(capabilities)
    };
    let sticky = candidates
        .iter()
        .find(|it| Some(it.0.id()) == placed && fits(it));
    if let Some((device, _)) = sticky.or_else(|| candidates.iter().find(fits)) {
        return Ok(device.id().clone());
    }
    let mut misfit = Misfit {
        code: "NO_PROVIDER",
        reasons: Vec::new(),
    };
    for (device, capabilities) in candidates {
        let why: &dyn fmt::Display = if device.provider(deployment).is_none() {
            &format_args!(
                "there is no provider for {} deployments",
                profile.deployment_type
            )
        } else {
            misfit.code = "INELIGIBLE";
            &constraints.explain(capabilities)
        };
        misfit
            .reasons
            .push(format!("device {}: {why}", device.id()));
    }
    Err(misfit)
}

/// The capabilities of an opaque gateway: its own and those of its members.
fn aggregate(root: &DeviceCapabilities, members: &[Device]) -> DeviceCapabilities {
    let mut whole = root.clone();
    for member in members {
        let member = &member.capabilities;
        let (all, one) = (&mut whole.properties, &member.properties);
        extend(&mut all.cpus, one.cpus.as_ref());
        extend(&mut all.peripherals, one.peripherals.as_ref());
        extend(&mut all.interfaces, one.interfaces.as_ref());
        unite(&mut all.supported_runtimes, one.supported_runtimes.as_ref());
        unite(
            &mut all.supported_deployment_types,
            one.supported_deployment_types.as_ref(),
        );
        add(&mut all.memory, one.memory.as_ref());
        add(&mut all.storage, one.storage.as_ref());
        if let Some(collector) = one.otel_collector {
            all.otel_collector = Some(all.otel_collector.unwrap_or(true) && collector);
        }
        for (key, value) in &member.labels {
            whole
                .labels
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
    }
    whole
}

fn identify(properties: &mut DeviceProperties, gateway: &DeviceProperties) {
    properties.id = gateway.id.clone();
    properties.vendor.clone_from(&gateway.vendor);
    properties.model_number.clone_from(&gateway.model_number);
    properties.serial_number.clone_from(&gateway.serial_number);
}

fn extend<T: Clone>(all: &mut Option<Vec<T>>, more: Option<&Vec<T>>) {
    if let Some(more) = more {
        all.get_or_insert_default().extend(more.iter().cloned());
    }
}

fn unite<T: Clone + PartialEq>(all: &mut Option<Vec<T>>, more: Option<&Vec<T>>) {
    for value in more.into_iter().flatten() {
        let all = all.get_or_insert_default();
        if !all.contains(value) {
            all.push(value.clone());
        }
    }
}

fn add(sum: &mut Option<Quantity>, more: Option<&Quantity>) {
    if let Some(more) = more {
        let bytes = sum
            .as_ref()
            .map_or(0, Quantity::bytes)
            .saturating_add(more.bytes());
        *sum = Some(Quantity::from_bytes(
            u64::try_from(bytes).unwrap_or(u64::MAX),
        ));
    }
}
