//! Content digests (rc3.md section 3.3; rc1-and-pre-draft.md section 7.2).

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::text::{InvalidText, text_newtype};

/// The SHA-256 digest of exact bytes, written `sha256:` and 64 lower-case hexadecimal digits.
///
/// `sha256` is the only algorithm the specification requires; a digest of any other algorithm makes a
/// manifest invalid, so it is refused when read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes, as they are: no decoding, no normalisation.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest from its 32 raw bytes, for example of a hasher that ran over a stream.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads `sha256:<64 lower-case hexadecimal digits>`.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let invalid = |why: &str| {
            let fix = "write sha256: and the 64 lower-case hexadecimal digits of the SHA-256 of the exact bytes";
            InvalidText::new(text, "a digest", why, fix)
        };
        let (algorithm, encoded) = text
            .split_once(':')
            .ok_or_else(|| invalid("the algorithm is missing"))?;
        if algorithm != "sha256" {
            return Err(invalid("the algorithm is not sha256"));
        }
        if encoded.len() != 64 {
            return Err(invalid("there are not exactly 64 digits"));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(encoded.as_bytes().chunks_exact(2)) {
            let (Some(high), Some(low)) = (lower_hex(pair[0]), lower_hex(pair[1])) else {
                return Err(invalid("a digit is not lower-case hexadecimal"));
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }

    /// The 32 raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 lower-case hexadecimal digits, without the algorithm.
    pub fn to_hex(self) -> String {
        self.to_string().split_off("sha256:".len())
    }

    /// The strong entity tag of a resource with this digest: the quoted digest.
    pub fn to_etag(self) -> String {
        format!("\"{self}\"")
    }
}

text_newtype!(
    Digest,
    pattern: "^sha256:[0-9a-f]{64}$",
    example: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
);

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = *b"sha256:................................................................";
        for (pair, byte) in text[7..].chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        formatter.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

const fn lower_hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
