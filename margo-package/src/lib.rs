#![cfg_attr(docsrs, feature(doc_cfg))]
//! Application packages and compose archives of Margo, the Linux Foundation standard for edge interoperability.

#[cfg(feature = "oci")]
pub mod oci;
#[cfg(feature = "oci")]
pub mod signature;
