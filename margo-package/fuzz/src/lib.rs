//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.

mod answers;
mod archives;
mod bundle;
mod chart;
mod check;
mod compose;
#[cfg(feature = "oci")]
mod docker_config;
mod inputs;
#[cfg(feature = "oci")]
mod layouts;
#[cfg(feature = "oci")]
mod registry;
#[cfg(feature = "oci")]
mod signature;
#[cfg(feature = "oci")]
mod stores;

use margo_conformance::corpus::Target;

pub use self::answers::answers;
pub use self::archives::{archive, extract};
pub use self::bundle::bundle;
pub use self::chart::chart;
pub use self::compose::compose;
#[cfg(feature = "oci")]
pub use self::docker_config::docker_config;
#[cfg(feature = "oci")]
pub use self::layouts::{index, layout};
#[cfg(feature = "oci")]
pub use self::registry::registry;
#[cfg(feature = "oci")]
pub use self::signature::signature;

/// The names of the targets, each a function of this crate and a folder of the corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("answers", answers),
    ("archive", archive),
    ("bundle", bundle),
    ("chart", chart),
    ("compose", compose),
    #[cfg(feature = "oci")]
    ("docker_config", docker_config),
    ("extract", extract),
    #[cfg(feature = "oci")]
    ("index", index),
    #[cfg(feature = "oci")]
    ("layout", layout),
    #[cfg(feature = "oci")]
    ("registry", registry),
    #[cfg(feature = "oci")]
    ("signature", signature),
];
