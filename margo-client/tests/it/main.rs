//! Integration tests of this crate.

mod agent;
