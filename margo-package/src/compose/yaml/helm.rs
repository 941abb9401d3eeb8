//! YAML values as Helm has them (Helm 3.17, whose parser follows YAML 1.1 in a way of its own): scalars are resolved from their
//! text here, the keys of mappings too, which are then written as text.

use std::fmt;

use margo_types::Location;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Spanned, Tagged};

use super::YamlError;

/// A value whose scalars are not resolved yet, with its tag and its place.
pub(super) type Node = Spanned<Tagged<Shape>>;

/// The shape of a value.
pub(super) enum Shape {
    Mapping(Vec<(Node, Node)>),
    List(Vec<Node>),
    /// A scalar as YAML 1.2 has it. Of a string only the text counts.
    Scalar(Value),
}

/// The value of a node in this text.
pub(super) fn value(node: Node, text: &str) -> Result<Value, YamlError> {
    let place = node.referenced;
    let location = Location {
        line: usize::try_from(place.line()).unwrap_or(usize::MAX),
        column: usize::try_from(place.column()).unwrap_or(usize::MAX),
    };
    let wrong = |why: String| YamlError {
        why,
        location: Some(location),
    };
    match resolved(node, text) {
        Resolved::Number(number) if !number.is_finite() => Err(wrong(format!(
            "{number} is no number for Helm; put it into quotes"
        ))),
        Resolved::Number(number) => Ok(json_number(number)),
        Resolved::Other(value) => Ok(value),
        Resolved::Mapping(members) => {
            let mut mapping = Map::new();
            for (key, member) in members {
                let key = resolved(key, text);
                let Some(key) = key_text(&key) else {
                    let message = "a key is no text for Helm; put it into quotes";
                    return Err(wrong(message.to_owned()));
                };
                mapping.insert(key, value(member, text)?);
            }
            Ok(Value::Object(mapping))
        }
        Resolved::List(elements) => {
            let elements = elements.into_iter().map(|element| value(element, text));
            elements.collect::<Result<_, _>>().map(Value::Array)
        }
    }
}

/// A value whose own scalar is resolved.
enum Resolved {
    Mapping(Vec<(Node, Node)>),
    List(Vec<Node>),
    /// In floating point. Whole numbers are among the others.
    Number(f64),
    Other(Value),
}

fn resolved(node: Node, text: &str) -> Resolved {
    let written = written(&node, text).filter(|_| !is_block(&node, text));
    let Tagged(shape, tag) = node.value;
    let scalar = match shape {
        Shape::Mapping(members) => return Resolved::Mapping(members),
        Shape::List(elements) => return Resolved::List(elements),
        Shape::Scalar(scalar) => scalar,
    };
    let tag = tag.as_deref().map(|tag| tag.strip_prefix(CORE));
    match (tag, written) {
        (None, Some(written)) if is_plain(&scalar, written) => resolve(written, &scalar),
        // A tag of nobody's makes text of it.
        (Some(None), Some(written)) if !scalar.is_string() => Resolved::Other(written.into()),
        // What is not finite has no place in JSON.
        (Some(Some("float")), _) if scalar.is_null() => Resolved::Number(f64::NAN),
        _ => match scalar {
            Value::Number(number) if number.is_f64() => {
                Resolved::Number(number.as_f64().unwrap_or_default())
            }
            scalar => Resolved::Other(scalar),
        },
    }
}

/// A scalar as it is written, with its quotes.
fn written<'t>(node: &Node, text: &'t str) -> Option<&'t str> {
    let span = node.defined.span();
    let (start, length) = (span.byte_offset()?, span.byte_len()?);
    let start = usize::try_from(start).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    text.get(start..end)
}

/// Whether a scalar is plain and may be more than text. What the parser makes more of is plain, and all that is left is numbers
/// with an underscore.
fn is_plain(scalar: &Value, written: &str) -> bool {
    scalar.as_str().is_none_or(|text| {
        text.contains('_') && !text.contains('\n') && !written.starts_with(['"', '\''])
    })
}

/// Whether a scalar begins on the line below a `|` or `>`, which are not of what is written.
fn is_block(node: &Node, text: &str) -> bool {
    let start = node.defined.span().byte_offset();
    let before = start.and_then(|start| text.get(..usize::try_from(start).ok()?));
    let above = before.and_then(|before| {
        let above = before.trim_end();
        before.get(above.len()..)?.contains('\n').then_some(above)
    });
    let header = above.and_then(|above| above.split(char::is_whitespace).next_back());
    header.is_some_and(|header| header.starts_with(['|', '>']))
}

