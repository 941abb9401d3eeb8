//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.
//!
//! Inputs are text where that is possible, so that seeds can be read and written by hand. Several parts are separated by
//! [`SEPARATOR`](margo_conformance::corpus::input::SEPARATOR).

mod answers;
mod server;

use margo_conformance::corpus::Target;

pub use self::answers::answers;

/// The names of the targets, each a function of this crate and a folder of the corpus.
pub const TARGETS: [(&str, Target); 1] = [("answers", answers)];
