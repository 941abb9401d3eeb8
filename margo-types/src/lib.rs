#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

pub mod application;
pub mod auth;
pub mod capabilities;
pub mod deployment;
mod digest;
mod document;
mod exact;
mod extra;
mod finding;
pub mod id;
pub mod manifest;
pub mod media_type;
pub mod oci;
pub mod onboarding;
mod open_enum;
mod path;
pub mod problem;
mod read;
pub mod scalar;
#[cfg(feature = "schema")]
pub mod schema;
pub mod status;
mod text;
pub mod trust;
mod validate;
mod version;
mod wire;
mod write;
mod yaml;

pub use digest::Digest;
pub use document::{AnyDocument, Document, Format, Kind};
pub use exact::Exact;
pub use extra::{ExtensionName, Extra};
pub use finding::{Finding, Report, Severity};
pub use path::{DocumentPath, Location, Segment};
pub use read::{Fault, Limits, ReadError, Reader, read, read_any};
pub use text::InvalidText;
pub use validate::validate;
pub use version::SpecVersion;
pub use write::{Unrepresentable, WriteError, write, write_as};
