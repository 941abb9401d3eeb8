//! Setting an agent up.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use margo_providers::Provider;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::{SpecVersion, validate};

use super::{Agent, Clock, Options, Shared, SystemClock, Veto};
use crate::gateway::{Device, Devices};
use crate::retry::RetryPolicy;
use crate::schedule::Schedule;
use crate::state::{Ledger, StateStore};
use crate::{Error, ErrorKind, FleetApi};

/// Sets an agent up.
#[must_use]
pub struct AgentBuilder {
    api: Arc<dyn FleetApi>,
    state: Arc<dyn StateStore>,
    device: Option<Device>,
    children: Vec<Device>,
    members: Vec<Device>,
    schedule: Schedule,
    retry: RetryPolicy,
    options: Options,
    clock: Arc<dyn Clock>,
    veto: Option<Arc<dyn Veto>>,
}

impl AgentBuilder {
    pub(super) fn new(api: Arc<dyn FleetApi>, state: Arc<dyn StateStore>) -> Self {
        Self {
            api,
            state,
            device: None,
            children: Vec::new(),
            members: Vec::new(),
            schedule: Schedule::default(),
            retry: RetryPolicy::default(),
            options: Options::default(),
            clock: Arc::new(SystemClock),
            veto: None,
        }
    }

    /// The device, or the gateway, with what runs its workloads; no providers for a gateway that hosts nothing.
    pub fn device(
        mut self,
        capabilities: DeviceCapabilities,
        providers: impl IntoIterator<Item = Arc<dyn Provider>>,
    ) -> Self {
        self.device = Some(Device::new(capabilities, providers.into_iter().collect()));
        self
    }

    /// A device behind it, which makes it a see-thru gateway. The id says so: `gateway/child`.
    pub fn child(
        mut self,
        capabilities: DeviceCapabilities,
        providers: impl IntoIterator<Item = Arc<dyn Provider>>,
    ) -> Self {
        let providers = providers.into_iter().collect();
        self.children.push(Device::new(capabilities, providers));
        self
    }

    /// A device behind it that the fleet manager does not see, which makes it an opaque gateway.
    pub fn member(
        mut self,
        capabilities: DeviceCapabilities,
        providers: impl IntoIterator<Item = Arc<dyn Provider>>,
    ) -> Self {
        let providers = providers.into_iter().collect();
        self.members.push(Device::new(capabilities, providers));
        self
    }

    /// When to poll; once a minute otherwise.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// How long failed exchanges wait.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How the agent behaves where the specification leaves it open.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Where the time of day comes from.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Who may postpone changes.
    pub fn veto(mut self, veto: Arc<dyn Veto>) -> Self {
        self.veto = Some(veto);
        self
    }

    /// Reads the state.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when there is no device, ids clash, or capabilities are invalid; [`ErrorKind::State`] when the
    /// state is damaged.
    pub async fn build(self) -> Result<Agent, Error> {
        let device = self
            .device
            .ok_or_else(|| setup("no device was given; call AgentBuilder::device"))?;
        let mut devices = Devices::new(device);
        devices.children = self.children;
        devices.members = self.members;
        check(&devices)?;
        let ledger = Ledger::open(self.state).await?;
        Ok(Agent {
            shared: Arc::new(Shared::new(
                self.api,
                ledger,
                devices,
                self.schedule,
                self.retry,
                self.options,
                self.clock,
                self.veto,
            )),
        })
    }
}

/// Whether the devices may be reported as they are.
pub(super) fn check(devices: &Devices) -> Result<(), Error> {
    let root = devices.root.id();
    if !devices.children.is_empty() && !devices.members.is_empty() {
        return Err(setup(format!(
            "{root} has children and members; a gateway is see-thru or opaque, not both"
        )));
    }
    let mut ids = BTreeSet::new();
    let behind = devices.children.iter().chain(&devices.members);
    for device in [&devices.root].into_iter().chain(behind) {
        if !ids.insert(device.id()) {
            return Err(setup(format!(
                "the device id {} is given twice",
                device.id()
            )));
        }
    }
    if let Some(child) = devices
        .children
        .iter()
        .find(|child| !child.id().is_behind(root))
    {
        return Err(setup(format!(
            "the device {} is not behind {root}; name it {root}/...",
            child.id()
        )));
    }
    for capabilities in devices.reports() {
        let report = validate(&capabilities, SpecVersion::NEWEST);
        if let Some(finding) = report.errors().next() {
            let id = &capabilities.properties.id;
            return Err(setup(format!(
                "the capabilities of {id} are invalid: {finding}"
            )));
        }
    }
    Ok(())
}

pub(super) fn setup(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Setup, message)
}

impl fmt::Debug for AgentBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("AgentBuilder")
            .field("api", &self.api)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
