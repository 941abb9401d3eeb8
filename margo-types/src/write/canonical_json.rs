//! The JSON Canonicalization Scheme (RFC 8785), except that integers beyond 2^53 stay exact.
//!
//! RFC 8785 writes every number as an ECMAScript double. A manifest version is a 64-bit counter, so whole
//! numbers are written with all their digits here; below 2^53 both are the same. For the same reason a float
//! too large for 64 bits keeps its exponent: `1e20`, which RFC 8785 writes as a whole number that no reader
//! could tell from an exact one.

use serde::Serialize;
use serde_json::Value;

/// A value as canonical JSON.
pub(super) fn to_string<T: Serialize>(value: &T) -> Result<String, String> {
    let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
    let mut text = String::new();
    write_value(&value, &mut text)?;
    Ok(text)
}

fn write_value(value: &Value, text: &mut String) -> Result<(), String> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => write_number(number, text)?,
        Value::String(value) => write_text(value, text)?,
        Value::Array(elements) => {
            text.push('[');
            for (position, element) in elements.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_value(element, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (position, (key, value)) in members.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_text(key, text)?;
                text.push(':');
                write_value(value, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn write_number(number: &serde_json::Number, text: &mut String) -> Result<(), String> {
    if number.is_f64() {
        let float = number
            .as_f64()
            .filter(|float| float.is_finite())
            .ok_or("a number is not finite")?;
        if float.abs() >= TWO_TO_63 {
            text.push_str(&serde_json::json!(float).to_string());
        } else {
            text.push_str(ryu_js::Buffer::new().format_finite(float));
        }
    } else {
        text.push_str(&number.to_string());
    }
    Ok(())
}

/// `serde_json` escapes exactly what RFC 8785 section 3.2.2.2 wants escaped, in the same way.
fn write_text(value: &str, text: &mut String) -> Result<(), String> {
    text.push_str(&serde_json::to_string(value).map_err(|error| error.to_string())?);
    Ok(())
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
