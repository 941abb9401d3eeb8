//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.
//!
//! Inputs are text, so that seeds can be read and written by hand. Everything is reached as a program would: through files and
//! sockets.

mod answers;
mod files;
mod journal;
mod library;
mod place;
mod requests;

use margo_conformance::corpus::Target;

pub use self::answers::answers;
pub use self::files::{configuration, marker};
pub use self::journal::journal;
pub use self::library::library;
pub use self::requests::requests;

/// The names of the targets, each a function of this crate and a folder of the corpus.
pub const TARGETS: [(&str, Target); 6] = [
    ("answers", answers),
    ("configuration", configuration),
    ("journal", journal),
    ("library", library),
    ("marker", marker),
    ("requests", requests),
];
