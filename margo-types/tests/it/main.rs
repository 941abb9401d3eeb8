//! Behaviour of the crate, seen from outside.

mod eligibility;
mod endpoints;
mod identifiers;
mod negotiation;
mod problems;
mod trust;
mod values;
mod versions;
