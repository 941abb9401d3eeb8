//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.
//!
//! Inputs are text where that is possible, so that seeds can be read and written by hand. Several parts are separated by
//! [`SEPARATOR`](margo_conformance::corpus::input::SEPARATOR).

mod certificate;
mod connection;
mod database;
mod identity;
mod plant;
mod proxy;
mod requests;

use margo_conformance::corpus::Target;

pub use self::certificate::certificate;
pub use self::connection::connection;
pub use self::database::database;
pub use self::identity::identity;
pub use self::proxy::proxy;
pub use self::requests::requests;

/// The names of the targets, each a function of this crate and a folder of the corpus.
pub const TARGETS: [(&str, Target); 6] = [
    ("certificate", certificate),
    ("connection", connection),
    ("database", database),
    ("identity", identity),
    ("proxy", proxy),
    ("requests", requests),
];
