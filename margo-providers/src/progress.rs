//! Telling how far an operation is.

use margo_types::id::ComponentName;
use margo_types::status::DeploymentState;

/// Is told what happens while a provider works.
///
/// Called from the provider's task; must return at once.
pub trait Progress: Send + Sync {
    /// A component has come to a new state. Failures are not told here: they end the operation with an error. What such a
    /// failure takes along is told as removed.
    fn component(&self, name: &ComponentName, state: DeploymentState);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "it never has anything to hold")]
pub struct Silent;

impl Progress for Silent {
    fn component(&self, _: &ComponentName, _: DeploymentState) {}
}
