//! Behaviour of the crate, seen from outside.

mod endpoints;
mod identifiers;
mod negotiation;
mod problems;
mod trust;
mod versions;
