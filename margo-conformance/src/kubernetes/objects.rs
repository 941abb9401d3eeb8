//! Objects, their versions, and what happened to them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value, json};

use super::document::{items, members, now, object_at, set, text};
use super::queue::Queue;
use super::resource::Resource;

/// Names an object. The version of an API is only a view of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) plural: String,
    /// Empty for what has none.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(resource: &Resource, namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace.filter(|_| resource.is_namespaced);
        Self::of(
            &resource.group,
            &resource.plural,
            namespace.unwrap_or_default(),
            name,
        )
    }

    pub(super) fn of(group: &str, plural: &str, namespace: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(super) fn namespace(name: &str) -> Self {
        Self::of("", "namespaces", "", name)
    }

    /// Whether it is of this kind.
    pub(super) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }
}

/// What can happen to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Modified,
    Deleted,
}

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) key: Key,
    pub(super) change: Change,
    pub(super) object: Arc<Value>,
    /// What it was before, if it was.
    pub(super) before: Option<Arc<Value>>,
}

/// All objects of a cluster.
#[derive(Debug)]
pub(super) struct Objects {
    resources: Vec<Arc<Resource>>,
    by_key: BTreeMap<Key, Arc<Value>>,
    by_uid: HashMap<String, Key>,
    /// By the UID of who they belong to.
    dependents: HashMap<String, BTreeSet<Key>>,
    version: u64,
    uids: u64,
    events: VecDeque<Event>,
    /// What the controllers have to look at.
    unsettled: Queue,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            resources: Resource::built_in().collect(),
            by_key: BTreeMap::new(),
            by_uid: HashMap::new(),
            dependents: HashMap::new(),
            version: 0,
            uids: 0,
            events: VecDeque::new(),
            unsettled: Queue::default(),
        }
    }
}

/// Looking.
impl Objects {
    /// The newest resource version.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// What kinds of objects there are.
    pub(super) fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    pub(super) fn resource(
        &self,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Option<&Arc<Resource>> {
        let mut all = self.resources.iter();
        all.find(|it| it.group == group && it.version == version && it.plural == plural)
    }

    /// The resource that an object is of, by its `apiVersion` and `kind`.
    pub(super) fn resource_of(&self, object: &Value) -> Option<&Arc<Resource>> {
        let (group, version) = split_api_version(text(&object["apiVersion"]));
        let kind = text(&object["kind"]);
        let mut all = self.resources.iter();
        all.find(|it| it.group == group && it.version == version && it.kind == kind)
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.by_key.get(key)
    }

    /// The keys and objects of a kind, in a namespace or in all, ordered by namespace and name.
    pub(super) fn list<'a>(
        &'a self,
        group: &'a str,
        plural: &'a str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        self.list_after(
            &Key::of(group, plural, namespace.unwrap_or_default(), ""),
            namespace,
        )
    }

    /// The same, from after some key on.
    pub(super) fn list_after<'a>(
        &'a self,
        after: &Key,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> + use<'a> {
        let (group, plural) = (after.group.clone(), after.plural.clone());
        self.by_key
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take_while(move |(key, _)| {
                key.is(&group, &plural) && namespace.is_none_or(|it| key.namespace == it)
            })
    }

    /// Everything in a namespace.
    pub(super) fn in_namespace(&self, namespace: &str) -> Vec<Key> {
        let all = self.by_key.keys();
        all.filter(|key| key.namespace == namespace)
            .cloned()
            .collect()
    }

    /// What happened after this version; `None` when that is too long ago to know.
    pub(super) fn events_after(&self, version: u64) -> Option<impl Iterator<Item = &Event>> {
        let first = self
            .events
            .front()
            .map_or(self.version + 1, |event| event.version);
        // Every event has the version after that of the event before.
        let known = (version + 1).checked_sub(first)?;
        Some(
            self.events
                .iter()
                .skip(usize::try_from(known).unwrap_or(usize::MAX)),
        )
    }

    /// Whether there is an object with this UID.
    pub(super) fn has_uid(&self, uid: &str) -> bool {
        self.by_uid.contains_key(uid)
    }

    pub(super) fn by_uid(&self, uid: &str) -> Option<(&Key, &Arc<Value>)> {
        self.by_key.get_key_value(self.by_uid.get(uid)?)
    }

    /// The keys of the objects that belong to this one.
    pub(super) fn dependents(&self, uid: &str) -> impl Iterator<Item = &Key> {
        self.dependents.get(uid).into_iter().flatten()
    }
}

