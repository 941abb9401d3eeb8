//! YAML values as Helm has them: the keys of mappings are resolved as values are, and then written as text.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A value whose keys are `true` for `on`, `1.1` for `1.10` and `16` for `0x10`.
pub(super) struct HelmValue(pub(super) Value);

impl<'de> Deserialize<'de> for HelmValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HelmVisitor).map(Self)
    }
}

struct HelmVisitor;

impl<'de> Visitor<'de> for HelmVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut mapping = Map::new();
        while let Some(HelmValue(key)) = members.next_key()? {
            let Some(key) = key_text(&key) else {
                let message = format!("{key} is no key for Helm; put it into quotes");
                return Err(A::Error::custom(message));
            };
            let HelmValue(value) = members.next_value()?;
            mapping.insert(key, value);
        }
        Ok(Value::Object(mapping))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(HelmValue(element)) = elements.next_element()? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
}

/// A key as text; `None` for what Helm takes for no key: null, whole numbers beyond 64 bits with a sign, lists and mappings.
fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) if number.is_f64() => number.as_f64().map(float_text),
        Value::Number(number) => number.as_i64().map(|number| number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
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
