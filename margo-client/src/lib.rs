#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

pub mod agent;
pub mod api;
mod error;
mod exchange;
mod files;
pub mod gateway;
pub mod identity;
mod jitter;
mod location;
pub mod onboarding;
pub mod outbox;
pub mod reconcile;
pub mod retry;
pub mod schedule;
mod signed;
pub mod state;
pub mod sync;
pub mod trust;

pub use agent::{Agent, AgentHandle};
pub use api::{FleetApi, Poll};
pub use error::{Error, ErrorKind};
pub use jitter::random;
