//! What is wrong with a value.

use std::fmt;

/// A rule that a value breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueFault {
    /// The rule.
    pub rule: ValueRule,
    /// The element of an array that breaks it, counted from 0; `None` for the value as a whole.
    pub element: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to give instead.
    pub fix: String,
}

/// The rules for values, by the attribute of the schema that makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ValueRule {
    /// `dataType`, and `multiselect`.
    DataType,
    /// `allowEmpty`.
    AllowEmpty,
    /// `minLength`.
    MinLength,
    /// `maxLength`.
    MaxLength,
    /// `regexMatch`.
    RegexMatch,
    /// `minValue`.
    MinValue,
    /// `maxValue`.
    MaxValue,
    /// `minPrecision`.
    MinPrecision,
    /// `maxPrecision`.
    MaxPrecision,
    /// `options`.
    Options,
    /// The schema itself cannot be used: an unknown data type, or a pattern that does not compile.
    UsableSchema,
}

impl ValueFault {
    pub(super) fn new(rule: ValueRule, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            rule,
            element: None,
            message: message.into(),
            fix: fix.into(),
        }
    }

    pub(super) fn at(mut self, element: Option<usize>) -> Self {
        self.element = element;
        self
    }
}

impl fmt::Display for ValueFault {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        if let Some(element) = self.element {
            write!(formatter, "element {element}: ")?;
        }
        write!(formatter, "{}; {}", self.message, self.fix)
    }
}

impl std::error::Error for ValueFault {}