/// What a plain scalar means. What has more than one line is text, whatever is in it.
fn resolve(written: &str, scalar: &Value) -> Resolved {
    let written = written.trim();
    let text = || match scalar {
        Value::String(text) => Value::String(text.clone()),
        _ => Value::String(written.to_owned()),
    };
    let known = KNOWN.iter().find(|(texts, _)| texts.contains(&written));
    if let Some((_, value)) = known {
        return Resolved::Other(value.clone());
    }
    match written.bytes().next() {
        Some(b'.') => match (written.get(1..).unwrap_or_default(), float(written)) {
            ("inf" | "Inf" | "INF", _) => Resolved::Number(f64::INFINITY),
            ("nan" | "NaN" | "NAN", _) => Resolved::Number(f64::NAN),
            (_, Some(number)) => Resolved::Number(number),
            _ => Resolved::Other(text()),
        },
        Some(b'+' | b'-' | b'0'..=b'9') => match written {
            "+.inf" | "+.Inf" | "+.INF" => Resolved::Number(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Resolved::Number(f64::NEG_INFINITY),
            _ => {
                let digits = written.replace('_', "");
                match (integer(&digits), float(&digits)) {
                    (Some(number), _) => Resolved::Other(number),
                    (_, Some(number)) => Resolved::Number(number),
                    _ => Resolved::Other(text()),
                }
            }
        },
        _ => Resolved::Other(text()),
    }
}

/// A whole number of at most 64 bits; hexadecimal, octal or binary by its prefix.
fn integer(digits: &str) -> Option<Value> {
    let (sign, magnitude) = match digits.as_bytes().first()? {
        b'-' => ("-", digits.get(1..)?),
        b'+' => ("+", digits.get(1..)?),
        _ => ("", digits),
    };
    let prefix = magnitude.get(..2).map(str::to_ascii_lowercase);
    let (radix, magnitude) = match prefix.as_deref() {
        Some("0x") => (16, magnitude.get(2..)?),
        Some("0o") => (8, magnitude.get(2..)?),
        Some("0b") => (2, magnitude.get(2..)?),
        Some(two) if two.starts_with('0') => (8, magnitude.get(1..)?),
        _ => (10, magnitude),
    };
    // What Rust takes in front of digits is no digit.
    if !magnitude.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let signed = i64::from_str_radix(&format!("{sign}{magnitude}"), radix);
    if let Ok(number) = signed {
        return Some(number.into());
    }
    let unsigned = u64::from_str_radix(magnitude, radix).ok();
    unsigned.filter(|_| sign.is_empty()).map(Value::from)
}

/// A finite number of digits, a point and an exponent.
fn float(text: &str) -> Option<f64> {
    let is_part = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    let number: f64 = text.parse().ok().filter(|_| text.bytes().all(is_part))?;
    number.is_finite().then_some(number)
}

/// A number as Helm writes it in JSON: whole where it is.
fn json_number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is compared afterwards")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "for the comparison")]
    let is_whole = whole.unsigned_abs() < (1 << 53) && (whole as f64).to_bits() == number.to_bits();
    if is_whole {
        whole.into()
    } else {
        number.into()
    }
}

/// A key as text; `None` for what Helm takes for no key: null, whole numbers beyond 64 bits with a sign, lists and mappings.
fn key_text(key: &Resolved) -> Option<String> {
    match key {
        Resolved::Number(number) => Some(float_text(*number)),
        Resolved::Other(Value::String(text)) => Some(text.clone()),
        Resolved::Other(Value::Bool(value)) => Some(value.to_string()),
        Resolved::Other(Value::Number(number)) => number.as_i64().map(|number| number.to_string()),
        _ => None,
    }
}

/// A number in single precision, in the form that Go calls `%g`.
fn float_text(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Helm does the same")]
    let number = number as f32;
    let text = format!("{number:e}");
    let parts = text.split_once('e');
    let parts = parts.and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)));
    match parts {
        Some((digits, exponent)) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => number.to_string(),
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let mut mapping = Vec::new();
        while let Some(member) = members.next_entry()? {
            mapping.push(member);
        }
        Ok(Shape::Mapping(mapping))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Shape, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Shape::List(list))
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }
}

const CORE: &str = "tag:yaml.org,2002:";
/// What plain scalars are that are no numbers.
const KNOWN: &[(&[&str], Value)] = &[
    (
        &[
            "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
        ],
        Value::Bool(true),
    ),
    (
        &[
            "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
        ],
        Value::Bool(false),
    ),
    (&["", "~", "null", "Null", "NULL"], Value::Null),
];

#[cfg(test)]
mod tests {
    use super::super::parse_as_helm;

    /// As `helm` 3.17 has them.
    #[test]
    fn keys_are_those_of_helm() {
        for (written, expected) in [
            ("on", "true"),
            ("y", "true"),
            ("n", "false"),
            ("TRUE", "true"),
            ("1.10", "1.1"),
            ("0x10", "16"),
            ("0o17", "15"),
            ("017", "15"),
            ("0b11", "3"),
            ("089", "89"),
            ("1_000", "1000"),
            ("-5", "-5"),
            ("+7", "7"),
            ("-0x1F", "-31"),
            ("1.0", "1"),
            ("-0.0", "-0"),
            ("-.5", "-0.5"),
            ("1e3", "1000"),
            ("1e20", "1e+20"),
            ("1e-5", "1e-05"),
            ("0.0001", "0.0001"),
            ("123456789.123", "1.2345679e+08"),
            ("3.14159265358979", "3.1415927"),
            ("2020-01-01", "2020-01-01"),
            ("12:30", "12:30"),
            ("'on'", "on"),
            ("\"1.10\"", "1.10"),
            ("!!str 5", "5"),
        ] {
            let document = format!("{{a: [{{? {written} : x}}]}}");
            let value = parse_as_helm(document.as_bytes()).unwrap();
            let mut keys = value["a"][0].as_object().unwrap().keys();
            assert_eq!(keys.next().unwrap(), expected, "{written}");
        }
    }

    #[test]
    fn what_helm_takes_for_no_key_is_refused() {
        for written in ["null", "~", "18446744073709551615", "[a]"] {
            let document = format!("{{? {written} : x}}");
            let error = parse_as_helm(document.as_bytes()).unwrap_err();
            assert!(error.why.contains("put it into quotes"), "{error}");
        }
    }
}
