//! Behaviour of the crate, seen from outside and without any engine.

#[cfg(feature = "contract")]
mod contract;
#[cfg(all(feature = "compose", feature = "helm", unix))]
mod corpus;
#[cfg(all(feature = "compose", unix))]
mod detection;
#[cfg(all(feature = "helm", unix))]
mod helm;
mod simulated;
mod support;
