//! Integration tests: the simulated provider, and the contract on it.

mod contract;
mod simulated;
mod support;
