//! What goes wrong, and where.

use std::time::Duration;

use margo_types::id::{ComponentName, DeploymentId};

use crate::Trouble;

/// Something that goes wrong when a component is installed, or as [`on`](Self::on) says; every time, with every component
/// of every deployment, unless narrowed down.
#[derive(Clone, Debug)]
#[must_use]
pub struct Fault {
    effect: Effect,
    step: Step,
    deployment: Option<DeploymentId>,
    component: Option<ComponentName>,
    left: usize,
}

/// What is done with a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// It is installed or updated.
    Install,
    /// It is removed.
    Remove,
}

#[derive(Clone, Debug)]
pub(super) enum Effect {
    Fail(Trouble, String),
    Delay(Duration),
    Hang,
}

impl Fault {
    /// The step fails with this error of the component.
    pub fn fail(trouble: Trouble, message: impl Into<String>) -> Self {
        Self::new(Effect::Fail(trouble, message.into()))
    }

    /// The step takes this long.
    pub const fn delay(duration: Duration) -> Self {
        Self::new(Effect::Delay(duration))
    }

    /// The step goes on for ever, or until [`SimulatedProvider::recover`](super::SimulatedProvider::recover).
    pub const fn hang() -> Self {
        Self::new(Effect::Hang)
    }

    /// Only this deployment.
    pub const fn of_deployment(mut self, id: DeploymentId) -> Self {
        self.deployment = Some(id);
        self
    }

    /// Only components of this name.
    pub fn of_component(mut self, name: &ComponentName) -> Self {
        self.component = Some(name.clone());
        self
    }

    /// In this step instead of the installation.
    pub const fn on(mut self, step: Step) -> Self {
        self.step = step;
        self
    }

    /// Only this often.
    pub const fn times(mut self, times: usize) -> Self {
        self.left = times;
        self
    }

    const fn new(effect: Effect) -> Self {
        Self {
            effect,
            step: Step::Install,
            deployment: None,
            component: None,
            left: usize::MAX,
        }
    }

    fn concerns(&self, step: Step, id: DeploymentId, name: &ComponentName) -> bool {
        self.left > 0
            && self.step == step
            && self.deployment.is_none_or(|own| own == id)
            && self.component.as_ref().is_none_or(|own| own == name)
    }
}

/// All faults, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<Fault>);

impl Script {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// What happens in this step.
    pub(super) fn next(
        &mut self,
        step: Step,
        id: DeploymentId,
        name: &ComponentName,
    ) -> Option<Effect> {
        let fault = self
            .0
            .iter_mut()
            .find(|fault| fault.concerns(step, id, name))?;
        fault.left -= 1;
        Some(fault.effect.clone())
    }
}
