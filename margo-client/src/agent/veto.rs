//! The device's own word on when something may change.

use margo_types::deployment::ApplicationDeployment;

use crate::reconcile::Action;

/// Postpones changes: maintenance windows, a machine that is in the middle of something, an operator who says no.
///
/// Asked before every step that changes the device, and again every [`Options::veto_every`](super::Options::veto_every)
/// until it agrees. While it does not, what runs goes on running. The reason is in the
/// [`Snapshot`](super::Snapshot). The fleet manager sees a first installation as `pending`; of a postponed update or removal
/// it sees that the reported `adoptedManifestVersion` stays where it was, because the new revision has not been begun.
///
/// Any function with these arguments is a veto.
pub trait Veto: Send + Sync {
    /// Why this must not be done now; `None` when it may. Must return at once.
    fn postpone(&self, deployment: &ApplicationDeployment, action: Action) -> Option<String>;
}

impl<F> Veto for F
where
    F: Fn(&ApplicationDeployment, Action) -> Option<String> + Send + Sync,
{
    fn postpone(&self, deployment: &ApplicationDeployment, action: Action) -> Option<String> {
        self(deployment, action)
    }
}
