//! Patches: JSON merge patch (RFC 7396), JSON patch (RFC 6902) and the strategic merge patch of Kubernetes.

use serde_json::{Map, Value};

use super::apply::arrange;
use super::document::{items, text};
use super::lists::{Items, is_same_item, items_of, keys_of};

/// RFC 7396.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    let target = as_object(target);
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// As RFC 7396, but the items of the lists that Kubernetes merges are found by their keys, and `$patch`,
/// `$deleteFromPrimitiveList/…`, `$retainKeys` and `$setElementOrder/…` are directives.
pub(super) fn merge_strategically(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let kept = patch.iter().filter(|(name, _)| !name.starts_with('$'));
            let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
            *target = Value::Object(kept.collect());
            return;
        }
        Some("delete") => {
            *target = Value::Null;
            return;
        }
        _ => {}
    }
    let target = as_object(target);
    if let Some(kept) = patch.get("$retainKeys").and_then(Value::as_array) {
        target.retain(|name, _| kept.iter().any(|it| it == name));
    }
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let Some(list) = target.get_mut(list).and_then(Value::as_array_mut) {
                list.retain(|item| items(value).all(|gone| gone != item));
            }
        } else if name.starts_with('$') {
            // Orders come last, and the others are read above.
        } else if value.is_null() {
            target.remove(name);
        } else if let Value::Array(items) = value {
            merge_list(target, name, items);
        } else {
            let merged = target.entry(name).or_insert(Value::Null);
            merge_strategically(merged, value);
            if merged.is_null() {
                target.remove(name);
            }
        }
    }
    for (name, order) in patch {
        let Some(name) = name.strip_prefix("$setElementOrder/") else {
            continue;
        };
        let list = target.get_mut(name).and_then(Value::as_array_mut);
        if let (Some(list), Value::Array(order)) = (list, order) {
            let key = merge_key(name, order);
            let name = |item: &Value| key.map_or_else(|| item.clone(), |key| keys_of(item, &[key]));
            let order: Vec<Value> = order.iter().map(name).collect();
            arrange(list, &order, name);
        }
    }
}

/// RFC 6902; else why it does not fit.
pub(super) fn patch_by_steps(target: &mut Value, steps: &Value) -> Result<(), String> {
    for step in steps.as_array().ok_or("a JSON patch is a list")? {
        let path = text(&step["path"]);
        let from = text(&step["from"]);
        let absent = |path: &str| format!("{path} does not exist");
        match text(&step["op"]) {
            "add" => add(target, path, step["value"].clone())?,
            "remove" => drop(take(target, path).ok_or_else(|| absent(path))?),
            "replace" => {
                let place = target.pointer_mut(path).ok_or_else(|| absent(path))?;
                place.clone_from(&step["value"]);
            }
            "move" => {
                let value = take(target, from).ok_or_else(|| absent(from))?;
                add(target, path, value)?;
            }
            "copy" => {
                let value = target.pointer(from).ok_or_else(|| absent(from))?.clone();
                add(target, path, value)?;
            }
            "test" if target.pointer(path) == Some(&step["value"]) => {}
            "test" => return Err(format!("testing value {path} failed")),
            other => return Err(format!("unexpected kind: {other}")),
        }
    }
    Ok(())
}

fn merge_list(target: &mut Map<String, Value>, name: &str, patch: &[Value]) {
    let is_replaced = patch.iter().any(|item| item["$patch"] == "replace");
    let list = target
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(list) = list else {
        *list = Value::Array(patch.to_vec());
        return;
    };
    match (items_of(name, patch), merge_key(name, patch)) {
        (Items::Set, _) => {
            let added: Vec<Value> = patch
                .iter()
                .filter(|item| !list.contains(item))
                .cloned()
                .collect();
            list.extend(added);
        }
        (Items::Keyed(_), Some(key)) if !is_replaced => {
            for item in patch {
                merge_item(list, item, key);
            }
        }
        _ => {
            let kept = patch.iter().filter(|item| item.get("$patch").is_none());
            *list = kept.cloned().collect();
        }
    }
}

