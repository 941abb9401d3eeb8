//! Signing and verifying requests with keys: HTTP Message Signatures (feature `signature`).
//!
//! The signed generation (`Rc1`) proves who sends a request by a signature over it. The bytes and headers are those of
//! [`auth`](crate::auth); here are the keys, what is signed, and what is demanded of a signature:
//!
//! - A [`SigningKey`] comes from PEM. A key that never leaves its device, in a TPM or an HSM, is a [`Signer`].
//! - A [`VerifyingKey`] comes from the DER of a public key or, as a [`ClientCertificate`], from what a client sends
//!   when it enrols. RSA keys of less than 2048 bits are refused.
//! - [`Signing`] makes the headers of a request, as a [`Profile`] has it: our own, or one recorded of a peer.
//! - [`verify`] checks them against a [`Policy`], strict unless a [`Tolerance`] is switched on. What it proves is a
//!   [`VerifiedSignature`], a value that nothing else can make. [`verify_head`] does so before the body is read.
//!
//! Nothing here reads a clock, keeps a state or blocks on I/O. That a request is not accepted twice is for the caller
//! to see to: [`VerifiedSignature::replay_key`] is what to remember.
//!
//! ```
//! use margo_types::auth::RequestParts;
//! use margo_types::signature::{Policy, Signing, SigningKey, verify};
//!
//! # let pem = b"-----BEGIN PRIVATE KEY-----
//! # MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgGUwZiC/KFRGTZOEo
//! # 5/hCOVZPrYYxOXKmHJoaHPQlTHqhRANCAAT/jM/EKkhAYeSAal1X5W7EOkPvy4q+
//! # uwk9Sd58EPPcDIjNm0ZOUcwmWzV0D0Mtzeo+3uNbW7Hg/kGtTFTnHy2o
//! # -----END PRIVATE KEY-----";
//! # let now = jiff::Timestamp::from_second(1_735_689_600)?;
//! let key = SigningKey::from_pem(pem)?;
//! let body = br#"{"hello": "margo"}"#;
//! let target = "https://wfm.example.test/api/v1/onboarding";
//! let sent = RequestParts::new("POST", target, |_| vec![]);
//! let headers = Signing::new(&key, now).sign(&sent, body)?;
//!
//! let received = RequestParts::new("POST", target, |name| headers.lines(name));
//! let proof = verify(&received, body, key.public(), &Policy::default(), now)?;
//! assert_eq!(proof.keyid(), Some(key.public().id()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Source: rc1-and-pre-draft.md sections 2 to 4 and part V; RFC 9421, RFC 9530. Contradictions 5 to 11 are settled
//! where they arise.

mod certificate;
mod error;
mod key_type;
mod policy;
mod profile;
mod signer;
mod signing;
mod signing_key;
mod verification;
mod verifying_key;

pub use self::certificate::ClientCertificate;
pub use self::error::{InvalidKey, SignError, VerifyError};
pub use self::key_type::KeyType;
pub use self::policy::{Policy, Tolerance, UnknownTolerance};
pub use self::profile::Profile;
pub use self::signer::{Signer, SignerError};
pub use self::signing::{SignatureHeaders, Signing};
pub use self::signing_key::SigningKey;
pub use self::verification::{VerifiedHead, VerifiedSignature, verify, verify_head};
pub use self::verifying_key::VerifyingKey;
