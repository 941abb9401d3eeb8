//! What the three authentication headers share: they are dictionaries of RFC 8941 (structured fields),
//! bounded in size, and refused rather than guessed at when ambiguous.

use std::{fmt, str};

use sfv::{BareItem, FieldType, Item, KeyRef, Parser, Version};
use thiserror::Error;

/// Bounds on what is read from a peer; the defaults are far above any real signed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldLimits {
    /// Size of one header in bytes, 8192 by default.
    pub bytes: usize,
    /// Labels of `Signature-Input` and `Signature`, algorithms of `Content-Digest`; 8 by default.
    pub members: usize,
    /// Components covered by one signature, 32 by default.
    pub components: usize,
}

impl Default for FieldLimits {
    fn default() -> Self {
        Self {
            bytes: 8 * 1024,
            members: 8,
            components: 32,
        }
    }
}

impl FieldLimits {
    pub(super) fn check_size(&self, field: &'static str, size: usize) -> Result<(), FieldError> {
        if size <= self.bytes {
            return Ok(());
        }
        Err(FieldError::TooLong {
            field,
            size,
            limit: self.bytes,
        })
    }
}

/// Why an authentication header cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The header is larger than [`FieldLimits::bytes`].
    #[error("{field} has {size} bytes where {limit} are allowed; send less or raise the limit")]
    TooLong {
        /// Name of the header.
        field: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The bound in bytes.
        limit: usize,
    },
    /// There are more members or components than [`FieldLimits`] allows.
    #[error("{field} has more than {limit} {what}; send fewer or raise the limit")]
    TooMany {
        /// Name of the header.
        field: &'static str,
        /// What there is too much of: `members` or `components`.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The header is not a dictionary of structured fields.
    #[error("{field} is not a well-formed dictionary, {reason}; see RFC 8941, section 3.2")]
    Syntax {
        /// Name of the header.
        field: &'static str,
        /// What the parser stumbled over.
        reason: String,
    },
    /// A label, an algorithm or a covered component occurs twice, so that two readers could disagree.
    #[error("{field} names {member} twice; name it once")]
    Duplicate {
        /// Name of the header.
        field: &'static str,
        /// The repeated name.
        member: String,
    },
    /// A value has the wrong type or is out of range.
    #[error("{field} has a wrong value for {member}; it must be {expected}")]
    Value {
        /// Name of the header.
        field: &'static str,
        /// The label, algorithm, component or parameter concerned.
        member: String,
        /// What a right value looks like.
        expected: &'static str,
    },
}

/// Splits a header into its members `name=value`, keeping the received text of every value.
///
/// A dictionary parser would keep the last of two equal names and forget how values were written;
/// signatures need the first refused and the second kept.
pub(super) fn members<'a>(
    field: &'static str,
    header: &'a [u8],
    limits: &FieldLimits,
) -> Result<Vec<(&'a str, &'a str)>, FieldError> {
    limits.check_size(field, header.len())?;
    let text = ascii(field, header)?;

    let mut members: Vec<(&str, &str)> = Vec::new();
    for member in split_at_commas(text) {
        let (name, value) = name_and_value(field, member)?;
        if members.iter().any(|(known, _)| *known == name) {
            return Err(FieldError::Duplicate {
                field,
                member: name.to_owned(),
            });
        }
        if members.len() == limits.members {
            return Err(FieldError::TooMany {
                field,
                what: "members",
                limit: limits.members,
            });
        }
        members.push((name, value));
    }
    Ok(members)
}

/// Parses one value of a dictionary. Dates and display strings came with RFC 9651, after RFC 9421.
pub(super) fn parse<T: FieldType>(field: &'static str, value: &str) -> Result<T, FieldError> {
    Parser::new(value)
        .with_version(Version::Rfc8941)
        .parse()
        .map_err(|error| syntax(field, error))
}

/// Reads the value of `member` as a byte sequence; parameters are ignored.
pub(super) fn parse_bytes(
    field: &'static str,
    member: &str,
    value: &str,
) -> Result<Vec<u8>, FieldError> {
    match parse::<Item>(field, value)?.bare_item {
        BareItem::ByteSequence(bytes) => Ok(bytes),
        _ => Err(FieldError::Value {
            field,
            member: member.to_owned(),
            expected: "a byte sequence (:base64:)",
        }),
    }
}

/// Checks that `name` can be the name of a member.
pub(super) fn check_name(field: &'static str, name: &str) -> Result<(), FieldError> {
    match KeyRef::from_str(name) {
        Ok(_) => Ok(()),
        Err(error) => Err(syntax(field, error)),
    }
}

pub(super) fn syntax(field: &'static str, reason: impl fmt::Display) -> FieldError {
    FieldError::Syntax {
        field,
        reason: reason.to_string(),
    }
}

/// Writes `bytes` as a structured-field byte sequence.
pub(super) fn byte_sequence(bytes: &[u8]) -> String {
    sfv::ItemSerializer::new().bare_item(bytes).finish()
}

/// Writes `text` as a structured-field string, quotes included.
///
/// Text outside printable ASCII has no such form; whatever is built passes through the parser, which
/// refuses it.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', r#"\""#);
    format!("\"{escaped}\"")
}

fn ascii<'a>(field: &'static str, header: &'a [u8]) -> Result<&'a str, FieldError> {
    match str::from_utf8(header) {
        Ok(text) if text.is_ascii() => Ok(text),
        _ => Err(syntax(field, "it holds a byte outside ASCII")),
    }
}

/// The text between top-level commas. Inside a member a comma can only stand in a quoted string.
fn split_at_commas(text: &str) -> impl Iterator<Item = &str> {
    let mut in_string = false;
    let mut escaped = false;
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        c == ',' && !in_string
    })
}

fn name_and_value<'a>(
    field: &'static str,
    member: &'a str,
) -> Result<(&'a str, &'a str), FieldError> {
    let (name, value) = member
        .trim_matches([' ', '\t'])
        .split_once('=')
        .ok_or_else(|| syntax(field, "a member has no value"))?;
    check_name(field, name)?;
    if value.starts_with(' ') {
        return Err(syntax(field, "a space follows the equals sign"));
    }
    Ok((name, value))
}
