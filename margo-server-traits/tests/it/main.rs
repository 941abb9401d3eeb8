//! Behaviour of the crate, seen from outside.

#[cfg(feature = "server")]
mod server;
