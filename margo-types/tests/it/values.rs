//! Parameter values.
