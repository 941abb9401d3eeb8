//! The engine: what a device does by itself.

mod damage;
mod faults;
mod gateways;
mod many;
mod outbox;
mod plans;
mod promises;
mod rig;
mod states;
mod syncing;
