//! Components that another takes the objects of, as when one is renamed whose chart has fixed names.
//!
//! What a revision drops goes last. But where something of it stands in the way of what comes, it has to go before: then that
//! component cannot be checked until this is done, and does not run on should the update fail.

use crate::ProviderError;
use crate::helm::HelmProvider;
use crate::helm::delivery::Plan;
use crate::helm::names::Owned;
use crate::helm::prepare::{Prepared, Record};
use crate::helm::wanted::Wanted;
use crate::home::Home;

/// What came of checking a component.
#[derive(Debug)]
pub(super) enum Checked {
    /// It can be delivered so.
    Fit(Plan),
    /// Objects of a dropped component have the names of its own.
    Blocked(Owned),
}

impl HelmProvider {
    /// Checks a component, with nothing changed.
    pub(super) async fn check(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        first: bool,
        dropped: &[Owned],
    ) -> Result<Checked, ProviderError> {
        match self.delivery.check(wanted, prepared, first).await {
            Ok(plan) => Ok(Checked::Fit(plan)),
            Err(error) => match dropped.iter().find(|owned| is_blocked_by(&error, owned)) {
                Some(owned) => Ok(Checked::Blocked(owned.clone())),
                None => Err(error),
            },
        }
    }

    /// Removes the dropped components that stand in the way of this one, and no others.
    pub(super) async fn make_way(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        checked: Checked,
        dropped: &mut Vec<Owned>,
        home: &Home,
        record: &mut Record,
    ) -> Result<Plan, ProviderError> {
        let mut checked = checked;
        loop {
            match checked {
                Checked::Fit(plan) => return Ok(plan),
                Checked::Blocked(by) => {
                    tracing::info!(component = %by.component, "it is removed first, for another takes its objects");
                    self.drop_component(&by, home, record).await?;
                    dropped.retain(|owned| *owned != by);
                    checked = self.check(wanted, prepared, false, dropped).await?;
                }
            }
        }
    }
}

/// Whether a check failed because an object belongs to this component, by the words of Helm or of template mode.
fn is_blocked_by(error: &ProviderError, owned: &Owned) -> bool {
    let (release, component) = (&owned.release.name, &owned.component);
    let message = &error.message;
    (message.contains("invalid ownership metadata")
        && message.contains(&format!("current value is \"{release}\"")))
        || message.contains(&format!(
            "belongs to the component {component} of the deployment {} ",
            owned.deployment
        ))
}
