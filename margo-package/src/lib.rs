//! Application packages and compose archives of Margo, the Linux Foundation standard for edge interoperability.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "oci")]
pub mod oci;
#[cfg(feature = "oci")]
pub mod signature;
