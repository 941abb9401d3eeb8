#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

pub mod accept;
pub mod application;
pub mod auth;
pub mod capabilities;
pub mod deployment;
mod der;
mod digest;
mod document;
pub mod eligibility;
pub mod endpoint;
pub mod etag;
mod exact;
mod extra;
mod finding;
pub mod id;
pub mod manifest;
pub mod media_type;
mod number;
pub mod oci;
pub mod onboarding;
mod open_enum;
mod path;
mod pattern;
pub mod problem;
mod read;
pub mod scalar;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "signature")]
pub mod signature;
pub mod status;
#[cfg(feature = "svid")]
pub mod svid;
mod text;
pub mod trust;
mod validate;
pub mod values;
mod version;
mod wire;
mod write;
#[cfg(any(feature = "signature", feature = "svid"))]
mod x509;
mod yaml;

pub use digest::Digest;
pub use document::{AnyDocument, Document, Format, Kind};
pub use exact::Exact;
pub use extra::{ExtensionName, Extra};
pub use finding::{Finding, Report, Severity};
pub use path::{DocumentPath, Location, Segment};
pub use read::{Fault, Limits, ReadError, Reader, read, read_any};
pub use text::InvalidText;
pub use validate::{
    Rule, rules, validate, validate_capabilities_of, validate_reference, validate_status_against,
};
pub use version::{
    CallerIdentity, DesiredState, DevicePath, Enrolment, ErrorBodyStyle, PayloadSignature, Rules,
    SpecVersion, StateSpelling, TlsVersion,
};
pub use write::{Unrepresentable, WriteError, write, write_as};
