//! What this crate does, from outside and without any engine.

#[cfg(feature = "contract")]
mod contract;
#[cfg(all(feature = "compose", unix))]
mod detection;
mod simulated;
mod support;
