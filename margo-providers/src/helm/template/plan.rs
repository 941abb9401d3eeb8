//! Finding out what applying would change, and that the cluster lets it, while nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use margo_types::Digest;
use serde_json::Value;

use super::Applier;
use super::inventory::{Complete, Entry, Inventory};
use super::object::{ObjectId, digest_of, is_ours, make_ours, our_fields, whose};
use super::order::wave;
use crate::helm::cluster::{Kind, Write, is_not_found, trouble_with};
use crate::helm::json::text;
use crate::helm::names::{Owned, labels};
use crate::{ProviderError, Trouble};

/// What there is to do for a component.
#[derive(Debug)]
pub(in crate::helm) struct Planned {
    /// The objects it shall have, in the order in which they are applied.
    pub(super) steps: Vec<Step>,
    /// What is remembered of it.
    pub(super) inventory: Option<Inventory>,
    /// Whether its namespace has to be made first.
    pub(super) makes_namespace: bool,
}

/// One object of a component.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) id: ObjectId,
    pub(super) kind: Kind,
    pub(super) object: Value,
    pub(super) digest: Digest,
    pub(super) todo: Todo,
}

/// What there is to do for an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Todo {
    /// Nothing: it is there, as it was applied. What is remembered of it, and how it is now.
    Keep(Box<(Entry, Value)>),
    /// It is applied.
    Apply(Write),
}

impl Applier {
    /// Finds out what there is to do for a component that shall have these objects.
    ///
    /// # Errors
    /// What the cluster says against any of them; and [`Trouble::Deployment`] when one belongs to somebody else.
    pub(super) async fn plan(
        &self,
        owned: &Owned,
        objects: Vec<Value>,
    ) -> Result<Planned, ProviderError> {
        let inventory = Inventory::load(&self.cluster, &owned.release).await?;
        let live = match &inventory {
            Some(inventory) => self.live(owned, &inventory.entries).await?,
            None => BTreeMap::new(),
        };
        let mut steps = self.steps(owned, objects).await?;
        if let Some(inventory) = &inventory {
            for step in &mut steps {
                self.keep_unchanged(owned, step, inventory, &live);
            }
        }
        expected(&steps, inventory.as_ref())
            .refuse_too_large()
            .await?;
        let makes_namespace = inventory.is_none() && self.lacks_namespace(owned).await?;
        let mut missing = BTreeSet::new();
        if makes_namespace {
            missing.insert(owned.release.namespace.clone());
        }
        self.try_all(owned, &mut steps, inventory.as_ref(), missing)
            .await?;
        Ok(Planned {
            steps,
            inventory,
            makes_namespace,
        })
    }

