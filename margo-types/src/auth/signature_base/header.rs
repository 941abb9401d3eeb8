//! Headers as components, RFC 9421, section 2.1.

use sfv::{Dictionary, FieldType, List, Parser};

use super::{
    super::{
        component::{ComponentParameter, CoveredComponent},
        field::byte_sequence,
    },
    SignatureBaseError as Error,
};

/// The value of a header, or of a part of it.
pub(super) fn value<'h>(
    headers: impl Fn(&str) -> Vec<&'h [u8]>,
    component: &CoveredComponent,
) -> Result<String, Error> {
    use ComponentParameter::{ByteSequence, Key, StructuredField};

    let name = component.name().to_ascii_lowercase();
    let lines = lines(headers(&name), component)?;
    match component.parameters() {
        [] => combined(&lines, component),
        [ByteSequence] => Ok(wrapped(&lines)),
        [StructuredField] if DICTIONARIES.contains(&name.as_str()) => {
            let dictionary = parse_dictionary(&lines, component)?;
            Ok(dictionary.serialize().unwrap_or_default())
        }
        [Key(key)] | [StructuredField, Key(key)] | [Key(key), StructuredField] => {
            member(&parse_dictionary(&lines, component)?, key, component)
        }
        _ => Err(Error::unsupported(component)),
    }
}

/// The lines of a header that exists, without the space around them.
fn lines<'h>(lines: Vec<&'h [u8]>, component: &CoveredComponent) -> Result<Vec<&'h [u8]>, Error> {
    if lines.is_empty() {
        return Err(Error::missing(component));
    }
    let is_line_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if lines.iter().copied().flatten().any(is_line_break) {
        return Err(Error::value(component, "send it without line breaks"));
    }
    Ok(lines.into_iter().map(<[u8]>::trim_ascii).collect())
}

fn combined(lines: &[&[u8]], component: &CoveredComponent) -> Result<String, Error> {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    match String::from_utf8(lines.join(&b", "[..])) {
        Ok(text) if text.as_bytes().iter().all(is_text) => Ok(text),
        _ => Err(Error::value(
            component,
            "send printable ASCII or cover it with ;bs",
        )),
    }
}

fn wrapped(lines: &[&[u8]]) -> String {
    let wrapped: Vec<String> = lines.iter().map(|line| byte_sequence(line)).collect();
    wrapped.join(", ")
}

fn parse_dictionary(lines: &[&[u8]], component: &CoveredComponent) -> Result<Dictionary, Error> {
    Parser::new(&combined(lines, component)?)
        .parse()
        .map_err(|_| {
            Error::value(
                component,
                "send a well-formed dictionary of structured fields",
            )
        })
}

fn member(
    dictionary: &Dictionary,
    key: &str,
    component: &CoveredComponent,
) -> Result<String, Error> {
    let member = dictionary
        .get(key)
        .ok_or_else(|| Error::missing(component))?;
    Ok(List::from([member.clone()]).serialize().unwrap_or_default())
}

/// Headers known to be dictionaries. Strict serialisation needs the type, and no other header that
/// Margo uses is a structured field.
const DICTIONARIES: [&str; 6] = [
    "content-digest",
    "repr-digest",
    "signature",
    "signature-input",
    "want-content-digest",
    "want-repr-digest",
];
