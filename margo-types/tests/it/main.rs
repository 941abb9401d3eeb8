//! Behaviour of the crate, seen from outside.

mod bad_input;
mod corpus;
mod golden;
#[cfg(feature = "schema")]
mod schemas;
