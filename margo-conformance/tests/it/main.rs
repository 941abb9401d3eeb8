//! Integration tests of margo-conformance, and of all crates together.

mod authority;
mod corpus;
mod edges;
mod end_to_end;
mod gate;
mod interop;
mod kubernetes;
mod load;
mod log;
mod program;
mod registry;
#[cfg(feature = "torture")]
mod torture;
mod wfm;
