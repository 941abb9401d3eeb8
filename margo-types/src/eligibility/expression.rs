//! Match expressions, checked once and evaluated often.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::Value;

use super::lookup::{Element, Found, Key, Scalar, Subject};
use super::pointer::Pointer;
use super::verdict::Outcome;
use crate::application::{MatchExpression, Operator, Selector};
use crate::number::Exactly;
use crate::scalar::Quantity;
use crate::text::shorten;

/// A match expression, ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    /// The expression in words, such as `/vendor In ["ACME"]`.
    pub(super) text: String,
    check: Check,
}

/// How the keys of a selector are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Pointers,
    Labels,
}

#[derive(Clone, Debug)]
enum Check {
    Test(Key, Test),
    /// Breaks a rule of its operator, or has one that is not known: false for every device.
    Malformed(String),
}

#[derive(Clone, Debug)]
enum Test {
    In(Operands),
    NotIn(Operands),
    Exists,
    DoesNotExist,
    Gt(Exactly),
    Lt(Exactly),
    ContainsAll(Box<[Expression]>),
    ContainsAny(Box<[Expression]>),
}

#[derive(Clone, Debug)]
enum Operands {
    /// Sorted, as numbers are: a device may report a list as long as that of the operands.
    Texts(Box<[TextOperand]>),
    Numbers(Box<[Exactly]>),
    Boolean(bool),
}

#[derive(Clone, Debug)]
struct TextOperand {
    text: Box<str>,
    quantity: Option<Quantity>,
}

impl Expression {
    pub(super) fn compile(source: &MatchExpression, keys: Keys) -> Self {
        Self::nested(source, keys, 0)
    }

    fn nested(source: &MatchExpression, keys: Keys, depth: usize) -> Self {
        let operator = operator_of(source);
        let mut text = format!("{} {}", shorten(&source.key), shorten(operator.as_str()));
        if let Some(values) = &source.values {
            let values = serde_json::to_string(values).unwrap_or_default();
            let _ = write!(text, " {}", shorten(&values));
        }
        let items = source.item_selector.as_deref().map(|selector| {
            if depth < MAX_NESTING {
                Ok(Self::all(selector, Keys::Pointers, depth + 1))
            } else {
                Err(format!(
                    "its item selectors are nested more than {MAX_NESTING} levels deep"
                ))
            }
        });
        if let Some(Ok(items)) = &items {
            let word = if operator == Operator::ContainsAny {
                " or "
            } else {
                " and "
            };
            let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
            let _ = write!(text, " ({})", texts.join(word));
        }
        let check = items
            .transpose()
            .and_then(|items| test(&operator, source.values.as_deref(), items))
            .and_then(|test| Ok(Check::Test(key(&source.key, keys)?, test)))
            .unwrap_or_else(Check::Malformed);
        Self { text, check }
    }

    fn all(selector: &Selector, keys: Keys, depth: usize) -> Box<[Self]> {
        let expressions = selector.match_expressions.iter();
        expressions
            .map(|expression| Self::nested(expression, keys, depth))
            .collect()
    }

    /// Whether the expression is true of the subject. Allocates nothing.
    pub(super) fn holds(&self, subject: Subject<'_>) -> bool {
        match &self.check {
            Check::Test(key, test) => test.holds(subject.resolve(key)),
            Check::Malformed(_) => false,
        }
    }

    /// Whether the expression is true of the subject, and what was found.
    pub(super) fn explain(&self, subject: Subject<'_>) -> (Outcome, String) {
        let (key, test) = match &self.check {
            Check::Test(key, test) => (key, test),
            Check::Malformed(why) => {
                return (
                    Outcome::Malformed,
                    format!("it can never be true, because {why}"),
                );
            }
        };
        let found = subject.resolve(key);
        let outcome = if test.holds(found) {
            Outcome::Met
        } else {
            Outcome::Unmet
        };
        let words = match found {
            None => format!("the device has no such {}", subject.has()),
            Some(Found::Inadmissible(what)) => {
                format!("the device has {what} there, of which no expression is true")
            }
            Some(objects @ Found::Objects(_)) if !test.is_for_objects() => format!(
                "the device says {}, a list of objects, of which only ContainsAll and ContainsAny can be true",
                objects.in_words()
            ),
            Some(found) => format!("the device says {}", found.in_words()),
        };
        (outcome, words)
    }
}

impl Test {
    /// Whether the test is true of what the key resolved to.
    ///
    /// A list of objects makes all but `ContainsAll` and `ContainsAny` false, also `Exists` (rc3.md
    /// ambiguity 42), and `NotIn` wants the key to be present (ambiguity 50).
    fn holds(&self, found: Option<Found<'_>>) -> bool {
        let Some(found) = found else {
            return matches!(self, Self::DoesNotExist);
        };
        match (self, found) {
            (Self::ContainsAll(items), Found::Objects(objects)) => {
                objects.any(|element| items.iter().all(|item| holds_for(item, element)))
            }
            (Self::ContainsAny(items), Found::Objects(objects)) => {
                objects.any(|element| items.iter().any(|item| holds_for(item, element)))
            }
            (_, Found::Objects(_) | Found::Inadmissible(_)) => false,
            (Self::In(operands), found) => operands.include(found),
            (Self::NotIn(operands), found) => !operands.include(found),
            (Self::Gt(bound), Found::Scalar(Scalar::Number(number))) => number > *bound,
            (Self::Lt(bound), Found::Scalar(Scalar::Number(number))) => number < *bound,
            (test, _) => matches!(test, Self::Exists),
        }
    }

