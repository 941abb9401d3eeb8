//! Who owns which field of an object (`managedFields`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::document::members;
use super::lists::{Items, is_atomic_object, items_of, key_value, keys_of};

/// The way to a field.
pub(super) type Path = Vec<Step>;

/// A step on the way to a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into the member of an object.
    Member(String),
    /// Into the item of a list that has these keys, as JSON.
    Item(String),
    /// To this item of a set, as JSON.
    Element(String),
}

/// The fields of a document, without those that name the object and those that nobody owns. An item of a list is a field,
/// and so are its members.
pub(super) fn of_document(document: &Value, is_built_in: bool) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    collect(document, is_built_in, &mut Vec::new(), &mut found);
    found.retain(|path| !is_unowned(path));
    found
}

/// The value of a field.
pub(super) fn get<'a>(document: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Item(_) | Step::Element(_) => value.as_array()?.iter().find(|item| is_at(item, step)),
    })
}

/// Takes a field away, with the objects and lists that are empty then.
pub(super) fn remove(document: &mut Value, path: &[Step]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    match (first, document) {
        (Step::Member(name), Value::Object(object)) => {
            let Some(inner) = object.get_mut(name) else {
                return;
            };
            remove(inner, rest);
            if rest.is_empty() || is_empty(inner) {
                object.remove(name);
            }
        }
        (step, Value::Array(list)) => {
            if is_key(step, rest) {
                return;
            }
            let Some(at) = list.iter().position(|item| is_at(item, step)) else {
                return;
            };
            if rest.is_empty() {
                list.remove(at);
            } else if let Some(item) = list.get_mut(at) {
                remove(item, rest);
            }
        }
        _ => {}
    }
}

/// As text: `.spec.containers[name="a"].image`.
pub(super) fn display(path: &[Step]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Member(name) => format!(".{name}"),
        Step::Item(keys) => {
            let keys: Value = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<_> = members(&keys)
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("[{}]", keys.join(","))
        }
        Step::Element(value) => format!("[={value}]"),
    });
    steps.collect()
}

/// As the API says it: `{"f:spec": {"f:replicas": {}}}`.
pub(super) fn to_value(paths: &BTreeSet<Path>) -> Value {
    let mut tree = json!({});
    for path in paths {
        let mut at = &mut tree;
        for step in path {
            let name = match step {
                Step::Member(name) => format!("f:{name}"),
                Step::Item(keys) => format!("k:{keys}"),
                Step::Element(value) => format!("v:{value}"),
            };
            at = &mut at[name];
            if at.is_null() {
                *at = json!({});
            }
        }
        if matches!(path.last(), Some(Step::Item(_))) {
            at["."] = json!({});
        }
    }
    tree
}

/// Back from what the API says.
pub(super) fn from_value(tree: &Value) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    read(tree, &mut Vec::new(), &mut found);
    found
}

fn read(tree: &Value, at: &mut Path, found: &mut BTreeSet<Path>) {
    let mut is_leaf = true;
    for (name, inner) in members(tree) {
        let step = match name.split_once(':') {
            Some(("f", name)) => Step::Member(name.to_owned()),
            Some(("k", keys)) => Step::Item(keys.to_owned()),
            Some(("v", value)) => Step::Element(value.to_owned()),
            _ => {
                found.insert(at.clone());
                continue;
            }
        };
        is_leaf = false;
        at.push(step);
        read(inner, at, found);
        at.pop();
    }
    if is_leaf && !at.is_empty() {
        found.insert(at.clone());
    }
}

fn collect(value: &Value, is_built_in: bool, at: &mut Path, found: &mut BTreeSet<Path>) {
    let name = match at.last() {
        Some(Step::Member(name)) => name.as_str(),
        _ => "",
    };
    match value {
        Value::Object(object) if !(object.is_empty() || is_built_in && is_atomic_object(name)) => {
            for (name, inner) in object {
                at.push(Step::Member(name.clone()));
                collect(inner, is_built_in, at, found);
                at.pop();
            }
        }
        Value::Array(list) if !list.is_empty() => {
            let kind = if is_built_in {
                items_of(name, list)
            } else {
                Items::Atomic
            };
            if kind == Items::Atomic {
                found.insert(at.clone());
            }
            for item in list {
                let step = match kind {
                    Items::Atomic => break,
                    Items::Set => Step::Element(item.to_string()),
                    Items::Keyed(keys) => Step::Item(keys_of(item, keys).to_string()),
                };
                at.push(step);
                found.insert(at.clone());
                if let Items::Keyed(_) = kind {
                    collect(item, is_built_in, at, found);
                }
                at.pop();
            }
        }
        _ => {
            found.insert(at.clone());
        }
    }
}

fn is_at(item: &Value, step: &Step) -> bool {
    match step {
        Step::Member(_) => false,
        Step::Item(keys) => {
            let keys: Value = serde_json::from_str(keys).unwrap_or_default();
            keys.is_object() && members(&keys).all(|(key, value)| key_value(item, key) == *value)
        }
        Step::Element(value) => {
            serde_json::from_str(value).is_ok_and(|value: Value| value == *item)
        }
    }
}

/// Whether a member is one by which its item is found: it stays as long as the item does.
fn is_key(step: &Step, rest: &[Step]) -> bool {
    match (step, rest) {
        (Step::Item(keys), [Step::Member(name)]) => {
            let keys: Value = serde_json::from_str(keys).unwrap_or_default();
            keys.get(name).is_some()
        }
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn is_unowned(path: &[Step]) -> bool {
    let member = |at: usize| match path.get(at) {
        Some(Step::Member(name)) => name.as_str(),
        _ => "",
    };
    match member(0) {
        "apiVersion" | "kind" | "status" => true,
        "metadata" => UNOWNED_METADATA.contains(&member(1)),
        _ => false,
    }
}

const UNOWNED_METADATA: [&str; 12] = [
    "",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generateName",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];
