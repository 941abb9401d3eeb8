//! Behaviour of the crate, seen from outside.

mod eligibility;
mod endpoints;
mod identifiers;
mod negotiation;
mod problems;
mod strategies;
mod strategies_device;
mod trust;
mod validation;
mod values;
mod versions;
mod wire_device;
mod wire_documents;
