//! Server-side apply, and the bookkeeping of who owns which field.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::document::{drop_nulls, items, now, set, text, unset};
use super::failure::Failure;
use super::fields::{self, Path};
use super::lists::{Items, is_atomic_object, is_same_item, items_of, keys_of};

/// Who applies an object, and how much it insists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applier<'a> {
    pub(super) manager: &'a str,
    /// Takes fields from their owners.
    pub(super) is_forced: bool,
    /// Whether Kubernetes itself knows the kind.
    pub(super) is_built_in: bool,
}

/// The object after `applied` is applied to it; without one, to make it.
pub(super) fn apply(
    live: Option<&Value>,
    applied: &Value,
    by: Applier<'_>,
) -> Result<Value, Failure> {
    let is_built_in = by.is_built_in;
    let mut applied = applied.clone();
    drop_nulls(&mut applied);
    if is_built_in {
        unset(&mut applied, &[], "status");
    }
    if let Some(duplicate) = duplicate(&applied, is_built_in, "") {
        return Err(not_typed(&applied, &duplicate));
    }
    let wanted = fields::of_document(&applied, is_built_in);
    let mut owners = live.map(Owners::of).unwrap_or_default();
    let mut object = live.cloned().unwrap_or_else(|| json!({}));

    let mut conflicts = Vec::new();
    for owner in owners.0.iter_mut().filter(|it| !it.is(by.manager, APPLY)) {
        let disputed: Vec<Path> = owner.fields.intersection(&wanted).cloned().collect();
        for path in disputed {
            let is_item = !matches!(path.last(), Some(fields::Step::Member(_)));
            if !is_item && fields::get(&object, &path) != fields::get(&applied, &path) {
                conflicts.push((owner.described(), fields::display(&path)));
                owner.fields.remove(&path);
            }
        }
    }
    if !conflicts.is_empty() && !by.is_forced {
        return Err(Failure::owned_by_others(&conflicts));
    }

    overlay(&mut object, &applied, is_built_in);
    let dropped = owners.replace(by.manager, wanted);
    // An item comes before what is in it.
    for path in dropped.iter().filter(|path| !owners.has(path)) {
        fields::remove(&mut object, path);
    }
    owners.write(&mut object);
    Ok(object)
}

/// Notes who changed which fields between two forms of an object.
pub(super) fn note_update(
    before: Option<&Value>,
    after: &mut Value,
    manager: &str,
    is_built_in: bool,
) {
    let mut owners = before.map(Owners::of).unwrap_or_default();
    let now = fields::of_document(after, is_built_in);
    let is_changed = |path: &&Path| {
        before.is_none_or(|before| fields::get(before, path) != fields::get(after, path))
    };
    let changed: BTreeSet<Path> = now.iter().filter(is_changed).cloned().collect();
    for owner in &mut owners.0 {
        owner
            .fields
            .retain(|path| now.contains(path) && !is_value(path, &changed));
    }
    // A changed item is one with a changed member: only new ones are gained.
    let had = before.map(|before| fields::of_document(before, is_built_in));
    let is_gained = |path: &Path| {
        matches!(path.last(), Some(fields::Step::Member(_)))
            || had.as_ref().is_none_or(|had| !had.contains(path))
    };
    owners.add(
        manager,
        UPDATE,
        changed.into_iter().filter(is_gained).collect(),
    );
    owners.write(after);
}

fn is_value(path: &Path, changed: &BTreeSet<Path>) -> bool {
    matches!(path.last(), Some(fields::Step::Member(_))) && changed.contains(path)
}