    fn is_for_objects(&self) -> bool {
        matches!(self, Self::ContainsAll(_) | Self::ContainsAny(_))
    }
}

fn holds_for(item: &Expression, element: Element<'_>) -> bool {
    item.holds(Subject::Element(element))
}

impl Operands {
    /// Whether the value, or an element of the list, is one of the operands.
    fn include(&self, found: Found<'_>) -> bool {
        match found {
            Found::Scalar(scalar) => self.include_scalar(scalar),
            Found::Scalars(scalars) => scalars.any(|scalar| self.include_scalar(scalar)),
            Found::Objects(_) | Found::Inadmissible(_) => false,
        }
    }

    fn include_scalar(&self, scalar: Scalar<'_>) -> bool {
        match (self, scalar) {
            (Self::Texts(texts), Scalar::Text(text)) => texts
                .binary_search_by(|operand| (*operand.text).cmp(text))
                .is_ok(),
            (Self::Texts(texts), Scalar::Quantity(quantity)) => texts.iter().any(|operand| {
                let operand = operand.quantity.as_ref();
                operand.is_some_and(|operand| is_same_spelling(operand, quantity))
            }),
            (Self::Numbers(numbers), Scalar::Number(number)) => numbers
                .binary_search_by(|operand| in_order(operand, &number))
                .is_ok(),
            (Self::Boolean(operand), Scalar::Boolean(value)) => *operand == value,
            _ => false,
        }
    }
}

/// The numbers of documents are finite, so they always have an order.
fn in_order(left: &Exactly, right: &Exactly) -> Ordering {
    left.partial_cmp(right).unwrap_or(Ordering::Equal)
}

/// Quantities are texts to a selector, except that the blank in `59 Gi` was not kept.
fn is_same_spelling(left: &Quantity, right: &Quantity) -> bool {
    left.unit() == right.unit() && left == right
}

/// The operator; `ContainersAny` is the misspelling in the specification's tables (rc3.md ambiguity 9).
fn operator_of(source: &MatchExpression) -> Operator {
    match source.operator.as_str() {
        "ContainersAny" => Operator::ContainsAny,
        _ => source.operator.clone(),
    }
}

fn key(text: &str, keys: Keys) -> Result<Key, String> {
    match keys {
        Keys::Labels => Ok(Key::Label(text.into())),
        Keys::Pointers => Ok(Key::Pointer(Pointer::parse(text)?)),
    }
}

fn test(
    operator: &Operator,
    values: Option<&[Value]>,
    items: Option<Box<[Expression]>>,
) -> Result<Test, String> {
    let values = values.unwrap_or_default();
    let needs_values = matches!(
        operator,
        Operator::In | Operator::NotIn | Operator::Gt | Operator::Lt
    );
    let needs_items = matches!(operator, Operator::ContainsAll | Operator::ContainsAny);
    if !operator.is_known() {
        return Err("its operator is not known".to_owned());
    }
    if !needs_values && !values.is_empty() {
        return Err(format!("{operator} has no values"));
    }
    let items = match items {
        Some(_) if !needs_items => return Err(format!("{operator} has no itemSelector")),
        Some(items) if !items.is_empty() => items,
        _ if needs_items => {
            return Err(format!(
                "{operator} wants an itemSelector with at least one expression"
            ));
        }
        _ => Box::default(),
    };
    Ok(match operator {
        Operator::In => Test::In(operands(values)?),
        Operator::NotIn => Test::NotIn(operands(values)?),
        Operator::Gt => Test::Gt(bound(values)?),
        Operator::Lt => Test::Lt(bound(values)?),
        Operator::Exists => Test::Exists,
        Operator::DoesNotExist => Test::DoesNotExist,
        Operator::ContainsAll => Test::ContainsAll(items),
        Operator::ContainsAny => Test::ContainsAny(items),
        Operator::_Unknown(_) => return Err("its operator is not known".to_owned()),
    })
}

/// Texts, or numbers, or exactly one truth value.
fn operands(values: &[Value]) -> Result<Operands, String> {
    let texts = || values.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
    let numbers = || {
        let numbers = values
            .iter()
            .map(|value| Exactly::from_number(value.as_number()?));
        numbers.collect::<Option<_>>()
    };
    match values {
        [] => Err("it has no values to compare with".to_owned()),
        [Value::Bool(value)] => Ok(Operands::Boolean(*value)),
        _ => {
            if let Some(texts) = texts() {
                let operand = |text: &str| TextOperand {
                    text: text.into(),
                    quantity: Quantity::parse(text).ok(),
                };
                let mut operands: Vec<_> = texts.into_iter().map(operand).collect();
                operands.sort_by(|left, right| left.text.cmp(&right.text));
                return Ok(Operands::Texts(operands.into()));
            }
            let mut numbers: Vec<Exactly> = numbers().ok_or_else(|| {
                "its values are not all texts, nor all numbers, nor one truth value".to_owned()
            })?;
            numbers.sort_by(in_order);
            Ok(Operands::Numbers(numbers.into()))
        }
    }
}

/// Exactly one number, which may be written as a text.
fn bound(values: &[Value]) -> Result<Exactly, String> {
    let number = match values {
        [Value::Number(number)] => Exactly::from_number(number),
        [Value::String(text)] => Exactly::parse(text),
        [_] => None,
        _ => return Err("it wants exactly one value".to_owned()),
    };
    number.ok_or_else(|| "its value is not a number".to_owned())
}

/// How deeply item selectors may be nested. The specification describes one level (rc3.md ambiguity 47).
const MAX_NESTING: usize = 8;
