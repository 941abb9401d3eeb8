//! Inputs in parts and lines: text where that is possible, so that seeds can be read and written by hand.

/// What stands between the parts of an input.
pub const SEPARATOR: &[u8] = b"\n%%\n";

/// The parts of an input; at least one.
pub fn parts(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(end) = find(bytes, SEPARATOR) {
        parts.push(&bytes[..end]);
        bytes = &bytes[end + SEPARATOR.len()..];
    }
    parts.push(bytes);
    parts
}

/// The first line as text, empty when it is none, and what follows it.
pub fn line(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let rest = rest.get(1..).unwrap_or_default();
    (std::str::from_utf8(line).unwrap_or_default(), rest)
}

/// The bytes with every occurrence of a text replaced: of the name of something that a seed cannot have, such as a digest.
///
/// # Panics
/// When the text is empty.
pub fn replaced(bytes: &[u8], text: &str, by: &[u8]) -> Vec<u8> {
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
