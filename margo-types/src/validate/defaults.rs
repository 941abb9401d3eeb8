//! Rules of the default values of parameters (rc3.md sections 1.6 and 1.7).
//!
//! Only the type is looked at here. Whether a value obeys every rule of its schema is asked of the function that
//! checks the values a person gives.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::place::Place;
use super::rule::rule_table;
use crate::application::{ApplicationDescription, DataType, Schema};

/// The default values of a description, which is at this place.
pub(super) fn check(at: &Place<'_>, description: &ApplicationDescription) {
    let schemas = schemas_of_parameters(description);
    let parameters = at.key("parameters");
    for (name, parameter) in &description.parameters {
        let Some(value) = &parameter.value else {
            continue;
        };
        let at = parameters.key(name);
        if !is_value(value) {
            at.key("value").report(
                &FORM,
                "the value is neither a string, a number, a boolean nor a list of one of these",
                "write a simple value, or one parameter for each of its parts",
            );
        } else if let Some(schema) = schemas.get(name.as_str())
            && !has_type_of(value, schema)
        {
            at.key("value").report(
                &TYPE,
                format!("the value is not of the type {}", schema.data_type),
                "write a value of that type, or change the dataType of its schema",
            );
        }
    }
}

/// The schema of each parameter that has a setting.
fn schemas_of_parameters(description: &ApplicationDescription) -> BTreeMap<&str, &Schema> {
    let Some(configuration) = &description.configuration else {
        return BTreeMap::new();
    };
    let schemas: BTreeMap<_, _> = configuration
        .schema
        .iter()
        .map(|schema| (schema.name.as_str(), schema))
        .collect();
    let settings = configuration.sections.iter().flat_map(|it| &it.settings);
    settings
        .filter_map(|it| Some((it.parameter.as_str(), *schemas.get(it.schema.as_str())?)))
        .collect()
}

/// Whether this is a value that a parameter can have at all.
fn is_value(value: &Value) -> bool {
    match value {
        Value::Null | Value::Object(_) => false,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(elements) => [Value::is_string, Value::is_number, Value::is_boolean]
            .iter()
            .any(|is_one_type| elements.iter().all(is_one_type)),
    }
}

fn has_type_of(value: &Value, schema: &Schema) -> bool {
    if schema.allow_empty == Some(true) && value.as_str() == Some("") {
        return true;
    }
    let is_chosen_from_several = schema.options.is_some() && schema.multiselect == Some(true);
    match value {
        Value::Array(elements) if is_chosen_from_several => elements
            .iter()
            .all(|element| is_of_type(element, element_of(&schema.data_type))),
        _ => is_of_type(value, &schema.data_type),
    }
}

/// Whether a value has the basic type that `data_type` names. Unknown types take any value.
pub(super) fn is_of_type(value: &Value, data_type: &DataType) -> bool {
    let all = |is_one: fn(&Value) -> bool| {
        value
            .as_array()
            .is_some_and(|elements| elements.iter().all(is_one))
    };
    match data_type {
        DataType::String => value.is_string(),
        DataType::Integer => is_integer(value),
        DataType::Double => value.is_number(),
        DataType::Boolean => value.is_boolean(),
        DataType::StringArray => all(Value::is_string),
        DataType::IntegerArray => all(is_integer),
        DataType::DoubleArray => all(Value::is_number),
        DataType::BooleanArray => all(Value::is_boolean),
        DataType::_Unknown(_) => true,
    }
}

/// The type of one element of an array type; any other type itself.
pub(super) fn element_of(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::StringArray => &DataType::String,
        DataType::IntegerArray => &DataType::Integer,
        DataType::DoubleArray => &DataType::Double,
        DataType::BooleanArray => &DataType::Boolean,
        other => other,
    }
}

fn is_integer(value: &Value) -> bool {
    value.as_number().is_some_and(is_whole)
}

/// Whether a number is whole; `2.0` is.
pub(super) fn is_whole(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

rule_table! {
    FORM: Error in schema, "parameter.value", "rc3.md 1.6",
        "a value is a string, number or boolean, or a list of one of these";
    TYPE: Error, "parameter.value-type", "rc3.md 1.7, W52",
        "the value of a parameter has the type that its schema names";
}