/// Changing.
impl Objects {
    /// Adds an object; its name and namespace are those of the key.
    pub(super) fn insert(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        let uid = self.next_uid();
        if let Some(metadata) = object_at(&mut object, &["metadata"]) {
            for name in SERVER_OWNED {
                metadata.remove(name);
            }
            metadata.insert("name".to_owned(), key.name.clone().into());
            if !key.namespace.is_empty() {
                metadata.insert("namespace".to_owned(), key.namespace.clone().into());
            }
            // Whoever needs it for the object itself has reserved one.
            metadata.entry("uid").or_insert_with(|| uid.into());
            metadata.insert("creationTimestamp".to_owned(), now().into());
        }
        if self
            .resource_of(&object)
            .is_some_and(|it| it.has_generation())
        {
            set(&mut object, &["metadata"], "generation", 1);
        }
        self.note(key, Change::Added, object)
    }

    /// A UID that no object has.
    pub(super) fn next_uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.uids)
    }

    /// Replaces an object, with everything that nobody may change kept. The same object is left alone, and one that was
    /// only waiting for its last finalizer to go goes.
    pub(super) fn replace(&mut self, key: &Key, mut object: Value) -> Option<Arc<Value>> {
        let old = Arc::clone(self.by_key.get(key)?);
        let metadata = object_at(&mut object, &["metadata"])?;
        for name in
            SERVER_OWNED
                .into_iter()
                .chain(["name", "namespace", "uid", "creationTimestamp"])
        {
            match old["metadata"].get(name) {
                Some(value) => metadata.insert(name.to_owned(), value.clone()),
                None => metadata.remove(name),
            };
        }
        if is_released(&object) {
            self.remove(key);
            return Some(Arc::new(object));
        }
        if object == *old {
            return Some(old);
        }
        if old["metadata"]["generation"].is_u64() && is_other_wish(&object, &old) {
            let generation = old["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
            set(&mut object, &["metadata"], "generation", generation);
        }
        Some(self.note(key.clone(), Change::Modified, object))
    }

    /// Changes an object, if it is there.
    pub(super) fn change(
        &mut self,
        key: &Key,
        change: impl FnOnce(&mut Value),
    ) -> Option<Arc<Value>> {
        let mut object = Value::clone(self.by_key.get(key)?);
        change(&mut object);
        self.replace(key, object)
    }

    /// Notes that an object is to be deleted, when its finalizers allow it.
    pub(super) fn mark_deleted(&mut self, key: &Key, finalizers: Vec<Value>) {
        let Some(old) = self.by_key.get(key) else {
            return;
        };
        let mut object = Value::clone(old);
        if old["metadata"]["deletionTimestamp"].is_null() {
            set(&mut object, &["metadata"], "deletionTimestamp", now());
            set(&mut object, &["metadata"], "deletionGracePeriodSeconds", 0);
        }
        set(&mut object, &["metadata"], "finalizers", finalizers);
        if is_released(&object) && !key.is("", "namespaces") {
            self.remove(key);
        } else if object != **old {
            self.note(key.clone(), Change::Modified, object);
        }
    }

    /// Takes an object away.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(object) = self.by_key.remove(key) else {
            return;
        };
        if key.is("apiextensions.k8s.io", "customresourcedefinitions") {
            self.undefine(&object);
        }
        let uid = text(&object["metadata"]["uid"]);
        self.by_uid.remove(uid);
        for owner in items(&object["metadata"]["ownerReferences"]) {
            if let Some(dependents) = self.dependents.get_mut(text(&owner["uid"])) {
                dependents.remove(key);
            }
        }
        self.unsettle_dependents(uid);
        self.unsettled.push(Key::namespace(&key.namespace));
        self.unsettle_owners(&object);
        self.version += 1;
        let mut gone = Value::clone(&object);
        set(
            &mut gone,
            &["metadata"],
            "resourceVersion",
            self.version.to_string(),
        );
        self.push(Event {
            version: self.version,
            key: key.clone(),
            change: Change::Deleted,
            object: Arc::new(gone),
            before: Some(object),
        });
    }

    /// Has the controllers look at an object.
    pub(super) fn unsettle(&mut self, key: Key) {
        self.unsettled.push(key);
    }

    /// What the controllers have to look at next.
    pub(super) fn next_unsettled(&mut self) -> Option<Key> {
        self.unsettled.pop()
    }

    fn note(&mut self, key: Key, change: Change, mut object: Value) -> Arc<Value> {
        self.version += 1;
        set(
            &mut object,
            &["metadata"],
            "resourceVersion",
            self.version.to_string(),
        );
        let object = Arc::new(object);
        let before = self.by_key.insert(key.clone(), Arc::clone(&object));
        if let Some(before) = &before {
            self.unlink(&key, before);
        }
        let uid = text(&object["metadata"]["uid"]).to_owned();
        for owner in items(&object["metadata"]["ownerReferences"]) {
            let dependents = self.dependents.entry(text(&owner["uid"]).to_owned());
            dependents.or_default().insert(key.clone());
        }
        if !object["metadata"]["deletionTimestamp"].is_null() {
            self.unsettle_dependents(&uid);
        }
        self.by_uid.insert(uid, key.clone());
        if key.is("apiextensions.k8s.io", "customresourcedefinitions") {
            self.define(&object);
        }
        self.unsettled.push(key.clone());
        self.unsettle_owners(&object);
        self.push(Event {
            version: self.version,
            key,
            change,
            object: Arc::clone(&object),
            before,
        });
        object
    }

    fn unlink(&mut self, key: &Key, before: &Value) {
        for owner in items(&before["metadata"]["ownerReferences"]) {
            if let Some(dependents) = self.dependents.get_mut(text(&owner["uid"])) {
                dependents.remove(key);
            }
        }
    }

    fn unsettle_dependents(&mut self, uid: &str) {
        for key in self.dependents.get(uid).into_iter().flatten() {
            self.unsettled.push(key.clone());
        }
    }

    fn unsettle_owners(&mut self, object: &Value) {
        for owner in items(&object["metadata"]["ownerReferences"]) {
            if let Some(key) = self.by_uid.get(text(&owner["uid"])) {
                self.unsettled.push(key.clone());
            }
        }
    }

    fn define(&mut self, definition: &Value) {
        for resource in Resource::of_definition(definition) {
            if !self.resources.contains(&resource) {
                self.resources.push(resource);
            }
        }
    }

    /// Forgets what a definition defined, with all objects of it.
    fn undefine(&mut self, definition: &Value) {
        for resource in Resource::of_definition(definition) {
            self.resources.retain(|it| *it != resource);
            let all = self.list(&resource.group, &resource.plural, None);
            let keys: Vec<Key> = all.map(|(key, _)| key.clone()).collect();
            for key in keys {
                self.remove(&key);
            }
        }
    }

    fn push(&mut self, event: Event) {
        if self.events.len() == KEPT_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

/// A reference to an object, as it is among the owners of those that belong to it.
pub(super) fn owner_reference(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"],
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// `apps/v1` is version `v1` of the group `apps`, `v1` that of the core group.
pub(super) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.rsplit_once('/').unwrap_or(("", api_version))
}

/// Whether nothing keeps an object that is being deleted.
fn is_released(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let is_held = items(&metadata["finalizers"]).next().is_some()
        || object["kind"] == "Namespace" && items(&object["spec"]["finalizers"]).next().is_some();
    !metadata["deletionTimestamp"].is_null() && !is_held
}

/// Whether something other is wanted: what counts is neither metadata nor status.
fn is_other_wish(object: &Value, old: &Value) -> bool {
    let wish =
        |object| members(object).filter(|(name, _)| *name != "metadata" && *name != "status");
    wish(object).ne(wish(old))
}

/// What only the server itself changes.
const SERVER_OWNED: [&str; 5] = [
    "generation",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

/// How many events a watch can still be told of.
const KEPT_EVENTS: usize = 50_000;
