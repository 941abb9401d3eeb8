//! Integration tests: the simulated provider, and the contract on it.

#[cfg(feature = "contract")]
mod contract;
mod simulated;
mod support;