    /// The objects of a component that are on the cluster, of those that may be.
    pub(super) async fn live(
        &self,
        owned: &Owned,
        entries: &[Entry],
    ) -> Result<BTreeMap<ObjectId, Value>, ProviderError> {
        let mut kinds: Vec<(&Entry, Kind)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let kind = self.cluster.kind(&entry.api_version, &entry.id.kind).await;
            match kind {
                Ok(kind) => kinds.push((entry, kind)),
                // What the cluster does not have any more has no objects.
                Err(error) if error.trouble == Trouble::Device && error.source.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        let places = kinds
            .iter()
            .map(|(entry, kind)| (kind.clone(), entry.id.namespace.clone()));
        let places: BTreeSet<(Kind, Option<String>)> = places.collect();
        let labels = labels(&self.owner, &owned.deployment, &owned.component);
        let selector = selector_of(&labels);
        let mut lists = Vec::new();
        for (kind, namespace) in places {
            let (cluster, selector) = (self.cluster.clone(), selector.clone());
            lists.push(async move {
                let listed = cluster.list(&kind, namespace.as_deref(), &selector).await;
                match listed {
                    Ok(listed) => Ok(listed.objects),
                    Err(error) if is_not_found(&error) => Ok(Vec::new()),
                    Err(error) => Err(trouble_with(
                        error,
                        &format!("the list of all {}", kind.name),
                    )),
                }
            });
        }
        let listed: Vec<Vec<Value>> = stream::iter(lists)
            .buffer_unordered(WIDTH)
            .try_collect()
            .await?;
        let known: BTreeSet<&ObjectId> = entries.iter().map(|entry| &entry.id).collect();
        let objects = listed
            .into_iter()
            .flatten()
            .map(|object| (ObjectId::of(&object), object));
        let mut live: BTreeMap<ObjectId, Value> =
            objects.filter(|(id, _)| known.contains(id)).collect();
        // Without our labels an object is in no list, and still is ours.
        let unlisted = kinds
            .iter()
            .filter(|(entry, _)| !live.contains_key(&entry.id));
        let looks: Vec<_> = unlisted
            .map(|(entry, kind)| self.look_for(entry, kind))
            .collect();
        let found: Vec<Option<Value>> = stream::iter(looks)
            .buffer_unordered(WIDTH)
            .try_collect()
            .await?;
        let found = found.into_iter().flatten();
        live.extend(found.map(|object| (ObjectId::of(&object), object)));
        Ok(live)
    }

    /// An object by its name, if it still is the one that was applied.
    async fn look_for(&self, entry: &Entry, kind: &Kind) -> Result<Option<Value>, ProviderError> {
        let Some(uid) = &entry.uid else {
            return Ok(None);
        };
        let (namespace, name) = (entry.id.namespace.as_deref(), &entry.id.name);
        let found = self.cluster.get(kind, namespace, name).await;
        let found = found.map_err(|error| trouble_with(error, &entry.id.to_string()))?;
        Ok(found.filter(|object| text(object, "/metadata/uid") == uid))
    }

    /// The objects as they are applied, in their order.
    pub(super) async fn steps(
        &self,
        owned: &Owned,
        objects: Vec<Value>,
    ) -> Result<Vec<Step>, ProviderError> {
        let labels = labels(&self.owner, &owned.deployment, &owned.component);
        let mut steps: Vec<Step> = Vec::with_capacity(objects.len());
        let mut seen = BTreeSet::new();
        for mut object in objects {
            let api_version = text(&object, "/apiVersion");
            let kind = self
                .cluster
                .kind(api_version, text(&object, "/kind"))
                .await?;
            make_ours(&mut object, &kind, &owned.release, &labels);
            let id = ObjectId::of(&object);
            if !seen.insert(id.clone()) {
                let message = format!("the chart renders {id} twice; take one away");
                return Err(ProviderError::new(Trouble::Deployment, message));
            }
            steps.push(Step {
                digest: digest_of(&object),
                id,
                kind,
                object,
                todo: Todo::Apply(Write::New),
            });
        }
        steps.sort_by_key(|step| wave(&step.id.kind));
        Ok(steps)
    }

    /// The name under which the cluster notes which fields a component sets.
    pub(super) fn manager(&self, owned: &Owned) -> String {
        format!("{}/{}/{}", self.owner, owned.deployment, owned.component)
    }

    fn keep_unchanged(
        &self,
        owned: &Owned,
        step: &mut Step,
        inventory: &Inventory,
        live: &BTreeMap<ObjectId, Value>,
    ) {
        let (Some(entry), Some(live)) = (inventory.entry(&step.id), live.get(&step.id)) else {
            return;
        };
        let fields = our_fields(live, &self.manager(owned));
        let is_same = entry.applied == step.digest
            && entry.api_version == step.kind.api_version
            && entry.fields.is_some()
            && entry.fields == fields
            && live.pointer("/metadata/deletionTimestamp").is_none();
        if is_same {
            step.todo = Todo::Keep(Box::new((entry.clone(), live.clone())));
        }
    }

    /// Whether the namespace is missing and may be made. Who may not look for it finds out later.
    async fn lacks_namespace(&self, owned: &Owned) -> Result<bool, ProviderError> {
        if !self.create_namespace {
            return Ok(false);
        }
        let namespace = &owned.release.namespace;
        let found = self.cluster.get(&Kind::namespace(), None, namespace).await;
        match found {
            Ok(found) => Ok(found.is_none()),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(false),
            Err(error) => Err(trouble_with(error, "the namespace")),
        }
    }

    /// Has the cluster try all that is to be applied. Objects in namespaces that are not there yet cannot be tried.
    async fn try_all(
        &self,
        owned: &Owned,
        steps: &mut [Step],
        inventory: Option<&Inventory>,
        mut missing: BTreeSet<String>,
    ) -> Result<(), ProviderError> {
        for is_namespace in [true, false] {
            let mut trials = Vec::new();
            for (position, step) in steps.iter().enumerate() {
                let namespace = step.id.namespace.as_ref();
                let is_due = (step.id.kind == "Namespace") == is_namespace
                    && matches!(step.todo, Todo::Apply(_))
                    && namespace.is_none_or(|namespace| !missing.contains(namespace));
                if is_due {
                    let known = inventory.and_then(|inventory| inventory.entry(&step.id));
                    trials.push(self.try_one(owned, position, step, known));
                }
            }
            let found: Vec<(usize, Write)> = stream::iter(trials)
                .buffer_unordered(WIDTH)
                .try_collect()
                .await?;
            for (position, write) in found {
                let Some(step) = steps.get_mut(position) else {
                    continue;
                };
                step.todo = Todo::Apply(write);
                if is_namespace && write == Write::New {
                    missing.insert(step.id.name.clone());
                }
            }
        }
        Ok(())
    }

    /// Whether an object is new or ours, and that the cluster takes it.
    async fn try_one(
        &self,
        owned: &Owned,
        position: usize,
        step: &Step,
        known: Option<&Entry>,
    ) -> Result<(usize, Write), ProviderError> {
        let (namespace, manager) = (step.id.namespace.as_deref(), self.manager(owned));
        let tried = self
            .cluster
            .apply(&step.kind, namespace, &step.object, &manager, Write::Try)
            .await;
        let result = match tried {
            Ok(result) => Some(result),
            // An admission webhook stands in the way of trying. Applying will tell.
            Err(kube::Error::Api(status))
                if status.message.contains("does not support dry run") =>
            {
                None
            }
            Err(error) => return Err(trouble_with(error, &step.id.to_string())),
        };
        if let Some(result) = &result {
            // Only what is stored has a version.
            if text(result, "/metadata/resourceVersion").is_empty() {
                return Ok((position, Write::New));
            }
            let uid = text(result, "/metadata/uid");
            if known.is_some_and(|entry| entry.uid.as_deref() == Some(uid)) {
                return Ok((position, Write::Own));
            }
        }
        let live = self.cluster.get(&step.kind, namespace, &step.id.name).await;
        let Some(live) = live.map_err(|error| trouble_with(error, &step.id.to_string()))? else {
            return Ok((position, Write::New));
        };
        let labels = labels(&self.owner, &owned.deployment, &owned.component);
        if is_ours(&live, &labels) {
            return Ok((position, Write::Own));
        }
        let message = format!(
            "{} is on the cluster already and belongs to {}; remove it, or give it another name in the chart",
            step.id,
            whose(&live)
        );
        Err(ProviderError::new(Trouble::Deployment, message))
    }
}

/// The largest inventory that applying these steps will come to: with what is to be removed yet, and what is complete then or was.
fn expected(steps: &[Step], earlier: Option<&Inventory>) -> Inventory {
    let entries = steps
        .iter()
        .map(|step| Entry::expected(&step.object, step.digest));
    let mut entries: Vec<Entry> = entries.collect();
    let ids: BTreeSet<&ObjectId> = steps.iter().map(|step| &step.id).collect();
    let known = earlier.into_iter().flat_map(|earlier| &earlier.entries);
    entries.extend(known.filter(|entry| !ids.contains(&entry.id)).cloned());
    let objects: Vec<Value> = steps.iter().map(|step| step.object.clone()).collect();
    let size = |objects: &[Value]| objects.iter().map(|it| it.to_string().len()).sum::<usize>();
    let before = earlier.and_then(|earlier| earlier.complete.clone());
    let complete = before
        .filter(|before| size(&before.objects) > size(&objects))
        .unwrap_or_else(|| Complete {
            mark: String::new(),
            objects,
        });
    Inventory {
        entries,
        is_settled: false,
        complete: Some(complete),
    }
}

/// Labels as a selector.
pub(super) fn selector_of(labels: &BTreeMap<String, String>) -> String {
    let terms: Vec<String> = labels
        .iter()
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    terms.join(",")
}

/// How many requests are under way at a time.
pub(super) const WIDTH: usize = 16;
