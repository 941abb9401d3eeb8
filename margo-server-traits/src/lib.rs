#![cfg_attr(docsrs, feature(doc_cfg))]
//! The fleet manager side of the Margo management interface.
//!
//! A fleet manager implements four small traits (who may call, what devices are, what they should run, how that fares)
//! and mounts one service.

mod caller;
mod fleet;
pub mod publish;
pub mod proxy;
mod service;
#[cfg(feature = "server")]
pub mod server;
pub mod store;
mod store_fleet;

pub use caller::{Caller, Verified};
pub use fleet::{
    Admission, Capabilities, ClientPolicy, DesiredState, Fleet, FleetError, Received, StatusSink,
    Stored,
};
pub use store_fleet::StoreFleet;
pub use service::{FleetService, ResponseBody, ServiceOptions, TrustEndpoints};
