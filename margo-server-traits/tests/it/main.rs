//! Behaviour of the crate, seen from outside.

mod deployments;
mod placement;
mod publish;
mod publish_properties;
mod store;
mod store_fleet;
mod store_recovery;
#[cfg(feature = "sqlite")]
mod store_sqlite;
