//! From what should be and what is to what is to be done (rc3.md section 3.4 step 4; D38, D40, D42).
//!
//! [`plan`] is a pure function: it asks nobody but its arguments and remembers nothing. It is run again after every
//! event, so a step that failed, or that was interrupted by a power cut, simply comes again.

use std::collections::{BTreeMap, BTreeSet};

use margo_types::Digest;
use margo_types::id::{DeploymentId, DeviceId};

use crate::state::{Current, Phase};

/// What should be: a deployment of the accepted manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Desired {
    /// The digest of its document.
    pub revision: Digest,
    /// The device that it goes to; `None` when the device refuses it.
    pub host: Option<DeviceId>,
}

impl Desired {
    /// A revision for this device, or one that is refused.
    pub const fn new(revision: Digest, host: Option<DeviceId>) -> Self {
        Self { revision, host }
    }
}

/// What was seen of a deployment that is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// Not looked at, or as it should be, or too early to tell.
    #[default]
    Good,
    /// It drifted: to be applied again.
    Drifted,
    /// It drifted, and was applied again too often: left alone until it is changed.
    GivenUp,
}

/// What is to be done with a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Take it off the device it is on: it is not desired, or is to go to another device.
    Remove,
    /// Report that the device does not take this revision. What it runs of an earlier one stays.
    Refuse,
    /// Bring it to a device that has nothing of it.
    Install,
    /// Bring it to another revision, or carry on doing so.
    Update,
    /// Apply the same revision again, because it drifted.
    Repair,
}

/// One step for one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What is to be done.
    pub action: Action,
    /// The revision to apply, refuse or remove; `None` when there is nothing to remove but the memory of it.
    pub revision: Option<Digest>,
    /// The device concerned; `None` when the deployment is on no device.
    pub host: Option<DeviceId>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The steps, in the order to begin them: what is removed makes room first, then what the device runs already is
    /// put right, then come updates and new deployments; by id among equals. The order is that of beginning: a step
    /// waits for no other to succeed.
    pub steps: Vec<Step>,
    /// Steps that were vetoed, with the reason.
    pub postponed: Vec<(Step, String)>,
}

/// Works out what is to be done: at most one step for each deployment.
///
/// A deployment is touched if it is desired in another revision or elsewhere than it is, is not desired but there, was
/// interrupted or failed, or drifted. `veto` is asked about every step but refusals, which change nothing on the device.
pub fn plan(
    desired: &BTreeMap<DeploymentId, Desired>,
    current: &BTreeMap<DeploymentId, Current>,
    observed: &BTreeMap<DeploymentId, Health>,
    mut veto: impl FnMut(&Step) -> Option<String>,
) -> Plan {
    let ids: BTreeSet<&DeploymentId> = desired.keys().chain(current.keys()).collect();
    let mut steps: Vec<Step> = ids
        .into_iter()
        .filter_map(|id| {
            let health = observed.get(id).copied().unwrap_or_default();
            let (action, revision, host) = decide(desired.get(id), current.get(id), health)?;
            Some(Step {
                deployment: *id,
                action,
                revision,
                host,
            })
        })
        .collect();
    steps.sort_by_key(|step| (rank(step.action), step.deployment));
    let mut plan = Plan::default();
    for step in steps {
        let reason = match step.action {
            Action::Refuse => None,
            _ => veto(&step),
        };
        match reason {
            Some(reason) => plan.postponed.push((step, reason)),
            None => plan.steps.push(step),
        }
    }
    plan
}

type Decision = (Action, Option<Digest>, Option<DeviceId>);

fn decide(
    desired: Option<&Desired>,
    current: Option<&Current>,
    health: Health,
) -> Option<Decision> {
    let (desired, current) = match (desired, current) {
        (None, None) => return None,
        (None, Some(current)) => return Some(removal(current)),
        (Some(desired), None) => (desired, None),
        (Some(desired), Some(current)) => (desired, Some(current)),
    };
    let revision = Some(desired.revision);
    let Some(host) = &desired.host else {
        let told = current.is_some_and(|current| {
            current.revision == desired.revision && current.phase == Phase::Refused
        });
        return (!told).then_some((Action::Refuse, revision, None));
    };
    let apply = |action| Some((action, revision, Some(host.clone())));
    let Some(current) = current else {
        return apply(Action::Install);
    };
    if current.applied.is_none() {
        return match current.phase {
            Phase::Rejected if current.revision == desired.revision => None,
            _ => apply(Action::Install),
        };
    }
    if current.host.as_ref() != Some(host) {
        return Some(removal(current));
    }
    if current.revision != desired.revision {
        return apply(Action::Update);
    }
    match (current.phase, health) {
        // What runs is an earlier revision, whatever else the state says.
        (Phase::Installed, _) if current.applied != revision => apply(Action::Update),
        (Phase::Installed, Health::Drifted) => apply(Action::Repair),
        (Phase::Installed | Phase::Rejected, _) => None,
        (Phase::Applying | Phase::Removing | Phase::Refused, _) => apply(Action::Update),
    }
}

fn removal(current: &Current) -> Decision {
    (Action::Remove, current.applied, current.host.clone())
}

const fn rank(action: Action) -> u8 {
    match action {
        Action::Remove => 0,
        Action::Refuse => 1,
        Action::Repair => 2,
        Action::Update => 3,
        Action::Install => 4,
    }
}

impl Step {
    /// Whether doing `other` is doing this: the same revision to or from the same device, whatever the reason for it.
    pub(crate) fn is_same_work(&self, other: &Self) -> bool {
        let kind = |action| match action {
            Action::Remove => 0,
            Action::Refuse => 1,
            Action::Install | Action::Update | Action::Repair => 2,
        };
        kind(self.action) == kind(other.action)
            && self.revision == other.revision
            && self.host == other.host
    }
}
