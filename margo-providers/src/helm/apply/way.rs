//! Components that another takes the objects of, as when one is renamed whose chart has fixed names.
//!
//! What a revision drops goes last. But where something of it stands in the way of what comes, it has to go before: then that
//! component cannot be checked until this is done, and does not run on should the update fail.

use std::time::Duration;

use tokio::time::Instant;

use super::{Change, in_time};
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

/// A component with nothing in its way.
pub(super) struct Ready<'w, 'd> {
    pub(super) wanted: &'w Wanted<'d>,
    pub(super) prepared: Prepared,
    pub(super) plan: Plan,
    /// How long it may take from now on.
    pub(super) time: Duration,
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

    /// Removes the dropped components that stand in the way of this one, and no others. To check it again is part of its time.
    pub(super) async fn make_way<'w, 'd>(
        &self,
        change: Change<'w, 'd>,
        dropped: &mut Vec<Owned>,
        home: &Home,
        record: &mut Record,
    ) -> Result<Ready<'w, 'd>, ProviderError> {
        let Change {
            wanted,
            prepared,
            mut checked,
            mut time,
        } = change;
        loop {
            match checked {
                Checked::Fit(plan) => {
                    return Ok(Ready {
                        wanted,
                        prepared,
                        plan,
                        time,
                    });
                }
                Checked::Blocked(by) => {
                    tracing::info!(component = %by.component, "it is removed first, for another takes its objects");
                    self.drop_component(&by, home, record).await?;
                    dropped.retain(|owned| *owned != by);
                    let begun = Instant::now();
                    let again = self.check(wanted, &prepared, false, dropped);
                    checked = in_time(wanted, time, again).await?;
                    time = time.saturating_sub(begun.elapsed());
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
