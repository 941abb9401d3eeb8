//! Why a peer's SVID is refused, and what TLS tells the peer then.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::{CertificateError, OtherError};

use super::ChainPart;
use crate::id::{SpiffeId, TrustDomain};
use crate::text::InvalidText;

/// Why a peer's SVID was refused: the first check that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SvidError {
    /// The peer presented no certificate.
    #[error("the peer presented no certificate; configure its SVID")]
    NoCertificate,
    /// Bytes are not a certificate.
    #[error("the {part} is not a well-formed certificate; issue it again")]
    Malformed {
        /// Which.
        part: ChainPart,
    },

    // --- 1: the SPIFFE ID ---
    /// The leaf names nobody.
    #[error("the certificate has no URI among its subject alternative names; issue an SVID")]
    NoUri,
    /// The leaf names several.
    #[error(
        "the certificate has {count} URIs among its subject alternative names; issue it with one"
    )]
    ManyUris {
        /// How many.
        count: usize,
    },
    /// The URI is no SPIFFE ID of an SVID.
    #[error("the URI of the certificate is not the SPIFFE ID of an SVID")]
    NotASpiffeId(#[source] InvalidText),
    /// The peer is of another trust domain; there is no federation (C13).
    #[error(
        "{found} is not of the trust domain {expected}; peers have to share one, check where both were enrolled"
    )]
    OtherDomain {
        /// Whom the certificate names.
        found: SpiffeId,
        /// One's own trust domain.
        expected: TrustDomain,
    },

    // --- 2: the chain ---
    /// There is nothing to verify against.
    #[error("there are no trust anchors; load the trust bundle")]
    NoAnchors,
    /// Nobody who is trusted vouches for the peer, or not with this signature: an authority with the name of an anchor and
    /// another key is another authority.
    #[error(
        "the chain leads to no trust anchor of the current bundle; the peer has to present all intermediates, \
         and the bundle has to be current"
    )]
    UnknownIssuer,
    /// A certificate is no longer valid.
    #[error("the {part} expired at {not_after}; renew it, and check the clocks")]
    Expired {
        /// Which.
        part: ChainPart,
        /// When it did.
        not_after: Timestamp,
    },
    /// A certificate is not valid yet.
    #[error("the {part} is not valid before {not_before}; check the clocks")]
    NotYetValid {
        /// Which.
        part: ChainPart,
        /// When it will be.
        not_before: Timestamp,
    },
    /// A certificate is signed in a way that is not accepted.
    #[error(
        "a certificate of the chain is signed with an algorithm that is not accepted; use ECDSA P-256 with SHA-256, \
         P-384 with SHA-384, Ed25519, or RSA with SHA-256"
    )]
    Algorithm,
    /// A key is of a kind or size that is not accepted (C9).
    #[error(
        "the key of the {part} is {found}; use ECDSA P-256 or P-384, Ed25519, or RSA with at least 3072 bits"
    )]
    Key {
        /// Whose.
        part: ChainPart,
        /// What it is.
        found: String,
    },
    /// An issuer is not an authority.
    #[error("the {part} may not issue certificates (cA, keyCertSign, path length)")]
    NotAnAuthority {
        /// Which.
        part: ChainPart,
    },
    /// Anything else that RFC 5280 forbids.
    #[error("the chain is not valid: {why}")]
    Chain {
        /// What is wrong, as the verifier names it.
        why: String,
    },
    /// One's own clock cannot be read.
    #[error("the time is not known, so no certificate can be verified; set the clock")]
    NoTime,

    // --- 3: the leaf ---
    /// The leaf is the certificate of an authority.
    #[error("the certificate is that of an authority (cA is true); issue an SVID")]
    Authority,
    /// The key usage of the leaf is wrong.
    #[error("the key usage of the certificate {found}; issue it with digitalSignature alone")]
    KeyUsage {
        /// In what way.
        found: &'static str,
    },
    /// The extended key usage forbids one side of TLS.
    #[error(
        "the extended key usage of the {part} lacks serverAuth or clientAuth; issue it with both, or without"
    )]
    ExtendedKeyUsage {
        /// Whose.
        part: ChainPart,
    },

    // --- recognition ---
    /// A server is not the fleet manager that the client's own SVID names (D68).
    #[error(
        "the server is {found}, not the fleet manager {expected}; check the address and where both were enrolled"
    )]
    OtherFleetManager {
        /// Who it is.
        found: SpiffeId,
        /// Who it has to be.
        expected: SpiffeId,
    },
    /// A client is not in the namespace of this fleet manager (W58, W59).
    #[error("{found} is not a client of {own}; check where it was enrolled")]
    NotAClient {
        /// Who it is.
        found: SpiffeId,
        /// The fleet manager.
        own: SpiffeId,
    },
}

impl SvidError {
    /// What rustls makes its alert of: certificate_expired, unknown_ca, bad_certificate, access_denied,
    /// or certificate_unknown.
    pub(super) fn to_certificate_error(&self) -> CertificateError {
        match self {
            Self::Expired { .. } => CertificateError::Expired,
            Self::NotYetValid { .. } => CertificateError::NotValidYet,
            Self::UnknownIssuer | Self::NoAnchors => CertificateError::UnknownIssuer,
            Self::Malformed { .. } => CertificateError::BadEncoding,
            Self::OtherDomain { .. } | Self::OtherFleetManager { .. } | Self::NotAClient { .. } => {
                CertificateError::ApplicationVerificationFailure
            }
            other => CertificateError::Other(OtherError(Arc::new(other.clone()))),
        }
    }
}
