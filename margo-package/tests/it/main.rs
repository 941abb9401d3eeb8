//! Behaviour of the crate, seen from outside.

mod archive_build;
mod archive_extract;
mod archive_refused;
mod bundle;
mod chart;
#[cfg(feature = "cli")]
mod cli;
mod compose;
mod corpus;
mod instantiate;
mod interop;
mod lint;
#[cfg(feature = "oci")]
mod oci;
mod package;
mod properties;
#[cfg(feature = "oci")]
mod publish;
mod support;
