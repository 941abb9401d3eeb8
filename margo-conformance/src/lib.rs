#![cfg_attr(docsrs, feature(doc_cfg))]
#![allow(
    clippy::missing_panics_doc,
    reason = "only panics that a caller can cause are worth a section"
)]
#![doc = include_str!("../README.md")]

pub mod agent;
pub mod authority;
pub mod corpus;
pub mod gate;
mod host;
pub mod interop;
pub mod kubernetes;
pub mod load;
pub mod log;
pub mod program;
pub mod registry;
mod request;
mod server;
#[cfg(feature = "torture")]
pub mod torture;
pub mod wfm;

pub use request::RecordedRequest;
