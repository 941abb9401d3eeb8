//! Application packages and compose archives of Margo, the Linux Foundation standard for edge interoperability.
//!
//! This crate is empty so far: it only reserves its place in the workspace.
