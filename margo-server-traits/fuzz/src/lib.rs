//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.
//!
//! Inputs are text where that is possible, so that seeds can be read and written by hand. Several parts are separated by
//! [`SEPARATOR`].

mod connection;
mod database;
mod identity;
mod input;
mod plant;
mod proxy;
mod requests;

pub use self::connection::connection;
pub use self::database::database;
pub use self::identity::identity;
pub use self::proxy::proxy;
pub use self::requests::requests;

/// Does everything there is to do with some bytes, and panics when something is wrong.
pub type Target = fn(&[u8]);

/// The names of the targets, each a function of this crate and a folder of the corpus.
pub const TARGETS: [(&str, Target); 5] = [
    ("connection", connection),
    ("database", database),
    ("identity", identity),
    ("proxy", proxy),
    ("requests", requests),
];

/// What stands between the parts of an input.
pub const SEPARATOR: &[u8] = b"\n%%\n";
