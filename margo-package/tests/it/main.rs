//! Behaviour of the crate, seen from outside.

#[cfg(feature = "oci")]
mod oci;
