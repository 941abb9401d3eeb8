//! The device side against servers that do as they are told.

mod api;
mod identity;
mod server;
mod trust;
