//! Telling how far an operation is.

#[cfg(any(feature = "compose", feature = "helm"))]
use std::sync::{Mutex, PoisonError};

use margo_types::id::ComponentName;
use margo_types::status::DeploymentState;

/// Is told what happens while a provider works.
///
/// Called from the provider's task; must return at once.
pub trait Progress: Send + Sync {
    /// A component has come to a new state. Failures are not told here: they end the operation with an error. What such a
    /// failure takes along is told as removed; what was about to be installed, and is not because of it, as pending.
    fn component(&self, name: &ComponentName, state: DeploymentState);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "it never has anything to hold")]
pub struct Silent;

impl Progress for Silent {
    fn component(&self, _: &ComponentName, _: DeploymentState) {}
}

/// Passes on what is told, and knows which component is being installed.
#[cfg(any(feature = "compose", feature = "helm"))]
pub(crate) struct Announcing<'p> {
    to: &'p dyn Progress,
    installing: Mutex<Option<ComponentName>>,
}

#[cfg(any(feature = "compose", feature = "helm"))]
impl<'p> Announcing<'p> {
    pub(crate) const fn new(to: &'p dyn Progress) -> Self {
        Self {
            to,
            installing: Mutex::new(None),
        }
    }

    /// After a failure: takes back what was announced of a component that is not the one to blame.
    pub(crate) fn take_back(&self, culprit: Option<&ComponentName>) {
        let mut installing = self
            .installing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = installing.take().filter(|name| Some(name) != culprit) {
            self.to.component(&name, DeploymentState::Pending);
        }
    }
}

#[cfg(any(feature = "compose", feature = "helm"))]
impl Progress for Announcing<'_> {
    fn component(&self, name: &ComponentName, state: DeploymentState) {
        let mut installing = self
            .installing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if state == DeploymentState::Installing {
            *installing = Some(name.clone());
        } else if installing.as_ref() == Some(name) {
            *installing = None;
        }
        self.to.component(name, state);
    }
}
