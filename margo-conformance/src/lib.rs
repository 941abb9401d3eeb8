#![cfg_attr(docsrs, feature(doc_cfg))]
#![allow(
    clippy::missing_panics_doc,
    reason = "only panics that a caller can cause are worth a section"
)]
//! Fakes for tests of Margo devices, fleet managers and packages.
//!
//! Each is a real server on loopback that keeps everything in memory and stops when it is dropped. A fake panics where a
//! test would: on what its caller got wrong, never on what a peer sends.

pub mod authority;
pub mod gate;
pub mod registry;
mod request;
mod server;
pub mod wfm;

pub use request::RecordedRequest;
