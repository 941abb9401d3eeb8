//! Deletion: what goes with an object, and what keeps it.

use serde_json::Value;

use super::clock::Clock;
use super::document::{items, list_at, text};
use super::objects::{Key, Objects};

/// What becomes of the objects that belong to a deleted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Propagation {
    /// They go after it.
    #[default]
    Background,
    /// They go before it.
    Foreground,
    /// They stay, and belong to nobody.
    Orphan,
}

impl Propagation {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "Background" => Some(Self::Background),
            "Foreground" => Some(Self::Foreground),
            "Orphan" => Some(Self::Orphan),
            _ => None,
        }
    }
}

/// Deletes an object, at once or when its finalizers are done.
pub(super) fn delete(objects: &mut Objects, key: &Key, propagation: Propagation) {
    let Some(object) = objects.get(key).cloned() else {
        return;
    };
    let uid = text(&object["metadata"]["uid"]);
    let mut finalizers: Vec<Value> = items(&object["metadata"]["finalizers"]).cloned().collect();
    match propagation {
        Propagation::Background => {}
        Propagation::Foreground => {
            // Also what nothing depends on waits for the collector.
            if !finalizers.contains(&FOREGROUND.into()) {
                finalizers.push(FOREGROUND.into());
            }
        }
        Propagation::Orphan => {
            for dependent in dependents(objects, uid) {
                disown(objects, &dependent, uid);
            }
        }
    }
    objects.mark_deleted(key, finalizers);
}

/// Does what is to be done about an object that belongs to somebody, or is to go.
pub(super) fn collect(objects: &mut Objects, clock: &mut Clock, key: &Key) {
    let Some(object) = objects.get(key).cloned() else {
        return;
    };
    let metadata = &object["metadata"];
    let owners: Vec<&str> = items(&metadata["ownerReferences"])
        .map(|it| text(&it["uid"]))
        .collect();
    let (known, gone): (Vec<&str>, Vec<&str>) = owners.iter().partition(|uid| objects.has_uid(uid));
    if known.is_empty() && !gone.is_empty() {
        return delete(objects, key, Propagation::Background);
    }
    for owner in gone {
        disown(objects, key, owner);
    }
    let is_going = |uid: &&str| {
        let owner = objects.by_uid(uid).map(|(_, owner)| &owner["metadata"]);
        owner.is_some_and(|owner| {
            !owner["deletionTimestamp"].is_null()
                && items(&owner["finalizers"]).any(|finalizer| finalizer == FOREGROUND)
        })
    };
    if !known.is_empty() && known.iter().all(is_going) && metadata["deletionTimestamp"].is_null() {
        return delete(objects, key, Propagation::Foreground);
    }
    if metadata["deletionTimestamp"].is_null() {
        return;
    }
    let uid = text(&metadata["uid"]);
    if items(&metadata["finalizers"]).any(|it| it == FOREGROUND)
        && dependents(objects, uid).is_empty()
    {
        if !clock.may_collect(uid, key) {
            return;
        }
        objects.change(key, |object| {
            if let Some(finalizers) = list_at(object, &["metadata", "finalizers"]) {
                finalizers.retain(|it| it != FOREGROUND);
            }
        });
    } else if key.is("", "namespaces") {
        empty(objects, key);
    }
}

/// Empties a namespace that is to go.
fn empty(objects: &mut Objects, namespace: &Key) {
    for key in objects.in_namespace(&namespace.name) {
        let is_going = objects
            .get(&key)
            .is_some_and(|it| !it["metadata"]["deletionTimestamp"].is_null());
        if !is_going {
            delete(objects, &key, Propagation::Background);
        }
    }
    let is_empty = objects.in_namespace(&namespace.name).is_empty();
    objects.change(namespace, |object| {
        object["status"] = serde_json::json!({ "phase": "Terminating" });
        if is_empty && let Some(finalizers) = list_at(object, &["spec", "finalizers"]) {
            finalizers.clear();
        }
    });
}

fn dependents(objects: &Objects, uid: &str) -> Vec<Key> {
    objects.dependents(uid).cloned().collect()
}

fn disown(objects: &mut Objects, key: &Key, owner: &str) {
    objects.change(key, |object| {
        if let Some(owners) = list_at(object, &["metadata", "ownerReferences"]) {
            owners.retain(|it| it["uid"] != owner);
        }
    });
}

/// Keeps an object until all that belongs to it is gone.
const FOREGROUND: &str = "foregroundDeletion";
