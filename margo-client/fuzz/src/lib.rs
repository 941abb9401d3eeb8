//! What every fuzz target does with its bytes; also replayed over the committed corpus by `tests/it/corpus.rs`.
//!
//! Inputs are text where that is possible, so that seeds can be read and written by hand. Several parts are separated by
//! [`SEPARATOR`](margo_conformance::corpus::input::SEPARATOR).

mod answers;
mod enrolment;
mod identity;
mod rows;
mod schedule;
mod server;
mod state;
mod sync;
mod trust;

use margo_conformance::corpus::Target;

pub use self::answers::answers;
pub use self::enrolment::enrolment;
pub use self::identity::identity;
pub use self::rows::rows;
pub use self::schedule::schedule;
pub use self::state::state;
pub use self::sync::sync;
pub use self::trust::{bundle, trust};

/// The names of the targets, each a function of this crate and a folder of the corpus.
pub const TARGETS: [(&str, Target); 9] = [
    ("answers", answers),
    ("bundle", bundle),
    ("enrolment", enrolment),
    ("identity", identity),
    ("rows", rows),
    ("schedule", schedule),
    ("state", state),
    ("sync", sync),
    ("trust", trust),
];
