//! Undoing content coding (RFC 9110 section 8.4) without being blown up by it.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::failure;
use crate::error::{Error, ErrorKind};

/// The body as it was before it was encoded, at most `limit` bytes.
pub(super) fn decode(codings: &[&str], sent: &Bytes, limit: usize) -> Result<Bytes, Undecodable> {
    let mut body = sent.clone();
    for coding in undone_in_order(codings) {
        body = match coding {
            Coding::Identity => body,
            Coding::Gzip => gunzip(&body, limit)?,
            Coding::Other(name) => return Err(Undecodable::Unknown(name)),
        };
    }
    Ok(body)
}

/// As much of an error's body as can be decoded; the body as it is when nothing can.
pub(super) fn decode_beginning(codings: &[&str], sent: &Bytes, limit: usize) -> Bytes {
    if undone_in_order(codings) != [Coding::Gzip] {
        return sent.clone();
    }
    let mut body = Vec::new();
    // It may be cut off: what was decoded until then counts.
    let _ = MultiGzDecoder::new(sent.as_ref())
        .take(limit as u64)
        .read_to_end(&mut body);
    if body.is_empty() {
        sent.clone()
    } else {
        body.into()
    }
}

/// Why a body cannot be decoded.
#[derive(Debug)]
pub(super) enum Undecodable {
    Unknown(String),
    TooLong(usize),
    Broken(std::io::Error),
}

impl Undecodable {
    pub(super) fn blaming(self, peer: &str) -> Error {
        match self {
            Self::Unknown(name) => super::misbehaved(
                peer,
                format!(
                    "encodes the body as {name:?}, which was not asked for; only gzip was offered"
                ),
            ),
            Self::TooLong(limit) => failure::too_long(peer, limit),
            Self::Broken(error) => {
                let message = format!("{peer} sends a body that is not the gzip it says it is");
                Error::new(ErrorKind::Misbehaved, message).because(error)
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Other(String),
}

/// The last coding that was applied is the first to be undone.
fn undone_in_order(codings: &[&str]) -> Vec<Coding> {
    let names = codings.iter().flat_map(|line| line.split(','));
    let mut codings: Vec<Coding> = names
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .map(|name| match name.as_str() {
            "identity" => Coding::Identity,
            "gzip" | "x-gzip" => Coding::Gzip,
            _ => Coding::Other(name),
        })
        .take(MAX_CODINGS)
        .collect();
    codings.reverse();
    codings
}

fn gunzip(bytes: &[u8], limit: usize) -> Result<Bytes, Undecodable> {
    // An empty body stays one, whatever its header says.
    if bytes.is_empty() {
        return Ok(Bytes::new());
    }
    let mut body = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(limit as u64 + 1)
        .read_to_end(&mut body)
        .map_err(Undecodable::Broken)?;
    if body.len() > limit {
        return Err(Undecodable::TooLong(limit));
    }
    Ok(body.into())
}

/// Nobody encodes twice in earnest; more would be an attack.
const MAX_CODINGS: usize = 3;
