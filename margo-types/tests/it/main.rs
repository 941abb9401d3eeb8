//! Behaviour of the crate, seen from outside.

mod strategies_device;
mod wire_device;
