//! Waiting until what was applied is ready.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use serde_json::Value;

use super::Applier;
use super::inventory::Entry;
use super::object::ObjectId;
use super::plan::{Step, selector_of};
use crate::helm::cluster::{Cluster, Event, Kind, trouble_with};
use crate::helm::diagnosis::diagnose;
use crate::helm::json::text;
use crate::helm::names::{Owned, labels};
use crate::helm::readiness::{Readiness, goes_when_done, is_awaited, readiness};
use crate::{ProviderError, Trouble};

impl Applier {
    /// Waits until all of these are ready at once, as long as it takes.
    ///
    /// # Errors
    /// [`Trouble::Workload`] as soon as one has failed for good.
    pub(super) async fn until_ready(
        &self,
        owned: &Owned,
        applied: &BTreeMap<ObjectId, Value>,
    ) -> Result<(), ProviderError> {
        let selector = selector_of(&labels(&self.owner, &owned.deployment, &owned.component));
        let mut groups: BTreeMap<(Kind, Option<String>), Group> = BTreeMap::new();
        for (id, object) in applied.iter().filter(|(_, object)| is_awaited(object)) {
            let api_version = text(object, "/apiVersion");
            let kind = self.cluster.kind(api_version, &id.kind).await?;
            let group = groups.entry((kind.clone(), id.namespace.clone()));
            let group = group.or_insert_with(|| Group {
                kind,
                namespace: id.namespace.clone(),
                states: BTreeMap::new(),
                passing: BTreeSet::new(),
            });
            if goes_when_done(object) {
                group.passing.insert(id.name.clone());
            }
            group.states.insert(id.name.clone(), readiness(object));
        }
        let waiting = groups.into_values().filter(|group| !group.is_ready());
        let waiting = waiting.map(|group| group.wait(self.cluster.clone(), selector.clone()));
        let waiting: Vec<_> = waiting.collect();
        try_join_all(waiting).await.map(|_| ())
    }

    /// The first few workloads that are not ready, and why.
    pub(super) async fn laggards(
        &self,
        owned: &Owned,
        steps: &[Step],
    ) -> Vec<(ObjectId, Readiness)> {
        let awaited = steps.iter().filter(|step| is_awaited(&step.object));
        let entries: Vec<Entry> = awaited
            .map(|step| Entry::new(&step.object, step.digest))
            .collect();
        let Ok(live) = self.live(owned, &entries).await else {
            return Vec::new();
        };
        let mut laggards = Vec::new();
        for entry in entries {
            let readiness = match live.get(&entry.id) {
                Some(object) => diagnose(&self.cluster, object).await,
                None => Readiness::Coming("is not there".to_owned()),
            };
            if readiness != Readiness::Ready {
                laggards.push((entry.id, readiness));
            }
            if laggards.len() == SHOWN {
                break;
            }
        }
        laggards
    }
}

/// The workloads of one kind in one namespace.
struct Group {
    kind: Kind,
    namespace: Option<String>,
    states: BTreeMap<String, Readiness>,
    /// Those that the cluster removes when they are done.
    passing: BTreeSet<String>,
}

impl Group {
    fn is_ready(&self) -> bool {
        self.states.values().all(|state| *state == Readiness::Ready)
    }

    async fn wait(mut self, cluster: Cluster, selector: String) -> Result<(), ProviderError> {
        let namespace = self.namespace.clone();
        loop {
            let listed = cluster
                .list(&self.kind, namespace.as_deref(), &selector)
                .await;
            match listed {
                Ok(listed) => {
                    for (name, state) in &mut self.states {
                        *state = absent(name, &self.passing);
                    }
                    for object in &listed.objects {
                        self.note(&cluster, object).await?;
                    }
                    if self.is_ready() {
                        return Ok(());
                    }
                    if self.follow(&cluster, &selector, &listed.version).await? {
                        return Ok(());
                    }
                }
                Err(error) => {
                    let trouble =
                        trouble_with(error, &format!("the list of all {}", self.kind.name));
                    // A server that is away for a moment comes back, or the time is over.
                    if trouble.trouble != Trouble::Engine {
                        return Err(trouble);
                    }
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Follows what happens until all are ready, or the server ends the watch.
    async fn follow(
        &mut self,
        cluster: &Cluster,
        selector: &str,
        version: &str,
    ) -> Result<bool, ProviderError> {
        let (kind, namespace) = (self.kind.clone(), self.namespace.clone());
        let events = cluster
            .watch(&kind, namespace.as_deref(), selector, version)
            .await;
        let Ok(events) = events else { return Ok(false) };
        let mut events = pin!(events);
        while let Ok(Some(event)) = events.try_next().await {
            match event {
                Event::There(object) => self.note(cluster, &object).await?,
                Event::Gone(object) => {
                    let name = ObjectId::of(&object).name;
                    if let Some(state) = self.states.get_mut(&name) {
                        *state = absent(&name, &self.passing);
                    }
                }
            }
            if self.is_ready() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn note(&mut self, cluster: &Cluster, object: &Value) -> Result<(), ProviderError> {
        let id = ObjectId::of(object);
        let Some(state) = self.states.get_mut(&id.name) else {
            return Ok(());
        };
        *state = readiness(object);
        if matches!(state, Readiness::Failed(_))
            && let Readiness::Failed(how) = diagnose(cluster, object).await
        {
            return Err(ProviderError::new(Trouble::Workload, format!("{id} {how}")));
        }
        Ok(())
    }
}

/// How a workload fares that was applied and is not there.
fn absent(name: &str, passing: &BTreeSet<String>) -> Readiness {
    if passing.contains(name) {
        Readiness::Ready
    } else {
        Readiness::Coming("is not there".to_owned())
    }
}

/// Between a watch that ended and the next list.
const AGAIN: Duration = Duration::from_millis(250);
const SHOWN: usize = 5;
