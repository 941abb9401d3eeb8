//! Integration tests of this crate, and of the workspace as a whole.

mod authority;
mod edges;
mod gate;
mod registry;
#[cfg(feature = "torture")]
mod torture;
mod wfm;
