//! Conformance suites for Margo devices, fleet managers, packages and providers.
//!
//! This crate is empty so far: it only reserves its place in the workspace.
