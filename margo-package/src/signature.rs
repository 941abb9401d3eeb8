//! Signatures on artefacts: who published this, and was it changed since?
//!
//! The form is that of cosign key pairs, which is what the specification recommends (rc3.md section 8,
//! "signing"): an ECDSA P-256 signature over a small JSON payload that names the digest of the manifest.
//! Payload and signature are a layer of a manifest of their own, kept in the same repository under the
//! tag `sha256-<hex>.sig`, and listed as a referrer of the artefact where the registry can. So they travel
//! through any registry, layout directory or archive. Keyless signatures (Fulcio, Rekor) are not covered.
//!
//! A [`SignaturePolicy`] says per repository what is asked for; [`SignaturePolicy::check`] gives a
//! [`Verdict`] with the digest that it is about. Pull *that digest* afterwards, not the tag again.

mod key;
mod payload;
mod policy;
mod policy_document;
mod sign;
mod verify;

pub use self::key::{InvalidKey, SigningKey, VerifyingKey};
pub use self::policy::{Requirement, SignaturePolicy};
pub use self::policy_document::{InvalidPolicy, PolicyDocument};
pub use self::sign::sign;
pub use self::verify::{Identity, Unverified, Verdict, Verifier};

/// The layer with a payload; its annotation has the signature.
const PAYLOAD_MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// What a manifest with signatures is.
const SIGNATURE_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
