//! Workload providers (Compose, Helm) of a Margo device.
//!
//! This crate is empty so far: it only reserves its place in the workspace.
