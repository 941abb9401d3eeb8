//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.

mod archives;
#[cfg(feature = "oci")]
mod registry;

use margo_conformance::corpus::Target;

pub use self::archives::{archive, bundle, chart, compose};
#[cfg(feature = "oci")]
pub use self::registry::registry;

/// The names of the targets, each a function of this crate and a folder of the corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("archive", archive),
    ("bundle", bundle),
    ("chart", chart),
    ("compose", compose),
    #[cfg(feature = "oci")]
    ("registry", registry),
];
