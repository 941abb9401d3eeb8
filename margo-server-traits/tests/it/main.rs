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
mod deployments;
mod placement;
mod publish;
mod publish_properties;
mod store;
mod store_fleet;
mod store_recovery;
#[cfg(feature = "sqlite")]
mod store_sqlite;
