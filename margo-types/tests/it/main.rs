//! Behaviour of the crate, seen from outside.

mod bad_input;
