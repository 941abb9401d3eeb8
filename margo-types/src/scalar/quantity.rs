//! Amounts of memory and storage in binary units (rc3.md sections 1.5 and 4).

use std::cmp::Ordering;
use std::fmt;

use crate::text::{InvalidText, text_newtype};

/// An amount of memory or storage: a whole number and `Ki`, `Mi`, `Gi`, `Ti`, `Pi` or `Ei`.
///
/// Requirements are written without a blank (`1024Mi`), capabilities also with one (`59 Gi`, rc3.md
/// ambiguity 13), and capabilities may carry a decimal fraction, for which they set no pattern. All of them
/// are read; writing never leaves a blank, and keeps the unit unless a fraction needs a smaller one.
/// Equality and order compare bytes, so `1Gi` equals `1024Mi`.
#[derive(Clone, Debug)]
pub struct Quantity {
    number: u64,
    unit: Unit,
    conformant: bool,
}

impl Quantity {
    /// So many bytes, rounded down to whole kibibytes, in the largest unit that needs no fraction.
    pub const fn from_bytes(bytes: u64) -> Self {
        let mut number = bytes / 1024;
        let mut unit = 0;
        while unit + 1 < Unit::ALL.len() && number != 0 && number.is_multiple_of(1024) {
            number /= 1024;
            unit += 1;
        }
        Self {
            number,
            unit: Unit::ALL[unit],
            conformant: true,
        }
    }

    /// Reads a quantity.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let invalid = |why: &str| {
            InvalidText::new(
                text,
                "a quantity",
                why,
                "write a whole number and Ki, Mi, Gi, Ti, Pi or Ei, such as 512Mi",
            )
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, rest) = text.split_at(digits);
        if whole.is_empty() {
            return Err(invalid("it does not start with a number"));
        }
        let whole: u64 = whole
            .parse()
            .map_err(|_| invalid("the number is too large"))?;
        let (fraction, rest) = match rest.strip_prefix('.') {
            None => ("", rest),
            Some(tail) => tail.split_at(tail.bytes().take_while(u8::is_ascii_digit).count()),
        };
        if fraction.len() > 18 {
            return Err(invalid("the fraction has more than 18 digits"));
        }
        let suffix = rest.strip_prefix(' ').unwrap_or(rest);
        let unit = Unit::ALL.into_iter().find(|unit| unit.suffix() == suffix);
        let unit = unit.ok_or_else(|| invalid("the unit is not Ki, Mi, Gi, Ti, Pi or Ei"))?;
        if u128::from(whole) * unit.bytes() > MAX_BYTES {
            return Err(invalid("it is larger than 2^80 bytes"));
        }
        if fraction.bytes().all(|digit| digit == b'0') {
            let conformant = rest.len() == suffix.len() && fraction.is_empty();
            return Ok(Self {
                number: whole,
                unit,
                conformant,
            });
        }
        let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX).min(18));
        let part: u128 = fraction
            .parse()
            .map_err(|_| invalid("the fraction is not a number"))?;
        let bytes = u128::from(whole) * unit.bytes() + part * (unit.bytes() / 1024) / scale * 1024;
        let bytes = u64::try_from(bytes)
            .map_err(|_| invalid("a fraction of more than 2^64 bytes is not supported"))?;
        Ok(Self {
            conformant: false,
            ..Self::from_bytes(bytes)
        })
    }

    /// The amount in bytes.
    pub const fn bytes(&self) -> u128 {
        self.number as u128 * self.unit.bytes()
    }

    /// Whether it was written as requirements must be: a whole number, no blank.
    pub const fn is_conformant(&self) -> bool {
        self.conformant
    }

    /// The unit's suffix, such as `Gi`.
    pub const fn unit(&self) -> &'static str {
        self.unit.suffix()
    }
}

text_newtype!(Quantity, pattern: "^[0-9]+(Ki|Mi|Gi|Ti|Pi|Ei)$", example: "512Mi");

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}{}", self.number, self.unit.suffix())
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(&other.bytes())
    }
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    Ki,
    Mi,
    Gi,
    Ti,
    Pi,
    Ei,
}

impl Unit {
    const ALL: [Self; 6] = [Self::Ki, Self::Mi, Self::Gi, Self::Ti, Self::Pi, Self::Ei];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Ki => "Ki",
            Self::Mi => "Mi",
            Self::Gi => "Gi",
            Self::Ti => "Ti",
            Self::Pi => "Pi",
            Self::Ei => "Ei",
        }
    }

    const fn bytes(self) -> u128 {
        1 << (10 * (self as u32 + 1))
    }
}

const MAX_BYTES: u128 = 1 << 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_spelling_is_read_and_one_is_written() {
        for (text, written, conformant) in [
            ("59 Gi", "59Gi", false),
            ("1024Mi", "1024Mi", true),
            ("0Ki", "0Ki", true),
            ("7.5Gi", "7680Mi", false),
            ("2.0 Ti", "2Ti", false),
            ("3Ei", "3Ei", true),
        ] {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!(
                (quantity.to_string().as_str(), quantity.is_conformant()),
                (written, conformant),
                "{text}"
            );
        }
        for text in [
            "",
            "Gi",
            "5",
            "5GB",
            "5gi",
            "-5Gi",
            "5  Gi",
            "5.Xi",
            " 5Gi",
            "5Gi ",
            "99999999999999999999Ki",
            "18446744073709551615Ei",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quantities_compare_by_bytes() {
        assert_eq!(
            Quantity::parse("1Gi").unwrap(),
            Quantity::parse("1024Mi").unwrap()
        );
        assert!(Quantity::parse("1025Mi").unwrap() > Quantity::parse("1 Gi").unwrap());
        assert_eq!(Quantity::from_bytes(8 << 30).to_string(), "8Gi");
        assert_eq!(Quantity::from_bytes(1536 << 20).to_string(), "1536Mi");
    }
}
