//! Behaviour of the crate, seen from outside.

mod instantiate;
mod lint;
mod package;
