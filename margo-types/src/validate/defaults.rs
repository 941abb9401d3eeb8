//! Rules of the default values of parameters (rc3.md sections 1.6 and 1.7).

use serde_json::{Number, Value};

use super::place::Place;
use super::rule::rule_table;
use crate::application::{ApplicationDescription, DataType};
use crate::pattern::Patterns;
use crate::values::defaults::broken_defaults;
use crate::values::{ValueFault, ValueRule};

/// The default values of a description, which is at this place.
pub(super) fn check<'a>(
    at: &Place<'_>,
    description: &'a ApplicationDescription,
    patterns: &mut Patterns<'a>,
) {
    let parameters = at.key("parameters");
    for (name, parameter) in &description.parameters {
        if parameter
            .value
            .as_ref()
            .is_some_and(|value| !is_value(value))
        {
            parameters.key(name).key("value").report(
                &FORM,
                "the value is neither a string, a number, a boolean nor a list of one of these",
                "write a simple value, or one parameter for each of its parts",
            );
        }
    }
    for broken in broken_defaults(description, patterns) {
        let value = description.parameters.get(broken.parameter);
        if !value.and_then(|it| it.value.as_ref()).is_some_and(is_value) {
            continue;
        }
        let rule = match broken.fault.rule {
            ValueRule::DataType => &TYPE,
            _ => &DEFAULT,
        };
        let at = parameters.key(broken.parameter);
        let at = at.key("value");
        let ValueFault {
            element,
            message,
            fix,
            ..
        } = broken.fault;
        match element {
            Some(element) => at.index(element).report(rule, message, fix),
            None => at.report(rule, message, fix),
        }
    }
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
    DEFAULT: Error, "parameter.default", "rc3.md 1.7, W52",
        "the default of a parameter obeys every rule of its schema";
}
