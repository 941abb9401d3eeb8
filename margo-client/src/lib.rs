//! The device side of the Margo management interface.
//!
//! This crate is empty so far: it only reserves its place in the workspace.
