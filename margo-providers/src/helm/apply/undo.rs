//! What becomes of an attempt that failed.

use std::collections::BTreeSet;

use margo_types::deployment::ApplicationDeployment;
use margo_types::id::ComponentName;
use margo_types::status::DeploymentState;

use super::dropped;
use crate::files::{blocking, device_trouble};
use crate::helm::HelmProvider;
use crate::helm::prepare::Record;
use crate::helm::wanted::Wanted;
use crate::home::Home;
use crate::{Progress, ProviderError};

/// An attempt to install or update that failed.
pub(super) struct Failed {
    /// What was remembered before it.
    pub(super) before: Record,
    /// What is remembered now.
    pub(super) record: Record,
    /// Whether it may have changed anything on the cluster.
    pub(super) begun: bool,
    pub(super) error: ProviderError,
}

impl HelmProvider {
    /// Leaves nothing of what was never complete, and brings back the component that failed. Those that were updated before it are
    /// complete and stay so; the error says which.
    pub(super) async fn clean_up(
        &self,
        deployment: &ApplicationDeployment,
        wanted: &[Wanted<'_>],
        home: &Home,
        failed: Failed,
        progress: &dyn Progress,
    ) -> ProviderError {
        let Failed {
            before,
            mut record,
            begun,
            mut error,
        } = failed;
        let mut left = Vec::new();
        let mut unclear: BTreeSet<ComponentName> = error.component.iter().cloned().collect();
        // What came before the failed one is complete, and goes again with a deployment that never was.
        for wanted in wanted.iter().rev() {
            let name = &wanted.source.component.name;
            let is_failed = begun && error.component.as_ref() == Some(name);
            let was_there = record.components.contains_key(name);
            match self.undo(wanted, &mut record, is_failed).await {
                Ok(()) => {
                    unclear.remove(name);
                    let is_there = record.components.contains_key(name);
                    // Of the failed one the error tells.
                    if was_there && !is_there && error.component.as_ref() != Some(name) {
                        progress.component(name, DeploymentState::Removed);
                    }
                }
                Err(trouble) => {
                    unclear.insert(name.clone());
                    left.push(trouble.of(name).to_string());
                }
            }
        }
        if !record.keep {
            for owned in dropped(deployment, wanted, &record) {
                let removed = self.drop_component(&owned, home, &mut record).await;
                left.extend(removed.err().map(|trouble| trouble.to_string()));
            }
        }
        if begun && record.keep {
            let told = what_runs(wanted, &before, &record, &unclear);
            error.message.push_str(&told);
        }
        let remembered = if left.is_empty() && !record.keep {
            let home = home.clone();
            blocking(move || home.remove().map_err(device_trouble)).await
        } else {
            home.remember(&record).await
        };
        left.extend(remembered.err().map(|trouble| trouble.to_string()));
        if !left.is_empty() {
            let more = format!(
                "\nand what was begun could not be undone: {}",
                left.join("\n")
            );
            error.message.push_str(&more);
        }
        error
    }

    /// Undoes what this attempt made of a component. It is remembered afterwards if an earlier revision of it runs on.
    async fn undo(
        &self,
        wanted: &Wanted<'_>,
        record: &mut Record,
        is_failed: bool,
    ) -> Result<(), ProviderError> {
        let name = &wanted.source.component.name;
        let place = wanted.place.clone();
        let is_there = record.components.contains_key(name);
        let stays = if !is_there {
            false
        } else if !record.keep {
            self.delivery.remove(&wanted.owned()).await?;
            false
        } else if is_failed {
            self.delivery.undo(wanted).await?
        } else {
            true
        };
        if stays {
            blocking(move || place.drop_work().map_err(device_trouble)).await
        } else {
            blocking(move || place.remove().map_err(device_trouble)).await?;
            record.components.remove(name);
            Ok(())
        }
    }
}

/// Which revision of which component runs after an update that failed, to follow its error. Without a name it is the earlier one
/// of all.
fn what_runs(
    wanted: &[Wanted<'_>],
    before: &Record,
    now: &Record,
    unclear: &BTreeSet<ComponentName>,
) -> String {
    let complete = |record: &Record, name| record.components.get(name)?.complete;
    let updated = wanted.iter().filter(|wanted| {
        let name = &wanted.source.component.name;
        complete(now, name) == Some(wanted.inputs) && complete(before, name) != Some(wanted.inputs)
    });
    let updated: Vec<&str> = updated
        .map(|wanted| wanted.source.component.name.as_str())
        .collect();
    let clear = |name: &&ComponentName| !unclear.contains(*name);
    let kept = now.components.keys().filter(clear);
    let kept: Vec<&str> = kept
        .map(ComponentName::as_str)
        .filter(|name| !updated.contains(name))
        .collect();
    let gone = before.components.keys().filter(clear);
    let gone: Vec<&str> = gone
        .filter(|name| !now.components.contains_key(*name))
        .map(ComponentName::as_str)
        .collect();
    let mut told = String::new();
    if !kept.is_empty() {
        told.push_str("\nthe earlier revision is kept running");
        if !(updated.is_empty() && gone.is_empty()) {
            told = format!("{told} of {}", kept.join(", "));
        }
    }
    for (names, what) in [
        (updated, "the new revision runs of"),
        (gone, "nothing is left of"),
    ] {
        if !names.is_empty() {
            told = format!("{told}\n{what} {}", names.join(", "));
        }
    }
    told
}
