//! Behaviour of the crate, seen from outside.

mod bad_input;
mod corpus;
mod eligibility;
mod endpoints;
mod golden;
mod identifiers;
mod negotiation;
mod problems;
#[cfg(feature = "schema")]
mod schemas;
#[cfg(feature = "signature")]
mod signature;
mod strategies;
mod strategies_device;
#[cfg(feature = "svid")]
mod svid;
mod trust;
mod validation;
mod values;
mod versions;
mod wire_device;
mod wire_documents;
