//! Applying a component, and putting back what was before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Applier;
use super::inventory::{Complete, Entry, Inventory};
use super::object::{ObjectId, our_fields};
use super::order::{COUNT, wave};
use super::plan::{Planned, Step, Todo, WIDTH};
use crate::helm::cluster::{Kind, Write, trouble_with};
use crate::helm::json::text;
use crate::helm::names::Owned;
use crate::helm::readiness::Readiness;
use crate::helm::stuck::replace_stuck_pods;
use crate::helm::wanted::Wanted;
use crate::{ProviderError, Trouble};

impl Applier {
    /// Brings the cluster to what was planned and, if so wanted, waits until all workloads are ready.
    pub(super) async fn apply(
        &self,
        wanted: &Wanted<'_>,
        planned: Planned,
        time: Duration,
    ) -> Result<(), ProviderError> {
        let owned = &wanted.owned();
        let Planned {
            steps,
            inventory,
            makes_namespace,
        } = planned;
        let begun = Instant::now();
        if makes_namespace {
            self.make_namespace(&owned.release.namespace).await?;
        }
        let earlier = inventory.unwrap_or_default();
        let mut next = Inventory {
            entries: steps.iter().map(|step| entry_of(step, &earlier)).collect(),
            is_settled: false,
            complete: earlier.complete.clone(),
        };
        let dropped: Vec<Entry> = earlier
            .entries
            .iter()
            .filter(|entry| next.entry(&entry.id).is_none())
            .cloned()
            .collect();
        next.entries.extend(dropped.iter().cloned());
        next.store(&self.cluster, &self.owner, owned).await?;

        let brought = async {
            let applied = self.apply_steps(owned, &steps).await?;
            if wanted.wait {
                self.until_ready(owned, &applied).await?;
            }
            Ok(applied)
        };
        let applied = match tokio::time::timeout(time, brought).await {
            Ok(applied) => applied?,
            Err(_) => return Err(self.too_slow(owned, &steps, wanted.timeout).await),
        };
        let left = time.saturating_sub(begun.elapsed());
        self.delete(owned, &dropped, left.max(LEAST)).await?;
        let entries = steps.iter().filter_map(|step| {
            let live = applied.get(&step.id)?;
            Some(self.entry_after(owned, step, live))
        });
        let done = Inventory {
            entries: entries.collect(),
            is_settled: true,
            complete: Some(Complete {
                mark: wanted.mark(),
                objects: steps.iter().map(|step| step.object.clone()).collect(),
            }),
        };
        done.store(&self.cluster, &self.owner, owned).await
    }

    /// Puts back what was last complete; removes everything when nothing ever was.
    pub(super) async fn put_back(&self, owned: &Owned) -> Result<(), ProviderError> {
        let Some(inventory) = Inventory::load(&self.cluster, &owned.release).await? else {
            return Ok(());
        };
        let Some(complete) = inventory.complete.clone() else {
            return self.remove_all(owned).await;
        };
        if inventory.is_settled {
            return Ok(());
        }
        let mut steps = self.steps(owned, complete.objects.clone()).await?;
        for step in &mut steps {
            step.todo = Todo::Apply(Write::Own);
        }
        let applied = self.apply_steps(owned, &steps).await?;
        replace_stuck_pods(&self.cluster, &owned.release.namespace, &complete.objects).await?;
        let is_surplus = |entry: &&Entry| !applied.contains_key(&entry.id);
        let surplus: Vec<Entry> = inventory
            .entries
            .iter()
            .filter(is_surplus)
            .cloned()
            .collect();
        self.delete(owned, &surplus, self.patience).await?;
        let entries = steps.iter().filter_map(|step| {
            let live = applied.get(&step.id)?;
            Some(self.entry_after(owned, step, live))
        });
        let settled = Inventory {
            entries: entries.collect(),
            is_settled: true,
            complete: Some(complete),
        };
        settled.store(&self.cluster, &self.owner, owned).await
    }

    /// Applies wave after wave. The objects as the cluster has them afterwards.
    async fn apply_steps(
        &self,
        owned: &Owned,
        steps: &[Step],
    ) -> Result<BTreeMap<ObjectId, Value>, ProviderError> {
        let manager = self.manager(owned);
        let mut applied = BTreeMap::new();
        for number in 0..COUNT {
            let mut writes = Vec::new();
            for step in steps.iter().filter(|step| wave(&step.id.kind) == number) {
                match &step.todo {
                    Todo::Keep(kept) => {
                        applied.insert(step.id.clone(), kept.1.clone());
                    }
                    Todo::Apply(write) => writes.push(self.write(step, *write, &manager)),
                }
            }
            let written: Vec<(ObjectId, Value)> = stream::iter(writes)
                .buffer_unordered(WIDTH)
                .try_collect()
                .await?;
            applied.extend(written);
        }
        Ok(applied)
    }

    async fn write(
        &self,
        step: &Step,
        write: Write,
        manager: &str,
    ) -> Result<(ObjectId, Value), ProviderError> {
        let namespace = step.id.namespace.as_deref();
        let written = self
            .cluster
            .apply(&step.kind, namespace, &step.object, manager, write)
            .await;
        match written {
            Ok(object) => Ok((step.id.clone(), object)),
            Err(error) => Err(trouble_with(error, &step.id.to_string())),
        }
    }

    async fn make_namespace(&self, name: &str) -> Result<(), ProviderError> {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let made = self
            .cluster
            .apply(
                &Kind::namespace(),
                None,
                &namespace,
                &self.owner,
                Write::New,
            )
            .await;
        made.map(|_| ())
            .map_err(|error| trouble_with(error, &format!("the namespace {name}")))
    }

    /// What is remembered of an object after it was applied.
    fn entry_after(&self, owned: &Owned, step: &Step, live: &Value) -> Entry {
        Entry {
            uid: Some(text(live, "/metadata/uid").to_owned()),
            fields: our_fields(live, &self.manager(owned)),
            ..Entry::new(&step.object, step.digest)
        }
    }

    /// The error of a component that was not complete in time: the workload's, if one says what is wrong with it.
    async fn too_slow(&self, owned: &Owned, steps: &[Step], limit: Duration) -> ProviderError {
        let mut message = format!(
            "it was not complete within its time-out of {} s",
            limit.as_secs()
        );
        let explained = tokio::time::timeout(EXPLAINING, self.laggards(owned, steps)).await;
        let mut trouble = Trouble::Timeout;
        for (id, readiness) in explained.unwrap_or_default() {
            if matches!(readiness, Readiness::Failed(_)) {
                trouble = Trouble::Workload;
            }
            if let Readiness::Coming(how) | Readiness::Failed(how) = readiness {
                let _ = write!(message, "\n{id} {how}");
            }
        }
        ProviderError::new(trouble, message)
    }
}

/// What is remembered of an object before it is applied: should the process be killed, it is ours, whatever it is then.
fn entry_of(step: &Step, earlier: &Inventory) -> Entry {
    let known = earlier.entry(&step.id);
    match &step.todo {
        Todo::Keep(kept) => kept.0.clone(),
        Todo::Apply(_) => Entry {
            uid: known.and_then(|entry| entry.uid.clone()),
            ..Entry::new(&step.object, step.digest)
        },
    }
}

/// What is left for tidying up when readiness took all of the time.
const LEAST: Duration = Duration::from_secs(30);
const EXPLAINING: Duration = Duration::from_secs(30);
