//! The device side, seen from outside: against servers that do as they are told.

mod agent;
mod api;
mod corpus;
mod identity;
mod rc1;
mod server;
mod state;
mod trust;
