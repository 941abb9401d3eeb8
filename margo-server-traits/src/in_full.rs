//! Errors as a person reads them where there is room for one text.

use std::error::Error;
use std::fmt::Write as _;

/// An error with its sources.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string does not fail.
        _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
