//! Data types as values: which JSON value is one, how a text spells one, and when two are the same.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::application::{DataType, Schema};
use crate::number::{Exactly, parse_number};

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// Whether a value is an array of this kind.
    pub(super) is_list: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Double,
    Boolean,
}

impl Shape {
    /// The form of a schema's values; `None` for an unknown data type.
    pub(super) fn of(schema: &Schema) -> Option<Self> {
        let (kind, is_array) = match schema.data_type {
            DataType::String => (Kind::Text, false),
            DataType::Integer => (Kind::Integer, false),
            DataType::Double => (Kind::Double, false),
            DataType::Boolean => (Kind::Boolean, false),
            DataType::StringArray => (Kind::Text, true),
            DataType::IntegerArray => (Kind::Integer, true),
            DataType::DoubleArray => (Kind::Double, true),
            DataType::BooleanArray => (Kind::Boolean, true),
            DataType::_Unknown(_) => return None,
        };
        let is_multiselect = schema.options.is_some() && schema.multiselect == Some(true);
        Some(Self {
            kind,
            is_list: is_array || is_multiselect,
        })
    }

    /// The value that a person's text stands for. A text that spells none stays a text.
    pub(super) fn read(self, text: &str) -> Value {
        if !self.is_list {
            return match self.kind {
                Kind::Text => Value::from(text),
                _ if text.trim().is_empty() => Value::Null,
                kind => kind.read(text.trim()).unwrap_or_else(|| Value::from(text)),
            };
        }
        let text = text.trim();
        if text.starts_with('[') {
            return match serde_json::from_str(text) {
                Ok(list @ Value::Array(_)) => list,
                _ => Value::from(text),
            };
        }
        let elements = text.split(',').map(str::trim);
        let elements = elements.filter(|_| !text.is_empty());
        elements
            .map(|element| self.kind.read(element).unwrap_or_else(|| element.into()))
            .collect()
    }

    /// A deployed value or an option in its data type: `"30"` as the integer 30, and 30 as the text `"30"`.
    pub(super) fn normalise(self, value: &Value) -> Cow<'_, Value> {
        match value {
            Value::Array(list) if self.is_list => Cow::Owned(
                list.iter()
                    .map(|element| self.kind.normalise(element).into_owned())
                    .collect(),
            ),
            Value::Array(_) => Cow::Borrowed(value),
            Value::String(text) if self.is_list => Cow::Owned(self.read(text)),
            scalar => self.kind.normalise(scalar),
        }
    }

    /// Whether two values are the same, whichever way they are spelled.
    pub(super) fn are_same(self, left: &Value, right: &Value) -> bool {
        are_equal(&self.normalise(left), &self.normalise(right))
    }
}

impl Kind {
    pub(super) fn is_kind_of(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => value.is_u64() || value.is_i64(),
            Self::Double => value.is_number(),
            Self::Boolean => value.is_boolean(),
        }
    }

    /// What to give, in words.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Integer => "a whole number of at most 64 bits",
            other => other.in_words(),
        }
    }

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Double => "a number",
            Self::Boolean => "true or false",
        }
    }

    pub(super) fn normalise(self, value: &Value) -> Cow<'_, Value> {
        match (self, value) {
            (Self::Text, Value::Number(number)) => Cow::Owned(number.to_string().into()),
            (Self::Text, Value::Bool(value)) => Cow::Owned(value.to_string().into()),
            (Self::Text, _) => Cow::Borrowed(value),
            (kind, Value::String(text)) => kind.read(text).map_or(Cow::Borrowed(value), Cow::Owned),
            _ => Cow::Borrowed(value),
        }
    }

    /// The value that a text spells, in the notation of JSON.
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(text.into()),
            Self::Boolean => text.parse().ok().map(Value::Bool),
            Self::Double => parse_number(text).map(Value::Number),
            // What is no integer stays the text that a person wrote: messages show it unrounded.
            Self::Integer => parse_number(text)
                .map(Value::Number)
                .filter(|number| self.is_kind_of(number)),
        }
    }
}

/// Equality of values, in which numbers are mathematical: `1` equals `1.0`.
pub(super) fn are_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            Exactly::from_number(left) == Exactly::from_number(right)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| are_equal(left, right))
        }
        _ => left == right,
    }
}

/// The decimal places of the shortest decimal form that reads back as the same number.
pub(super) fn decimal_places(number: &Number) -> u64 {
    if number.is_u64() || number.is_i64() {
        return 0;
    }
    // Display of a float is its shortest form, without exponent.
    let text = number.as_f64().unwrap_or_default().to_string();
    text.split_once('.')
        .map_or(0, |(_, decimals)| decimals.len() as u64)
}

/// Null, an empty text or an empty array.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
