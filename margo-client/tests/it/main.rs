//! Integration tests of this crate.

mod agent;
mod api;
mod identity;
mod server;
mod trust;
