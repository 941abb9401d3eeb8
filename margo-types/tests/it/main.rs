//! Behaviour of the crate, seen from outside.

mod eligibility;
mod values;
