//! Behaviour of the crate, seen from outside.

mod callers;
mod capabilities;
mod content;
#[cfg(all(feature = "server", feature = "sqlite"))]
mod corpus;
mod deployments;
mod exchange;
mod fake_fleet;
mod generations;
#[cfg(feature = "server")]
mod log;
mod manifest;
mod over_store;
mod placement;
mod properties;
mod proxy;
mod publish;
mod publish_properties;
mod refusals;
#[cfg(feature = "server")]
mod server;
mod signed;
mod status;
mod store;
#[cfg(feature = "sqlite")]
mod store_damage;
mod store_fleet;
mod store_recovery;
#[cfg(feature = "sqlite")]
mod store_sqlite;
mod trust_endpoints;
