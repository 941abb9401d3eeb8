//! Installing and updating, in both modes.

mod claims;
mod undo;
mod way;

use std::collections::BTreeSet;
use std::time::Duration;

use margo_types::deployment::ApplicationDeployment;
use margo_types::id::ComponentName;
use margo_types::status::DeploymentState;
use tokio::time::Instant;

use self::undo::Failed;
use self::way::{Checked, Ready};
use super::HelmProvider;
use super::delivery::Health;
use super::names::Owned;
use super::prepare::{Kept, Prepared, Record};
use super::wanted::Wanted;
use crate::files::{blocking, device_trouble};
use crate::home::Home;
use crate::progress::Announcing;
use crate::{Progress, ProviderError, Trouble};

/// What makes the cluster what the deployment says.
struct Changes<'w, 'd> {
    /// The components that go.
    dropped: Vec<Owned>,
    /// The components that come or change, in their order. The first has been announced.
    due: Vec<Change<'w, 'd>>,
}

/// A component that is not as it is wanted, with all that is needed to change that.
struct Change<'w, 'd> {
    wanted: &'w Wanted<'d>,
    prepared: Prepared,
    checked: Checked,
    time: Duration,
}

impl HelmProvider {
    pub(super) async fn apply_deployment(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let home = self.home(deployment);
        let known = self.recall(deployment, &home).await?;
        let is_known = known.is_some();
        let mut record = known.unwrap_or(Record::new(false));
        let wanted = self.wanted(deployment, &record)?;
        if !is_known {
            let new = home.clone();
            blocking(move || new.create().map_err(device_trouble)).await?;
        }
        let before = record.clone();
        let progress = Announcing::new(progress);
        let (begun, error) = match self.changes(deployment, &wanted, &record, &progress).await {
            Ok(changes) => {
                let converged = self.converge(&wanted, changes, &home, &mut record, &progress);
                match converged.await {
                    Ok(()) => return Ok(()),
                    Err(error) => (true, error),
                }
            }
            Err(error) => (false, error),
        };
        let failed = Failed {
            before,
            record,
            begun,
            error,
        };
        let error = self
            .clean_up(deployment, &wanted, &home, failed, &progress)
            .await;
        progress.take_back(error.component.as_ref());
        Err(error)
    }

    /// What is remembered: by the files or, without them, by the cluster. What only the cluster remembers counts as having
    /// data.
    pub(super) async fn recall(
        &self,
        deployment: &ApplicationDeployment,
        home: &Home,
    ) -> Result<Option<Record>, ProviderError> {
        // One without components that counts as complete is what is left of a damaged one.
        let is_whole = |record: &Record| !(record.keep && record.components.is_empty());
        if let Some(record) = self.remembered(home).await?.filter(is_whole) {
            return Ok(Some(record));
        }
        let found = self.delivery.list(Some(&deployment.id)).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let mut record = Record::new(true);
        for owned in found {
            let kept = Kept {
                pin: None,
                release: owned.release,
                mode: self.options.mode.name(),
                complete: None,
            };
            record.components.insert(owned.component, kept);
        }
        Ok(Some(record))
    }

    /// What the files remember; an error when it came to the cluster in the other mode, of whose objects this one knows nothing.
    pub(super) async fn remembered(&self, home: &Home) -> Result<Option<Record>, ProviderError> {
        let record: Option<Record> = home.recall().await?;
        let now = self.options.mode.name();
        let mut kept = record.iter().flat_map(|record| record.components.values());
        let Some(other) = kept.find(|kept| kept.mode != now) else {
            return Ok(record);
        };
        let message = format!(
            "it was installed in {}, and the device is in {now}; set it back, or do so until the deployment is removed",
            other.mode
        );
        Err(ProviderError::new(Trouble::Device, message))
    }

