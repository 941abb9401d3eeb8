//! Behaviour of the crate, seen from outside.

mod strategies;
mod wire_documents;
