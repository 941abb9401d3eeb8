#![cfg_attr(docsrs, feature(doc_cfg))]
//! The device side of the Margo management interface.
//!
//! ```text
//! FleetApi.manifest ──► sync (verify version, digests) ──► StateStore.accept (one atomic, durable step)
//!                                                               │
//!            desired vs current ──► reconcile::plan (pure) ──► Provider.apply / remove / observe
//!                                                               │
//!                             status outbox (durable) ◄── component states, adopted manifest version
//!                                                               │
//!                                            FleetApi.report_status (in order per deployment)
//! ```

pub mod api;
mod error;
mod exchange;
pub mod identity;
mod jitter;
pub mod retry;
pub mod schedule;
pub mod trust;

pub use api::{FleetApi, Poll};
pub use error::{Error, ErrorKind};
pub use jitter::random;
