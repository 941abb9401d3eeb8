//! Parameters as values of a chart (rc3.md section 1.6).
//!
//! The specification means "the same convention as `helm install --set`" for pointers and does not say how much of it (rc3.md
//! ambiguity 53). Here it is all of what is left of the `=`; see [`path`]. What is right of it is not needed: values have
//! their types in the deployment already.

mod path;

use std::collections::BTreeMap;
use std::fmt::Write;

use margo_types::deployment::ApplicationDeployment;
use margo_types::id::ComponentName;
use serde_json::{Map, Value};

use self::path::{Path, Step};
use crate::{ProviderError, Trouble};

/// The values of one component. A `null` is kept: it has Helm drop what the chart has there.
///
/// The order of parameters does not count: what is given for a whole is written before what is given for its parts.
///
/// # Errors
/// [`Trouble::Deployment`] for a pointer that Helm would not take or would ignore, for parameters that contradict each
/// other, and for more than memory or a command line should have to hold.
pub(super) fn values_of(
    deployment: &ApplicationDeployment,
    component: &ComponentName,
) -> Result<Map<String, Value>, ProviderError> {
    let mut given: BTreeMap<Path, (&str, &Value)> = BTreeMap::new();
    let wrong = |parameter: &str, why: String| {
        let message = format!("the parameter {parameter} cannot be set: {why}");
        ProviderError::new(Trouble::Deployment, message).of(component)
    };
    for (parameter, set) in &deployment.spec.parameters {
        let targets = set.targets.iter();
        for target in targets.filter(|target| target.components.contains(component)) {
            let pointer = &target.pointer;
            let path = Path::parse(pointer)
                .map_err(|why| wrong(parameter, format!("its pointer {pointer:?} {why}")))?;
            let earlier = given.insert(path, (parameter, &set.value));
            if let Some((other, _)) = earlier.filter(|(_, value)| **value != set.value) {
                let why = format!("the parameter {other} gives {pointer} another value");
                return Err(wrong(parameter, why));
            }
        }
    }
    let mut values = Value::Object(Map::new());
    let mut spare = MAX_ELEMENTS;
    // Paths are sorted, so a whole comes before its parts.
    for (path, (parameter, value)) in given {
        set(&mut values, path.steps(), value, &mut spare).map_err(|why| wrong(parameter, why))?;
    }
    let values = match values {
        Value::Object(values) => values,
        _ => Map::new(),
    };
    if !fits_command_line(&large_numbers(&values)) {
        let message = format!(
            "the parameters have too many whole numbers of seven digits or more, which Helm takes on its command line only; give at most {MAX_NUMBERS}, or strings"
        );
        return Err(ProviderError::new(Trouble::Deployment, message).of(component));
    }
    Ok(values)
}

/// The values as a file for Helm.
pub(super) fn values_file(values: &Map<String, Value>) -> String {
    json_for_helm(&Value::Object(values.clone()))
}

/// JSON, of which Helm's reader of YAML takes every character as it is meant.
pub(super) fn json_for_helm(value: &Value) -> String {
    let json = value.to_string();
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            // They are not allowed in YAML, or end lines there. Outside of strings JSON has none of them.
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            other => text.push(other),
        }
    }
    text
}

/// The whole numbers that Helm would write as `1e+06` in manifests when it reads them from a file, as arguments of `--set`:
/// from there it keeps them as they are.
pub(super) fn large_numbers(values: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    let mut steps = Vec::new();
    for (name, value) in values {
        steps.push(Step::Name(name.clone()));
        collect(value, &mut steps, &mut found);
        steps.pop();
    }
    found
}

/// Whether they fit on one command line, with their paths.
fn fits_command_line(numbers: &[String]) -> bool {
    let bytes: usize = numbers.iter().map(String::len).sum();
    numbers.len() <= MAX_NUMBERS
        && bytes <= MAX_NUMBER_BYTES
        && numbers.iter().all(|number| number.len() <= MAX_ARGUMENT)
}

fn collect(value: &Value, steps: &mut Vec<Step>, found: &mut Vec<String>) {
    match value {
        Value::Number(number) => {
            let number = number
                .as_i64()
                .filter(|number| number.unsigned_abs() >= EXACT);
            if let Some(number) = number {
                found.push(format!("{}={number}", Path::shown(steps)));
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                steps.push(Step::Index(index));
                collect(element, steps, found);
                steps.pop();
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                steps.push(Step::Name(name.clone()));
                collect(member, steps, found);
                steps.pop();
            }
        }
        _ => {}
    }
}

/// Writes a value where the steps lead, making what is missing on the way. Elements of a list that nobody gives are `null`;
/// at most `spare` of them are made.
fn set(root: &mut Value, steps: &[Step], value: &Value, spare: &mut usize) -> Result<(), String> {
    let mut place = root;
    for (depth, step) in steps.iter().enumerate() {
        let above = steps.get(..depth).unwrap_or_default();
        let other = |found: &Value, wanted: &str| {
            let above = Path::shown(above);
            format!(
                "{above} is {} for another parameter, not {wanted}",
                kind(found)
            )
        };
        place = match step {
            Step::Name(name) => {
                if place.is_null() && depth > 0 && is_index(steps.get(depth - 1)) {
                    *place = Value::Object(Map::new());
                }
                match place {
                    Value::Object(members) => {
                        let rest = steps.get(depth + 1);
                        members.entry(name.clone()).or_insert_with(|| empty(rest))
                    }
                    found => return Err(other(found, "an object")),
                }
            }
            Step::Index(index) => {
                if place.is_null() && depth > 0 && is_index(steps.get(depth - 1)) {
                    *place = Value::Array(Vec::new());
                }
                match place {
                    Value::Array(elements) => {
                        if elements.len() <= *index {
                            let more = *index + 1 - elements.len();
                            *spare = spare.checked_sub(more).ok_or_else(|| {
                                let pointer = Path::shown(steps);
                                format!("with its pointer {pointer:?} the lists would have more than {MAX_ELEMENTS} elements in all")
                            })?;
                            elements.resize(*index + 1, Value::Null);
                        }
                        // It is that long now.
                        match elements.get_mut(*index) {
                            Some(element) => element,
                            None => return Ok(()),
                        }
                    }
                    found => return Err(other(found, "a list")),
                }
            }
        };
    }
    *place = value.clone();
    Ok(())
}

const fn is_index(step: Option<&Step>) -> bool {
    matches!(step, Some(Step::Index(_)))
}

/// What a step leads into; a value itself is written over it.
fn empty(next: Option<&Step>) -> Value {
    match next {
        Some(Step::Name(_)) => Value::Object(Map::new()),
        Some(Step::Index(_)) => Value::Array(Vec::new()),
        None => Value::Null,
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Helm reads numbers of files as floating point and prints those from here on with an exponent.
const EXACT: u64 = 1_000_000;
/// The elements of lists that the pointers for one component may make. Few pointers can ask for many.
const MAX_ELEMENTS: usize = 1_000_000;
/// Systems take about 2 MiB of arguments, their places in a table included, and 128 KiB of one.
const MAX_NUMBERS: usize = 10_000;
const MAX_NUMBER_BYTES: usize = 1 << 20;
const MAX_ARGUMENT: usize = 100 << 10;

#[cfg(test)]
mod tests;
