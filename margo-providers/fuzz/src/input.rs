//! Inputs in parts and lines.

use super::SEPARATOR;

/// The parts of an input.
pub(super) fn parts(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(end) = find(bytes, SEPARATOR) {
        parts.push(&bytes[..end]);
        bytes = &bytes[end + SEPARATOR.len()..];
    }
    parts.push(bytes);
    parts
}

/// The first line as text, and what follows it.
pub(super) fn line(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let rest = rest.get(1..).unwrap_or_default();
    (std::str::from_utf8(line).unwrap_or_default(), rest)
}

/// The bytes with every occurrence of a text replaced.
pub(super) fn replaced(bytes: &[u8], text: &str, by: &[u8]) -> Vec<u8> {
    let (mut rest, mut replaced) = (bytes, Vec::with_capacity(bytes.len()));
    while let Some(at) = find(rest, text.as_bytes()) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(by);
        rest = &rest[at + text.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
