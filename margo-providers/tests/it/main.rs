//! What this crate does, from outside and without any engine.

#[cfg(all(feature = "compose", unix))]
mod detection;
