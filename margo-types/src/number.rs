//! Numbers of documents, compared exactly: never by rounding whole numbers to floating point.

use std::cmp::Ordering;

use serde_json::Number;

/// A number of a document. Equality and order are those of the mathematical values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Exactly {
    /// A whole number, also one that was written as `5.0`.
    Whole(i128),
    /// A number with a fraction, or one beyond the whole numbers.
    Float(f64),
}

impl Exactly {
    /// The value of a finite number; `None` for NaN.
    pub(crate) fn from_f64(number: f64) -> Option<Self> {
        if number.is_nan() {
            return None;
        }
        if number.fract() == 0.0 && number.abs() < BEYOND_WHOLE {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and within the range of i128"
            )]
            return Some(Self::Whole(number as i128));
        }
        Some(Self::Float(number))
    }

    pub(crate) fn from_number(number: &Number) -> Option<Self> {
        if let Some(whole) = number.as_u64() {
            return Some(Self::Whole(whole.into()));
        }
        if let Some(whole) = number.as_i64() {
            return Some(Self::Whole(whole.into()));
        }
        Self::from_f64(number.as_f64()?)
    }

    /// Reads a number in the notation of JSON, without blanks around it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::from_number(&parse_number(text)?)
    }
}

impl PartialOrd for Exactly {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(right)),
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(right),
            (Self::Whole(left), Self::Float(right)) => Some(whole_to_float(*left, *right)),
            (Self::Float(left), Self::Whole(right)) => {
                Some(whole_to_float(*right, *left).reverse())
            }
        }
    }
}

/// Reads a number in the notation of JSON, without blanks around it.
pub(crate) fn parse_number(text: &str) -> Option<Number> {
    let edges_ok = text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        && text.ends_with(|last: char| last.is_ascii_digit());
    edges_ok
        .then(|| serde_json::from_str::<Number>(text).ok())
        .flatten()
}

/// Compares a whole number with one that has a fraction or lies beyond all whole numbers.
fn whole_to_float(whole: i128, float: f64) -> Ordering {
    if float.abs() >= BEYOND_WHOLE {
        return if float > 0.0 {
            Ordering::Less
        } else {
            Ordering::Greater
        };
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "truncated on purpose, and within the range of i128"
    )]
    let truncated = float as i128;
    whole.cmp(&truncated).then(if float.fract() > 0.0 {
        Ordering::Less
    } else {
        Ordering::Greater
    })
}

/// 2^127.
const BEYOND_WHOLE: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_exactly_where_floating_point_would_round() {
        let number = |text| Exactly::parse(text).unwrap();
        assert_ne!(number("9007199254740993"), number("9007199254740992.0"));
        assert!(number("9007199254740993") > number("9007199254740992.0"));
        assert!(number("18446744073709551615") < number("18446744073709551616"));
        assert!(number("1e300") > number("18446744073709551615"));
        assert!(number("-1e300") < number("-9223372036854775808"));
        assert_eq!(number("5"), number("5.0"));
        assert!(number("5") < number("5.5") && number("-5") > number("-5.5"));
        assert!(number("6") > number("5.5") && number("-6") < number("-5.5"));
    }

    #[test]
    fn only_the_notation_of_json_is_a_number() {
        for text in [
            "", " 5", "5 ", "+5", "05", "5.", ".5", "inf", "NaN", "0x5", "5e999", "-",
        ] {
            assert!(Exactly::parse(text).is_none(), "{text}");
        }
    }
}