    /// What is to be changed, after everything was fetched and checked.
    async fn changes<'w, 'd>(
        &self,
        deployment: &ApplicationDeployment,
        wanted: &'w [Wanted<'d>],
        record: &Record,
        progress: &dyn Progress,
    ) -> Result<Changes<'w, 'd>, ProviderError> {
        let dropped = dropped(deployment, wanted, record);
        let mut due: Vec<Change<'_, '_>> = Vec::new();
        for wanted in wanted {
            let name = &wanted.source.component.name;
            let kept = record.components.get(name);
            let checked = self.is_as_wanted(wanted, kept).await;
            if checked.map_err(|error| error.of(name))? {
                continue;
            }
            if due.is_empty() {
                progress.component(name, DeploymentState::Installing);
            }
            let first = due.is_empty() && dropped.is_empty();
            let change = self.change(wanted, kept, first, &dropped).await;
            due.push(change.map_err(|error| error.of(name))?);
        }
        Ok(Changes { dropped, due })
    }

    async fn converge(
        &self,
        wanted: &[Wanted<'_>],
        changes: Changes<'_, '_>,
        home: &Home,
        record: &mut Record,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let Changes { mut dropped, due } = changes;
        let mut due = due.into_iter().peekable();
        let mut is_announced = true;
        for wanted in wanted {
            let name = &wanted.source.component.name;
            if let Some(change) = due.next_if(|change| change.wanted.release == wanted.release) {
                if !is_announced {
                    progress.component(name, DeploymentState::Installing);
                }
                is_announced = false;
                let is_last = due.peek().is_none();
                let done = self.deliver(change, &mut dropped, home, record, is_last);
                // That of a component which should make way names that one.
                done.await.map_err(|error| match error.component {
                    Some(_) => error,
                    None => error.of(name),
                })?;
            }
            progress.component(name, DeploymentState::Installed);
        }
        if !record.keep {
            record.keep = true;
            home.remember(record).await?;
        }
        // Last: until all others are complete, the earlier revision has to be able to run on.
        for owned in dropped {
            self.drop_component(&owned, home, record).await?;
        }
        Ok(())
    }

    /// Whether what was last complete is what is wanted, and still fares as it should.
    async fn is_as_wanted(
        &self,
        wanted: &Wanted<'_>,
        kept: Option<&Kept>,
    ) -> Result<bool, ProviderError> {
        if kept.and_then(|kept| kept.complete) != Some(wanted.inputs) {
            return Ok(false);
        }
        let standing = self.delivery.standing(&wanted.release).await?;
        let fares_well = match standing.health {
            Health::Ready => true,
            Health::Coming(_) => !wanted.wait,
            Health::Absent | Health::Failed(_) => false,
        };
        Ok(fares_well && standing.mark == Some(wanted.mark()))
    }

    /// Fetches and checks a component, with nothing changed.
    async fn change<'w, 'd>(
        &self,
        wanted: &'w Wanted<'d>,
        kept: Option<&Kept>,
        first: bool,
        dropped: &[Owned],
    ) -> Result<Change<'w, 'd>, ProviderError> {
        let begun = Instant::now();
        let prepared = async {
            let prepared = self.prepare(wanted, kept).await?;
            let checked = self.check(wanted, &prepared, first, dropped).await?;
            Ok((prepared, checked))
        };
        let (prepared, checked) = in_time(wanted, wanted.timeout, prepared).await?;
        Ok(Change {
            wanted,
            prepared,
            checked,
            time: wanted.timeout.saturating_sub(begun.elapsed()),
        })
    }

    async fn deliver(
        &self,
        change: Change<'_, '_>,
        dropped: &mut Vec<Owned>,
        home: &Home,
        record: &mut Record,
        is_last: bool,
    ) -> Result<(), ProviderError> {
        let Ready {
            wanted,
            prepared,
            plan,
            time,
        } = self.make_way(change, dropped, home, record).await?;
        let name = &wanted.source.component.name;
        let earlier = record.components.get(name);
        let kept = Kept {
            pin: Some(prepared.pin.clone()),
            release: wanted.release.clone(),
            mode: self.options.mode.name(),
            complete: earlier.and_then(|kept| kept.complete),
        };
        record.components.insert(name.clone(), kept);
        home.remember(record).await?;
        let delivered = self.delivery.deliver(wanted, &prepared, plan, time);
        delivered.await?;
        let place = wanted.place.clone();
        blocking(move || place.drop_work().map_err(device_trouble)).await?;
        if let Some(kept) = record.components.get_mut(name) {
            kept.complete = Some(wanted.inputs);
        }
        // With the last component the deployment is complete.
        record.keep |= is_last;
        home.remember(record).await
    }

    /// Removes a component that the deployment does not have any more.
    async fn drop_component(
        &self,
        owned: &Owned,
        home: &Home,
        record: &mut Record,
    ) -> Result<(), ProviderError> {
        let name = &owned.component;
        let removed = self.delivery.remove(owned).await;
        removed.map_err(|error| error.of(name))?;
        let place = home.place(name);
        blocking(move || place.remove().map_err(device_trouble)).await?;
        record.components.remove(name);
        home.remember(record).await
    }
}

/// What is done for a component before it is delivered, if it is done in time.
async fn in_time<T>(
    wanted: &Wanted<'_>,
    time: Duration,
    work: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
        let message = format!(
            "its chart was not there and checked within its time-out of {} s",
            wanted.timeout.as_secs()
        );
        Err(ProviderError::new(Trouble::Timeout, message))
    })
}

/// The components of which something may be on the cluster and that the deployment does not have any more, last first.
fn dropped(
    deployment: &ApplicationDeployment,
    wanted: &[Wanted<'_>],
    record: &Record,
) -> Vec<Owned> {
    let names: BTreeSet<&ComponentName> = wanted
        .iter()
        .map(|one| &one.source.component.name)
        .collect();
    let known = record.components.iter().rev();
    known
        .filter(|(name, _)| !names.contains(name))
        .map(|(name, kept)| Owned {
            deployment: deployment.id,
            component: name.clone(),
            release: kept.release.clone(),
        })
        .collect()
}
