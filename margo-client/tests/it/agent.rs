//! The engine: what a device does by itself.

mod damage;
mod faults;
mod gateways;
mod outbox;
mod plans;
mod promises;
mod rig;
mod states;
mod syncing;
