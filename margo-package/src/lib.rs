#![cfg_attr(docsrs, feature(doc_cfg))]
//! Application packages and compose archives of Margo, the Linux Foundation standard for edge interoperability.

pub mod instantiate;
pub mod lint;
pub mod package;
