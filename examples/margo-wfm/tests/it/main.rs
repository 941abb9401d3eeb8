//! The program `margo-wfm`, driven from outside.

mod bad_input;
mod corpus;
mod damaged;
mod deployments;
mod device;
mod identities;
mod operating;
mod packages;
mod signed;
mod signer;
mod support;
