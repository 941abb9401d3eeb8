//! YAML of authors into JSON values: the only file of this crate that names a YAML crate.
//!
//! The documents of the specification are read by `margo-types`. Compose files and charts are other people's formats:
//! they use anchors and merge keys, so they are read here, within a budget that aliases cannot exceed.

use margo_types::Location;
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Options};

/// The longest file, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// Why a file is not read: in the words of the parser, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}{}", .location.map(|location| format!(" ({location})")).unwrap_or_default())]
#[non_exhaustive]
pub struct YamlError {
    /// What is wrong.
    pub why: String,
    /// Where, if known.
    pub location: Option<Location>,
}

/// Reads one YAML document: at most [`MAX_BYTES`], 64 levels, 50,000 values and 100 anchors and aliases.
///
/// Repeated keys are refused; anchors, aliases and merge keys are applied. Tags such as `!reset` of Compose are dropped:
/// nothing is ever written back, and the value behind the tag is still looked at. `yes` and `on` are text.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, YamlError> {
    let error = |why: String, location| YamlError { why, location };
    if bytes.len() > MAX_BYTES {
        return Err(too_long());
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| error("it is not UTF-8; save it as UTF-8".to_owned(), None))?;
    serde_saphyr::from_str_with_options(text, options()).map_err(|failure| {
        let location = failure.location().map(|at| Location {
            line: usize::try_from(at.line()).unwrap_or(usize::MAX),
            column: usize::try_from(at.column()).unwrap_or(usize::MAX),
        });
        error(failure.without_snippet().to_string(), location)
    })
}

/// The error for a file longer than [`MAX_BYTES`].
pub(crate) fn too_long() -> YamlError {
    YamlError {
        why: format!("it is longer than {MAX_BYTES} bytes; shorten it"),
        location: None,
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_nodes: 50_000,
            max_aliases: 100,
            max_anchors: 100,
            max_total_scalar_bytes: 4 << 20,
            max_documents: 1,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Merge,
        strict_booleans: true,
        with_snippet: false,
    }
}
