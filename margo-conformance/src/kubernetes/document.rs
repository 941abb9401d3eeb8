//! Reading and writing objects, whatever their shape.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The text of a value; empty when it is something else.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The items of a list; none when it is something else.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The members of an object; none when it is something else.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The object at the end of a path. What is missing on the way is made; `None` when something else is in the way.
pub(super) fn object_at<'a>(
    value: &'a mut Value,
    path: &[&str],
) -> Option<&'a mut Map<String, Value>> {
    let mut at = value;
    for name in path {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = at.as_object_mut()?.entry(*name).or_insert(Value::Null);
    }
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    at.as_object_mut()
}

/// The list at the end of a path, if there is one.
pub(super) fn list_at<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Vec<Value>> {
    let mut at = value;
    for name in path {
        at = at.as_object_mut()?.get_mut(*name)?;
    }
    at.as_array_mut()
}

/// Sets a member of the object at the end of a path.
pub(super) fn set(value: &mut Value, path: &[&str], name: &str, new: impl Into<Value>) {
    if let Some(object) = object_at(value, path) {
        object.insert(name.to_owned(), new.into());
    }
}

/// Sets a member of the object at the end of a path, unless it is set.
pub(super) fn set_default(value: &mut Value, path: &[&str], name: &str, new: impl Into<Value>) {
    if let Some(object) = object_at(value, path) {
        let member = object.entry(name).or_insert(Value::Null);
        if member.is_null() {
            *member = new.into();
        }
    }
}

/// Takes a member out of the object at the end of a path.
pub(super) fn unset(value: &mut Value, path: &[&str], name: &str) {
    let pointer: String = path.iter().flat_map(|step| ["/", step]).collect();
    let object = value.pointer_mut(&pointer).and_then(Value::as_object_mut);
    if let Some(object) = object {
        object.remove(name);
    }
}

/// Takes all members that are null out of an object, at any depth.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, member| !member.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The time as Kubernetes writes it, in whole seconds.
pub(super) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether the labels of an object are as a label selector wants them (`matchLabels` and `matchExpressions`).
pub(super) fn is_selected(selector: &Value, labels: &Value) -> bool {
    let exact = members(&selector["matchLabels"]).all(|(name, value)| labels[name] == *value);
    exact
        && items(&selector["matchExpressions"]).all(|it| {
            let label = &labels[text(&it["key"])];
            let is_listed = items(&it["values"]).any(|value| value == label);
            match text(&it["operator"]) {
                "In" => is_listed,
                "NotIn" => !is_listed,
                "Exists" => !label.is_null(),
                "DoesNotExist" => label.is_null(),
                _ => false,
            }
        })
}
