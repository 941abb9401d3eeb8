//! Memory and storage as the pre-draft counts them (rc1-and-pre-draft.md section 16).
//!
//! The table says whole GB, the example writes texts with a unit; both are read. A GB is 10^9 bytes:
//! `64.0 GB` and `2000 GB` of the example became `59 Gi` and `1862 Gi` in rc.1, which is what they are when
//! rounded down, and a device must never seem to offer more than it has.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::Quantity;

/// An amount that is written as a whole number of 10^9 bytes.
///
/// The model counts kibibytes, so an amount is rounded down to the next one when it is read. The way back finds
/// the same number of GB; an amount that is no whole number of them cannot be written.
#[derive(Debug)]
pub(super) struct Gigabytes(pub(super) Quantity);

impl Gigabytes {
    const BYTES: u64 = 1_000_000_000;

    /// The amount to write, or why it cannot be written.
    pub(super) fn of(amount: Quantity) -> Result<Self, &'static str> {
        let gigabytes = Self(amount);
        if gigabytes.number().is_some() {
            return Ok(gigabytes);
        }
        Err("it counts whole GB of 10^9 bytes; report Quantity::from_bytes of a multiple")
    }

    /// How many there are, if a whole number of them is this amount when rounded down to kibibytes.
    fn number(&self) -> Option<u64> {
        let number = self.0.bytes().div_ceil(Self::BYTES.into());
        let number = u64::try_from(number).ok()?;
        let bytes = number.checked_mul(Self::BYTES)?;
        (Quantity::from_bytes(bytes) == self.0).then_some(number)
    }

    /// Reads an amount in decimal units, such as `64.0 GB` or `512MB`.
    fn parse(text: &str) -> Option<Quantity> {
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let zeros = match &text[number.len()..] {
            "kB" | "KB" => 3,
            "MB" => 6,
            "GB" => 9,
            "TB" => 12,
            _ => return None,
        };
        let number = number.strip_suffix(' ').unwrap_or(number);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let fraction = fraction.trim_end_matches('0');
        let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > zeros {
            return None;
        }
        let bytes = format!("{whole}{fraction:0<zeros$}").parse().ok()?;
        Some(Quantity::from_bytes(bytes))
    }
}

impl Serialize for Gigabytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.number() {
            Some(number) => serializer.serialize_u64(number),
            None => Err(serde::ser::Error::custom("no whole number of GB")),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Gigabytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Gigabytes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let binary = generator.subschema_for::<crate::schema::LooseQuantity>();
        schemars::json_schema!({
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": u64::MAX / Self::BYTES },
                { "type": "string", "pattern": r"^[0-9]+(\.[0-9]*)? ?(kB|KB|MB|GB|TB)$" },
                binary,
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Gigabytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;

        impl Visitor<'_> for AmountVisitor {
            type Value = Gigabytes;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a number of GB, or a text such as \"64 GB\" or \"64Gi\"")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Gigabytes, E> {
                self.visit_str(&format!("{number}GB"))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Gigabytes, E> {
                self.visit_str(&format!("{number}GB"))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Gigabytes, E> {
                Gigabytes::parse(text)
                    .or_else(|| Quantity::parse(text).ok())
                    .map(Gigabytes)
                    .ok_or_else(|| {
                        let found = serde::de::Unexpected::Str(text);
                        E::invalid_value(found, &self)
                    })
            }
        }

        deserializer.deserialize_any(AmountVisitor)
    }
}
