#![cfg_attr(docsrs, feature(doc_cfg))]
//! Fakes for tests of Margo devices, fleet managers and packages.
//!
//! Each is a real server on loopback that keeps everything in memory and stops when it is dropped.
