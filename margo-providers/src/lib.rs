#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

#[cfg(feature = "compose")]
#[cfg_attr(docsrs, doc(cfg(feature = "compose")))]
pub mod compose;
#[cfg(feature = "contract")]
#[cfg_attr(docsrs, doc(cfg(feature = "contract")))]
pub mod contract;
mod error;
#[cfg(any(feature = "compose", feature = "helm"))]
mod files;
#[cfg(feature = "helm")]
#[cfg_attr(docsrs, doc(cfg(feature = "helm")))]
pub mod helm;
#[cfg(any(feature = "compose", feature = "helm"))]
mod home;
#[cfg(any(feature = "compose", feature = "helm"))]
mod program;
mod progress;
mod provider;
pub mod simulated;
#[cfg(any(feature = "compose", feature = "helm"))]
mod source;
mod telemetry;
#[cfg(any(feature = "compose", feature = "helm"))]
mod turn;

pub use error::{ProviderError, Trouble};
pub use progress::{Progress, Silent};
pub use provider::{Engine, Observation, Provider};
pub use telemetry::Telemetry;
