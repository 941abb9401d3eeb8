//! One value against one schema.

use regex::Regex;
use serde_json::{Number, Value};

use super::fault::{ValueFault, ValueRule};
use super::shape::{Kind, Shape, are_equal, decimal_places, is_empty};
use crate::application::Schema;
use crate::number::Exactly;
use crate::pattern::{Patterns, UnusablePattern};
use crate::text::shorten;

impl Schema {
    /// Checks a value against the data type and every rule of this schema that fits the data type.
    ///
    /// The value must have the data type itself: `"30"` is no integer. Texts are read by
    /// [`parse_answer`].
    ///
    /// # Errors
    /// Everything that is wrong with the value; also when the schema cannot be used
    /// ([`ValueRule::UsableSchema`]).
    pub fn check(&self, value: &Value) -> Result<(), Vec<ValueFault>> {
        let faults = Rules::compile(self, &mut Patterns::default()).faults(value);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}

/// Reads an answer from a text, such as a command-line argument, and checks it.
///
/// Numbers and truth values are written as in JSON. An array is written as in JSON or with commas between
/// its elements. An empty text is an empty value: `""` for texts, `[]` for arrays, null for the others.
///
/// # Errors
/// Everything that is wrong with the answer.
pub fn parse_answer(schema: &Schema, text: &str) -> Result<Value, Vec<ValueFault>> {
    let value = match Shape::of(schema) {
        Some(shape) => shape.read(text),
        None => Value::from(text),
    };
    schema.check(&value).map(|()| value)
}

/// A schema with its pattern compiled.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) schema: &'a Schema,
    /// `None` for an unknown data type.
    pub(super) shape: Option<Shape>,
    /// Of texts only; other values have nothing that a pattern could match.
    pattern: Option<Result<Regex, ValueFault>>,
}

impl<'a> Rules<'a> {
    pub(super) fn compile(schema: &'a Schema, patterns: &mut Patterns<'a>) -> Self {
        let shape = Shape::of(schema);
        let is_text = shape.is_some_and(|shape| shape.kind == Kind::Text);
        let pattern = schema.regex_match.as_deref().filter(|_| is_text);
        let compile = |pattern| {
            let compiled = patterns.compile(pattern);
            compiled.map_err(|unusable| unusable_pattern(schema, &unusable))
        };
        Self {
            schema,
            shape,
            pattern: pattern.map(compile),
        }
    }

    /// Whether a value may be left empty.
    pub(super) fn allows_empty(&self) -> bool {
        self.schema.allow_empty == Some(true)
    }

    /// What makes the schema unusable for any value.
    pub(super) fn schema_fault(&self) -> Option<ValueFault> {
        if self.shape.is_none() {
            let message = format!(
                "the schema {:?} has the unknown data type {:?}",
                shorten(&self.schema.name),
                shorten(self.schema.data_type.as_str())
            );
            let fix = "ask the supplier for string, integer, double, boolean or array[...] of one of them";
            return Some(ValueFault::new(ValueRule::UsableSchema, message, fix));
        }
        self.pattern.as_ref()?.as_ref().err().cloned()
    }

    /// Everything that is wrong with a value.
    pub(super) fn faults(&self, value: &Value) -> Vec<ValueFault> {
        let (Some(shape), None) = (self.shape, self.schema_fault()) else {
            return self.schema_fault().into_iter().collect();
        };
        let mut faults = Vec::new();
        match value {
            empty if is_empty(empty) => faults.extend(self.empty_fault(None)),
            Value::Array(list) if shape.is_list => {
                for (index, element) in list.iter().enumerate() {
                    self.check_scalar(shape, element, Some(index), &mut faults);
                }
            }
            other if shape.is_list => faults.push(ValueFault::new(
                ValueRule::DataType,
                format!("{} is not an array", in_words(other)),
                format!(
                    "give an array in which every element is {}",
                    shape.kind.in_words()
                ),
            )),
            scalar => self.check_scalar(shape, scalar, None, &mut faults),
        }
        faults
    }

    fn empty_fault(&self, element: Option<usize>) -> Option<ValueFault> {
        let fault = || ValueFault::new(ValueRule::AllowEmpty, "the value is empty", "give a value");
        (!self.allows_empty()).then(|| fault().at(element))
    }

