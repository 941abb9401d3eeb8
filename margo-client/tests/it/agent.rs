//! The engine: what a device does by itself.

mod gateways;
mod outbox;
mod plans;
mod promises;
mod rig;
mod states;
mod syncing;
