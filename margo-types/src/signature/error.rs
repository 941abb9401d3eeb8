//! What can be wrong with keys and signatures.

use crate::auth::{DigestError, FieldError, SignatureAlgorithm, SignatureBaseError};
use crate::onboarding::InvalidCertificate;
use crate::problem::ProblemType;

use super::{KeyType, SignerError};

/// Why a key cannot be used.
///
/// Of a client that enrols, it is a bad request: status 400 (rc1-and-pre-draft.md section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The text is cut off or not PEM.
    #[error("the text is not well-formed PEM; check that it was copied as a whole")]
    NotPem,
    /// There is no private key in the text.
    #[error("there is no private key; give the PEM of one, unencrypted (PKCS#8, SEC1 or PKCS#1)")]
    NoPrivateKey,
    /// The private key is of another kind, or wrong in itself.
    #[error(
        "the private key cannot be used; give one of ECDSA P-256 or P-384, Ed25519, or RSA, not restricted to a padding"
    )]
    UnusablePrivateKey,
    /// The certificate is in none of the forms.
    #[error("the certificate cannot be read")]
    Certificate(#[from] InvalidCertificate),
    /// The bytes are only in their outer form a certificate.
    #[error("the certificate is not well-formed; issue it again")]
    MalformedCertificate,
    /// The public key is not the DER of one, or not a point on its curve.
    #[error("the public key is not well-formed; it must be the DER of a SubjectPublicKeyInfo")]
    Malformed,
    /// The public key is of a kind that no algorithm here goes with.
    #[error("the public key is {found}; use ECDSA P-256 or P-384, Ed25519, or RSA")]
    Unsupported {
        /// What it is.
        found: &'static str,
    },
    /// The RSA key is too weak, or so long that verifying with it is a burden.
    #[error("the RSA key has {bits} bits; use one of 2048 to 8192 bits")]
    RsaSize {
        /// The length of its modulus.
        bits: usize,
    },
    /// The key cannot sign like this.
    #[error(
        "{algorithm} does not go with a key of {key}; choose another algorithm or leave it out"
    )]
    Algorithm {
        /// The algorithm asked for.
        algorithm: SignatureAlgorithm,
        /// The kind of key.
        key: KeyType,
    },
}

/// Why a request was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The parameters cannot be written, for instance a nonce outside of ASCII.
    #[error("the parameters of the signature cannot be written")]
    Parameters(#[from] FieldError),
    /// The request lacks a part that the signature has to cover.
    #[error("the request cannot be covered by a signature")]
    Request(#[from] SignatureBaseError),
    /// The key did not sign.
    #[error("the request was not signed")]
    Signer(#[from] SignerError),
    /// The time of signing cannot be written.
    #[error("the time of signing or expiry is before 1970; set the clock")]
    Clock,
}

/// Why the signature of a request is refused: the first check that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header is missing.
    #[error("the request has no {header}; sign it as RFC 9421 has it")]
    Unsigned {
        /// Which.
        header: &'static str,
    },
    /// `Signature-Input` or `Signature` is malformed or too large.
    #[error("a signature header cannot be read")]
    Malformed(#[from] FieldError),

    // --- which signature ---
    /// A label is in one of the two headers only.
    #[error(
        "the label {label} is not in {header}; use the same labels in Signature-Input and Signature"
    )]
    Unpaired {
        /// The label.
        label: String,
        /// The header that lacks it.
        header: &'static str,
    },
    /// There are several signatures.
    #[error("there are {count} signatures; send one")]
    SeveralLabels {
        /// How many.
        count: usize,
    },
    /// No label is one of those accepted.
    #[error("the label {found} is not accepted; use sig1")]
    UnknownLabel {
        /// The first.
        found: String,
    },

    // --- what it covers, and when it was made ---
    /// A part of the request that has to be is not covered.
    #[error("the signature does not cover {component}; cover it")]
    NotCovered {
        /// Which.
        component: &'static str,
    },
    /// The signature does not say when it was made.
    #[error("the signature has no created; set it to the time of signing")]
    NoCreated,
    /// The signature is too old.
    #[error(
        "the signature was created {age} seconds ago where {limit} are allowed; sign every request anew, and check the \
         clocks"
    )]
    Stale {
        /// Its age in seconds.
        age: i64,
        /// The greatest age in seconds.
        limit: i64,
    },
    /// The signature is of a later time than the clock allows for.
    #[error(
        "the signature was created {ahead} seconds in the future where {limit} are allowed; check the clocks"
    )]
    FromTheFuture {
        /// How far ahead, in seconds.
        ahead: i64,
        /// The greatest skew in seconds.
        limit: i64,
    },
    /// The signer has limited its life, and that is over.
    #[error("the signature expired {ago} seconds ago; sign the request anew, and check the clocks")]
    Expired {
        /// When, in seconds before now.
        ago: i64,
    },

    // --- the body ---
    /// A request with a body lacks the digest.
    #[error("the request has a body and no Content-Digest; send the SHA-256 of the body")]
    NoDigest,
    /// `Content-Digest` is malformed.
    #[error("the Content-Digest cannot be read")]
    MalformedDigest(#[source] FieldError),
    /// The body is another than the one the digest was made of.
    #[error("the body does not agree with its Content-Digest")]
    Digest(#[from] DigestError),

    // --- the signature itself ---
    /// Something is covered that the request does not have.
    #[error("what the signature covers is not in the request")]
    Request(#[from] SignatureBaseError),
    /// The algorithm does not go with the key.
    #[error(
        "{found} does not go with the client's key of {key}; name the algorithm of the key, or none"
    )]
    Algorithm {
        /// What `alg` says.
        found: SignatureAlgorithm,
        /// The kind of key.
        key: KeyType,
    },
    /// The signature is not one of this request by this key.
    #[error(
        "the signature is not that of this request by the client's key; check the key, the algorithm, and that method, \
         target URI and headers arrive as they were signed"
    )]
    Mismatch,
}

impl VerifyError {
    /// The HTTP status to answer with: 400 for the digest of the body, 401 for all else (rc1-and-pre-draft.md
    /// sections 4 and 5.1).
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoDigest | Self::MalformedDigest(_) | Self::Digest(_) => 400,
            _ => 401,
        }
    }

    /// The problem to answer with, where errors are problems (rc1-and-pre-draft.md section 11).
    pub const fn problem_type(&self) -> ProblemType {
        match self.status() {
            400 => ProblemType::InvalidDigestHeader,
            _ => ProblemType::SignatureVerificationFailed,
        }
    }
}
