//! Behaviour of the crate, seen from outside.

mod callers;
mod capabilities;
mod content;
mod exchange;
mod fake_fleet;
mod manifest;
mod properties;
mod proxy;
mod refusals;
mod status;
mod trust_endpoints;
#[cfg(feature = "server")]
mod server;
