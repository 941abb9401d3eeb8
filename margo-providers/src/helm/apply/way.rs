//! Components that another takes something of, as when one is renamed whose chart has fixed names or ports.
//!
//! What a revision drops goes last. But where something of it stands in the way of what comes, it has to go before: then that
//! component cannot be checked in all until this is done, and the dropped one does not run on should the update fail.

use std::time::Duration;

use tokio::time::Instant;

use super::claims::claims;
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
    /// It takes what these dropped components have.
    Blocked(Vec<Owned>),
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
        let blocked = self.in_the_way(wanted, prepared, dropped).await?;
        if blocked.is_empty() {
            let plan = self.delivery.check(wanted, prepared, first).await?;
            return Ok(Checked::Fit(plan));
        }
        Ok(Checked::Blocked(blocked))
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
            checked,
            time,
        } = change;
        let (plan, time) = match checked {
            Checked::Fit(plan) => (plan, time),
            Checked::Blocked(blocked) => {
                for by in blocked {
                    // Another component may have needed it gone already.
                    if let Some(position) = dropped.iter().position(|owned| *owned == by) {
                        tracing::info!(component = %by.component, "it is removed first, for another takes what it has");
                        self.drop_component(&by, home, record).await?;
                        dropped.remove(position);
                    }
                }
                let begun = Instant::now();
                let again = self.delivery.check(wanted, &prepared, false);
                let plan = in_time(wanted, time, again).await?;
                (plan, time.saturating_sub(begun.elapsed()))
            }
        };
        Ok(Ready {
            wanted,
            prepared,
            plan,
            time,
        })
    }

    /// Those of the dropped components that have what this one takes.
    async fn in_the_way(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        dropped: &[Owned],
    ) -> Result<Vec<Owned>, ProviderError> {
        if dropped.is_empty() {
            return Ok(Vec::new());
        }
        let objects = self.delivery.preview(wanted, prepared).await?;
        let taken = claims(&wanted.release, &objects);
        let mut found = Vec::new();
        for owned in dropped {
            let objects = self.delivery.objects(&owned.release).await?;
            if !claims(&owned.release, &objects).is_disjoint(&taken) {
                found.push(owned.clone());
            }
        }
        Ok(found)
    }
}