    fn check_scalar(
        &self,
        shape: Shape,
        value: &Value,
        element: Option<usize>,
        faults: &mut Vec<ValueFault>,
    ) {
        if !shape.kind.is_kind_of(value) {
            let kind = shape.kind.in_words();
            let message = format!("{} is not {kind}", in_words(value));
            let fault = ValueFault::new(
                ValueRule::DataType,
                message,
                format!("give {}", shape.kind.wanted()),
            );
            return faults.push(fault.at(element));
        }
        if is_empty(value) {
            return faults.extend(self.empty_fault(element));
        }
        let mut check = |fault: Option<ValueFault>| {
            faults.extend(fault.map(|fault| fault.at(element)));
        };
        check(self.option_fault(shape, value));
        match value {
            Value::String(text) => {
                self.length_faults(text).into_iter().for_each(&mut check);
                check(self.pattern_fault(text));
            }
            Value::Number(number) => {
                self.range_faults(number).into_iter().for_each(&mut check);
                if shape.kind == Kind::Double {
                    self.precision_faults(number).into_iter().for_each(check);
                }
            }
            _ => {}
        }
    }

    fn option_fault(&self, shape: Shape, value: &Value) -> Option<ValueFault> {
        let options = self.schema.options.as_deref()?;
        let is_option = |option| are_equal(&shape.kind.normalise(option), value);
        if options.iter().any(is_option) {
            return None;
        }
        let choices: Vec<String> = options.iter().map(in_words).collect();
        Some(ValueFault::new(
            ValueRule::Options,
            format!("{} is not an option", in_words(value)),
            format!("choose from {}", shorten(&choices.join(", "))),
        ))
    }

    fn length_faults(&self, text: &str) -> [Option<ValueFault>; 2] {
        let length = text.chars().count() as u64;
        let message = || format!("{} has {length} characters", in_words(&text.into()));
        let too_short = self.schema.min_length.filter(|least| length < *least);
        let too_long = self.schema.max_length.filter(|most| length > *most);
        [
            too_short.map(|least| {
                let fix = format!("give at least {least}");
                ValueFault::new(ValueRule::MinLength, message(), fix)
            }),
            too_long.map(|most| {
                let fix = format!("give at most {most}");
                ValueFault::new(ValueRule::MaxLength, message(), fix)
            }),
        ]
    }

    fn pattern_fault(&self, text: &str) -> Option<ValueFault> {
        let Ok(pattern) = self.pattern.as_ref()? else {
            return None;
        };
        (!pattern.is_match(text)).then(|| {
            ValueFault::new(
                ValueRule::RegexMatch,
                format!("{} does not match the pattern", in_words(&text.into())),
                format!("give a text that matches {}", shorten(pattern.as_str())),
            )
        })
    }

    fn range_faults(&self, number: &Number) -> [Option<ValueFault>; 2] {
        let value = Exactly::from_number(number);
        let is_below = |least: &&Number| value < Exactly::from_number(least);
        let is_above = |most: &&Number| value > Exactly::from_number(most);
        let too_small = self.schema.min_value.as_ref().filter(is_below);
        let too_great = self.schema.max_value.as_ref().filter(is_above);
        [
            too_small.map(|least| {
                let message = format!("{number} is less than {least}");
                ValueFault::new(
                    ValueRule::MinValue,
                    message,
                    format!("give at least {least}"),
                )
            }),
            too_great.map(|most| {
                let message = format!("{number} is greater than {most}");
                ValueFault::new(ValueRule::MaxValue, message, format!("give at most {most}"))
            }),
        ]
    }

    fn precision_faults(&self, number: &Number) -> [Option<ValueFault>; 2] {
        let places = decimal_places(number);
        let message = || format!("{number} has {places} decimal places");
        let too_few = self.schema.min_precision.filter(|least| places < *least);
        let too_many = self.schema.max_precision.filter(|most| places > *most);
        [
            too_few.map(|least| {
                let fix = format!("give at least {least}");
                ValueFault::new(ValueRule::MinPrecision, message(), fix)
            }),
            too_many.map(|most| {
                let fix = format!("give at most {most}");
                ValueFault::new(ValueRule::MaxPrecision, message(), fix)
            }),
        ]
    }
}

fn unusable_pattern(schema: &Schema, unusable: &UnusablePattern) -> ValueFault {
    ValueFault::new(
        ValueRule::UsableSchema,
        format!(
            "the regexMatch of schema {:?} cannot be used: {}",
            shorten(&schema.name),
            unusable.why()
        ),
        match unusable {
            UnusablePattern::TooMany => "ask the supplier for fewer patterns",
            _ => {
                "ask the supplier for a pattern without look-around, back-references and large repetitions"
            }
        },
    )
}

fn in_words(value: &Value) -> String {
    shorten(&value.to_string())
}