fn merge_item(list: &mut Vec<Value>, item: &Value, key: &str) {
    let is_deleted = item["$patch"] == "delete";
    let found = list.iter_mut().find(|it| is_same_item(&[key], it, item));
    match found {
        Some(_) if is_deleted => list.retain(|it| !is_same_item(&[key], it, item)),
        Some(found) => merge_strategically(found, item),
        None if is_deleted => {}
        None => {
            let mut new = Value::Null;
            merge_strategically(&mut new, item);
            list.push(new);
        }
    }
}

/// A strategic merge patch knows one key only: the port, not its protocol.
fn merge_key(name: &str, items: &[Value]) -> Option<&'static str> {
    match items_of(name, items) {
        Items::Keyed(keys) => keys.first().copied(),
        _ => None,
    }
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    let absent = || format!("add operation does not apply: doc is missing path: {path}");
    let (parent, name) = parent_of(target, path).ok_or_else(absent)?;
    match parent {
        Value::Object(object) => {
            object.insert(name, value);
        }
        Value::Array(list) => {
            let at = if name == "-" {
                Some(list.len())
            } else {
                name.parse().ok()
            };
            let at = at.filter(|at| *at <= list.len()).ok_or_else(absent)?;
            list.insert(at, value);
        }
        _ => return Err(absent()),
    }
    Ok(())
}

fn take(target: &mut Value, path: &str) -> Option<Value> {
    match parent_of(target, path)? {
        (Value::Object(object), name) => object.remove(&name),
        (Value::Array(list), name) => {
            let at = name.parse().ok().filter(|at| *at < list.len())?;
            Some(list.remove(at))
        }
        _ => None,
    }
}

fn parent_of<'a>(target: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, name) = path.rsplit_once('/')?;
    let name = name.replace("~1", "/").replace("~0", "~");
    Some((target.pointer_mut(parent)?, name))
}

fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it is an object by now")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_are_merged_by_name_and_put_in_order() {
        let mut pod = json!({ "containers": [
            { "name": "a", "image": "a:1", "env": [{ "name": "X", "value": "1" }] },
            { "name": "b", "image": "b:1" },
        ]});
        let patch = json!({
            "$setElementOrder/containers": [{ "name": "c" }, { "name": "a" }],
            "containers": [
                { "name": "a", "image": "a:2", "env": [{ "name": "Y", "value": "2" }] },
                { "name": "b", "$patch": "delete" },
                { "name": "c", "image": "c:1" },
            ],
        });
        merge_strategically(&mut pod, &patch);
        let expected = json!({ "containers": [
            { "name": "c", "image": "c:1" },
            {
                "name": "a",
                "image": "a:2",
                "env": [{ "name": "X", "value": "1" }, { "name": "Y", "value": "2" }],
            },
        ]});
        assert_eq!(pod, expected);
    }

    #[test]
    fn null_removes_and_lists_without_keys_are_replaced() {
        let mut object = json!({ "a": 1, "args": ["x"], "deep": { "b": 2, "c": 3 } });
        let patch = json!({ "a": null, "args": ["y", "z"], "deep": { "b": null } });
        merge_strategically(&mut object, &patch);
        assert_eq!(object, json!({ "args": ["y", "z"], "deep": { "c": 3 } }));
    }

    #[test]
    fn strategy_is_replaced_as_its_directives_say() {
        let mut object =
            json!({ "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1 } } });
        let patch = json!({ "strategy": { "$retainKeys": ["type"], "type": "Recreate" } });
        merge_strategically(&mut object, &patch);
        assert_eq!(object, json!({ "strategy": { "type": "Recreate" } }));
    }

    #[test]
    fn a_patch_by_steps_fits_or_says_why_not() {
        let mut object = json!({ "a": { "b/c": [1, 2] } });
        let steps = json!([
            { "op": "test", "path": "/a/b~1c/0", "value": 1 },
            { "op": "add", "path": "/a/b~1c/-", "value": 3 },
            { "op": "remove", "path": "/a/b~1c/0" },
            { "op": "copy", "from": "/a/b~1c", "path": "/d" },
        ]);
        patch_by_steps(&mut object, &steps).unwrap();
        assert_eq!(object, json!({ "a": { "b/c": [2, 3] }, "d": [2, 3] }));
        let steps = json!([{ "op": "replace", "path": "/x/y", "value": 1 }]);
        assert_eq!(
            patch_by_steps(&mut object, &steps).unwrap_err(),
            "/x/y does not exist"
        );
    }
}
