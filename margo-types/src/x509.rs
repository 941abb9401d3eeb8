//! What certificates of every generation are asked.

use jiff::Timestamp;

/// The length of an unsigned number, leading zeros left out.
pub(crate) fn bits(number: &[u8]) -> usize {
    let digits = number.iter().skip_while(|digit| **digit == 0);
    let Some(first) = digits.clone().next() else {
        return 0;
    };
    digits.count() * 8 - first.leading_zeros() as usize
}

/// Certificates may end at 9999-12-31T23:59:59Z for "never", which is a little later than timestamps go.
pub(crate) fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
