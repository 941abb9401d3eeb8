//! The documents between a device and its fleet manager in every generation.

mod certificate;
mod error_body;
mod golden;
mod refusal;
mod round_trip;