/// Puts the members of `applied` over those of `object`; the items of merged lists are found by their keys.
fn overlay(object: &mut Value, applied: &Value, is_built_in: bool) {
    let (Value::Object(object), Value::Object(applied)) = (&mut *object, applied) else {
        object.clone_from(applied);
        return;
    };
    for (name, value) in applied {
        match (object.get_mut(name), value) {
            (Some(Value::Array(old)), Value::Array(new)) if is_built_in => {
                match items_of(name, new) {
                    Items::Atomic => old.clone_from(new),
                    Items::Set => {
                        let added: Vec<Value> =
                            new.iter().filter(|it| !old.contains(it)).cloned().collect();
                        old.extend(added);
                    }
                    Items::Keyed(keys) => overlay_items(old, new, keys),
                }
            }
            (Some(old @ Value::Object(_)), Value::Object(new))
                if !(new.is_empty() || is_built_in && is_atomic_object(name)) =>
            {
                overlay(old, value, is_built_in);
            }
            (Some(Value::Object(_)), Value::Object(new)) if new.is_empty() => {}
            (_, value) => {
                object.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The order is that of the applied items; others stay where they are.
fn overlay_items(old: &mut Vec<Value>, new: &[Value], keys: &[&str]) {
    for item in new {
        match old.iter_mut().find(|it| is_same_item(keys, it, item)) {
            Some(old) => overlay(old, item, true),
            None => old.push(item.clone()),
        }
    }
    let order: Vec<Value> = new.iter().map(|item| keys_of(item, keys)).collect();
    arrange(old, &order, |item| keys_of(item, keys));
}

/// Brings the items that are named in an order into this order; others stay where they are.
pub(super) fn arrange(list: &mut [Value], order: &[Value], name: impl Fn(&Value) -> Value) {
    let rank = |item: &Value| order.iter().position(|it| *it == name(item));
    let places: Vec<usize> = (0..list.len())
        .filter(|at| list.get(*at).is_some_and(|it| rank(it).is_some()))
        .collect();
    let mut ordered: Vec<Value> = places
        .iter()
        .filter_map(|at| list.get(*at).cloned())
        .collect();
    ordered.sort_by_key(|item| rank(item));
    for (at, item) in places.into_iter().zip(ordered) {
        if let Some(place) = list.get_mut(at) {
            *place = item;
        }
    }
}

/// Where two items of a list are the same one, if anywhere.
fn duplicate(value: &Value, is_built_in: bool, at: &str) -> Option<String> {
    let object = value.as_object().filter(|_| is_built_in)?;
    object.iter().find_map(|(name, inner)| {
        let at = format!("{at}.{name}");
        let Value::Array(list) = inner else {
            return duplicate(inner, is_built_in, &at);
        };
        let Items::Keyed(keys) = items_of(name, list) else {
            return None;
        };
        list.iter().enumerate().find_map(|(number, item)| {
            let key = keys_of(item, keys).to_string();
            let step = fields::display(&[fields::Step::Item(key)]);
            if list
                .iter()
                .take(number)
                .any(|it| is_same_item(keys, it, item))
            {
                let key = step.trim_matches(['[', ']']);
                return Some(format!("{at}: duplicate entries for key [{key}]"));
            }
            duplicate(item, is_built_in, &format!("{at}{step}"))
        })
    })
}

fn not_typed(applied: &Value, why: &str) -> Failure {
    let metadata = &applied["metadata"];
    let message = format!(
        "failed to create typed patch object ({}/{}; {}, Kind={}): {why}",
        text(&metadata["namespace"]),
        text(&metadata["name"]),
        text(&applied["apiVersion"]),
        text(&applied["kind"])
    );
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
}

/// The managers of an object.
#[derive(Default)]
struct Owners(Vec<Owner>);

struct Owner {
    manager: String,
    operation: String,
    api_version: String,
    time: String,
    fields: BTreeSet<Path>,
}

impl Owner {
    fn is(&self, manager: &str, operation: &str) -> bool {
        self.manager == manager && self.operation == operation
    }

    /// How conflicts call it.
    fn described(&self) -> String {
        match self.operation.as_str() {
            APPLY => format!("{:?}", self.manager),
            _ => format!("{:?} using {}", self.manager, self.api_version),
        }
    }
}

impl Owners {
    fn of(object: &Value) -> Self {
        let owners = items(&object["metadata"]["managedFields"]).map(|entry| Owner {
            manager: text(&entry["manager"]).to_owned(),
            operation: text(&entry["operation"]).to_owned(),
            api_version: text(&entry["apiVersion"]).to_owned(),
            time: text(&entry["time"]).to_owned(),
            fields: fields::from_value(&entry["fieldsV1"]),
        });
        Self(owners.collect())
    }

    /// Whether somebody has a field, or something in it.
    fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|owner| {
            let next = owner.fields.range(path.clone()..).next();
            next.is_some_and(|next| next.starts_with(path))
        })
    }

    /// Makes these the fields that a manager applies; those that it did and does no more.
    fn replace(&mut self, manager: &str, fields: BTreeSet<Path>) -> Vec<Path> {
        let Some(owner) = self.0.iter_mut().find(|owner| owner.is(manager, APPLY)) else {
            self.add(manager, APPLY, fields);
            return Vec::new();
        };
        let dropped = owner.fields.difference(&fields).cloned().collect();
        if owner.fields != fields {
            owner.time = now();
            owner.fields = fields;
        }
        dropped
    }

    fn add(&mut self, manager: &str, operation: &str, fields: BTreeSet<Path>) {
        if fields.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|owner| owner.is(manager, operation)) {
            Some(owner) => {
                owner.fields.extend(fields);
                owner.time = now();
            }
            None => self.0.push(Owner {
                manager: manager.to_owned(),
                operation: operation.to_owned(),
                api_version: String::new(),
                time: now(),
                fields,
            }),
        }
    }

    fn write(&self, object: &mut Value) {
        let owners = self.0.iter().filter(|owner| !owner.fields.is_empty());
        let entries: Vec<Value> = owners
            .map(|owner| {
                let api_version = match owner.api_version.as_str() {
                    "" => text(&object["apiVersion"]),
                    known => known,
                };
                json!({
                    "manager": owner.manager,
                    "operation": owner.operation,
                    "apiVersion": api_version,
                    "time": owner.time,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": fields::to_value(&owner.fields),
                })
            })
            .collect();
        set(object, &["metadata"], "managedFields", entries);
    }
}

const APPLY: &str = "Apply";
const UPDATE: &str = "Update";

#[cfg(test)]
mod tests {
    use super::*;

    const US: Applier<'_> = Applier {
        manager: "us",
        is_forced: false,
        is_built_in: true,
    };
    const THEM: Applier<'_> = Applier {
        manager: "them",
        ..US
    };

    fn config(data: &Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c" }, "data": data })
    }

    fn pod(containers: &Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "Pod", "spec": { "containers": containers } })
    }

    #[test]
    fn what_is_applied_no_more_is_removed_and_what_others_have_stays() {
        let first = apply(None, &config(&json!({ "a": "1", "b": "1" })), US).unwrap();
        let second = apply(Some(&first), &config(&json!({ "b": "1", "c": "1" })), THEM).unwrap();
        let third = apply(Some(&second), &config(&json!({ "d": "1" })), US).unwrap();
        assert_eq!(third["data"], json!({ "b": "1", "c": "1", "d": "1" }));
    }

    #[test]
    fn another_value_for_somebody_elses_field_is_a_conflict_unless_forced() {
        let live = apply(None, &config(&json!({ "a": "1" })), THEM).unwrap();
        let ours = config(&json!({ "a": "2" }));
        let refused = apply(Some(&live), &ours, US).unwrap_err().to_value();
        assert_eq!(refused["code"], 409);
        assert_eq!(refused["details"]["causes"][0]["field"], ".data.a");
        let forced = Applier {
            is_forced: true,
            ..US
        };
        assert_eq!(apply(Some(&live), &ours, forced).unwrap()["data"]["a"], "2");
    }

    #[test]
    fn a_container_that_is_applied_no_more_is_removed_whole() {
        let both = pod(&json!([{ "name": "a", "image": "x" }, { "name": "b", "image": "x" }]));
        let live = apply(None, &both, US).unwrap();
        let live = apply(
            Some(&live),
            &pod(&json!([{ "name": "b", "image": "x" }])),
            US,
        )
        .unwrap();
        assert_eq!(
            live["spec"]["containers"],
            json!([{ "name": "b", "image": "x" }])
        );
    }

    #[test]
    fn a_container_that_somebody_else_applies_too_loses_only_our_fields() {
        let ours = pod(&json!([{ "name": "a", "image": "x", "args": ["1"] }]));
        let live = apply(None, &ours, US).unwrap();
        let theirs = pod(&json!([{ "name": "a", "env": [{ "name": "E", "value": "1" }] }]));
        let live = apply(Some(&live), &theirs, THEM).unwrap();
        let live = apply(
            Some(&live),
            &pod(&json!([{ "name": "z", "image": "y" }])),
            US,
        )
        .unwrap();
        assert_eq!(
            live["spec"]["containers"],
            json!([
                { "name": "a", "env": [{ "name": "E", "value": "1" }] },
                { "name": "z", "image": "y" },
            ])
        );
    }

    #[test]
    fn the_order_is_that_of_the_applied_items() {
        let env = |names: &[&str]| {
            let env: Vec<_> = names
                .iter()
                .map(|name| json!({ "name": name, "value": "1" }))
                .collect();
            pod(&json!([{ "name": "a", "env": env }]))
        };
        let live = apply(None, &env(&["A", "B"]), US).unwrap();
        let live = apply(Some(&live), &env(&["C", "B", "A"]), US).unwrap();
        assert_eq!(live["spec"], env(&["C", "B", "A"])["spec"]);
    }

    #[test]
    fn two_variables_of_one_name_are_refused() {
        let env = json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }]);
        let refused = apply(None, &pod(&json!([{ "name": "a", "env": env }])), US).unwrap_err();
        let message = refused.to_value()["message"].to_string();
        assert!(message.contains("duplicate entries for key"), "{message}");
    }
}
