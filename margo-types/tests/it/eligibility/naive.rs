//! Eligibility the slow way, over `serde_json` values: the second opinion of the tests and the peer of the
//! benchmark. Written from the specification's tables, not from the crate's code.

use margo_types::application::{DeviceConstraints, MatchExpression};
use margo_types::capabilities::DeviceCapabilities;
use serde_json::Value;

/// Whether some rule matches; capacity is not looked at.
pub(crate) fn some_rule_matches(
    constraints: &DeviceConstraints,
    device: &DeviceCapabilities,
) -> bool {
    let properties = serde_json::to_value(&device.properties).unwrap_or_default();
    let labels = serde_json::to_value(&device.labels).unwrap_or_default();
    let rules = constraints.eligibility_rules.as_deref().unwrap_or_default();
    rules.is_empty()
        || rules.iter().any(|rule| {
            let property_selector = rule.property_selector.iter();
            let label_selector = rule.label_selector.iter();
            property_selector
                .flat_map(|selector| &selector.match_expressions)
                .all(|expression| {
                    pointer(expression, &properties).is_some_and(|found| holds(expression, found))
                })
                && label_selector
                    .flat_map(|selector| &selector.match_expressions)
                    .all(|expression| {
                        let found = labels.get(&expression.key);
                        holds(expression, found.filter(|found| !is_objects("", found)))
                            && found.is_none_or(|found| !is_objects("", found))
                    })
        })
}

/// What the key points to; `None` for a key that is no pointer.
#[allow(clippy::option_option, reason = "absent differs from malformed")]
fn pointer<'a>(expression: &MatchExpression, of: &'a Value) -> Option<Option<&'a Value>> {
    let key = &expression.key;
    let rest = key.replace("~0", "").replace("~1", "");
    let well_formed = (key.is_empty() || key.starts_with('/')) && !rest.contains('~');
    well_formed.then(|| of.pointer(key))
}

fn holds(expression: &MatchExpression, found: Option<&Value>) -> bool {
    let values = expression.values.as_deref().unwrap_or_default();
    let items = expression
        .item_selector
        .as_ref()
        .map_or(&[][..], |selector| &selector.match_expressions);
    let operator = expression.operator.as_str();
    let takes_values = matches!(operator, "In" | "NotIn" | "Gt" | "Lt");
    let takes_items = matches!(operator, "ContainsAll" | "ContainsAny" | "ContainersAny");
    if takes_values == values.is_empty()
        || takes_items == items.is_empty()
        || (!takes_items && expression.item_selector.is_some())
    {
        return false;
    }
    let Some(found) = found else {
        return operator == "DoesNotExist";
    };
    let objects = is_objects(&expression.key, found);
    let list = match found {
        Value::Array(list) => list.as_slice(),
        Value::Null | Value::Object(_) => return false,
        scalar => std::slice::from_ref(scalar),
    };
    if takes_items {
        let item = |item: &MatchExpression, element: &Value| {
            pointer(item, element).is_some_and(|found| holds(item, found))
        };
        return objects
            && list.iter().any(|element| match operator {
                "ContainsAll" => items.iter().all(|it| item(it, element)),
                _ => items.iter().any(|it| item(it, element)),
            });
    }
    let uniform = |is: fn(&Value) -> bool| list.iter().all(is);
    let scalars = !found.is_array() || uniform(Value::is_string) || uniform(Value::is_number);
    if objects || !scalars {
        return false;
    }
    let one_kind = values.iter().all(Value::is_string) || values.iter().all(Value::is_number);
    let comparable = one_kind || (values.len() == 1 && values[0].is_boolean());
    let shares = || {
        list.iter()
            .any(|found| values.iter().any(|value| equal(found, value)))
    };
    let bound = || match values {
        [Value::Number(number)] => number.as_f64(),
        [Value::String(text)] if text.trim() == text => serde_json::from_str(text).ok(),
        _ => None,
    };
    match operator {
        "In" => comparable && shares(),
        "NotIn" => comparable && !shares(),
        "Exists" => true,
        "Gt" => found.as_f64().zip(bound()).is_some_and(|(a, b)| a > b),
        "Lt" => found.as_f64().zip(bound()).is_some_and(|(a, b)| a < b),
        _ => false,
    }
}

/// The lists that the specification defines hold objects also when they are empty.
fn is_objects(key: &str, found: &Value) -> bool {
    let defined = matches!(key, "/cpus" | "/peripherals" | "/interfaces");
    found
        .as_array()
        .is_some_and(|list| list.iter().all(Value::is_object) && (defined || !list.is_empty()))
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.to_bits() == right.to_bits(),
        _ => left == right,
    }
}
