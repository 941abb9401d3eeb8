//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.

mod archives;
mod bundle;
mod chart;
mod check;
mod compose;
mod inputs;
#[cfg(feature = "oci")]
mod registry;

use margo_conformance::corpus::Target;

pub use self::archives::{archive, extract};
pub use self::bundle::bundle;
pub use self::chart::chart;
pub use self::compose::compose;
#[cfg(feature = "oci")]
pub use self::registry::registry;

/// The names of the targets, each a function of this crate and a folder of the corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("archive", archive),
    ("bundle", bundle),
    ("chart", chart),
    ("compose", compose),
    ("extract", extract),
    #[cfg(feature = "oci")]
    ("registry", registry),
];
