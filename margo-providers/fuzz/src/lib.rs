//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.
//!
//! Inputs are text where that is possible, so that seeds can be read and written by hand. Several parts are separated by
//! [`SEPARATOR`].

mod cluster;
mod deployment;
mod device;
mod engine;
mod files;
mod input;
mod outcome;
mod server;

pub use self::cluster::cluster;
pub use self::engine::engine;
pub use self::files::files;

/// Does everything there is to do with some bytes, and panics when something is wrong.
pub type Target = fn(&[u8]);

/// The names of the targets, each a function of this crate and a folder of the corpus.
pub const TARGETS: [(&str, Target); 3] =
    [("cluster", cluster), ("engine", engine), ("files", files)];

/// What stands between the parts of an input.
pub const SEPARATOR: &[u8] = b"\n%%\n";
