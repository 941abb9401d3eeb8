//! The pure parts of request authentication: nothing here holds a key, reads a clock or does I/O.
//!
//! The signed generation of Margo (`Rc1`) authenticates a request with HTTP Message Signatures
//! (RFC 9421) over three headers, each with its own type:
//!
//! | header | type | question it answers |
//! |---|---|---|
//! | `Content-Digest` (RFC 9530) | [`ContentDigest`] | is this the body the sender meant? |
//! | `Signature-Input` | [`SignatureInput`], one [`SignatureParams`] per label | what was signed, when and with which key? |
//! | `Signature` | [`Signatures`] | the signature bytes of each label |
//!
//! [`signature_base`] turns a request and its [`SignatureParams`] into the bytes to sign or verify.
//! Signing, verifying, checking the age and deciding which components must be covered is done with
//! keys, in the module `signature` (feature `signature`).
//!
//! ```
//! use margo_types::auth::{ContentDigest, RequestParts, SignatureParams, signature_base};
//!
//! let body = br#"{"hello": "margo"}"#;
//! let digest = ContentDigest::sha256(body).to_string();
//! let params = SignatureParams::builder()
//!     .cover("@method")
//!     .cover("@target-uri")
//!     .cover("content-digest")
//!     .created(1_735_689_600)
//!     .keyid("c-01")
//!     .build()?;
//!
//! let request = RequestParts::new("POST", "https://wfm.example.test/api/v1/onboarding", |name| {
//!     match name {
//!         "content-digest" => vec![digest.as_bytes()],
//!         _ => vec![],
//!     }
//! });
//! let bytes_to_sign = signature_base(&request, &params)?;
//! assert!(bytes_to_sign.starts_with("\"@method\": POST\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Source: `system-design/specification/margo-management-interface/api-requirements-and-security.md`
//! of `margo/specification` (the RFC 9421 version), RFC 9421 and RFC 9530. Contradictions are cited by
//! their number in part II of the notes on the signed generation: 1 to 9 and 42.

mod algorithm;
mod component;
mod content_digest;
mod field;
mod signature_base;
mod signature_input;
mod signature_params;
mod signatures;

pub use self::{
    algorithm::SignatureAlgorithm,
    component::{ComponentParameter, CoveredComponent},
    content_digest::{ContentDigest, DigestError},
    field::{FieldError, FieldLimits},
    signature_base::{RequestParts, SignatureBaseError, signature_base},
    signature_input::SignatureInput,
    signature_params::{SignatureParams, SignatureParamsBuilder},
    signatures::Signatures,
};
