//! One's own SVID: certificate chain and private key.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate::Certificate;
use super::tls::algorithms;
use super::{ChainPart, SvidError};
use crate::id::SpiffeId;

/// An X.509-SVID with its private key. It does not print the key. Clones are cheap.
#[derive(Clone)]
pub struct Svid {
    id: SpiffeId,
    not_before: Timestamp,
    not_after: Timestamp,
    certified: Arc<CertifiedKey>,
}

impl Svid {
    /// Reads the chain (PEM, leaf first, then all intermediates) and the private key (PEM: PKCS#8, SEC1 or PKCS#1).
    ///
    /// # Errors
    /// [`InvalidSvid`] when either cannot be read, the key is not the leaf's, or the leaf is no SVID of the
    /// specification's profile. Expiry is not looked at: a clock may yet be set.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidSvid> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| InvalidSvid::NotPem)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => InvalidSvid::NoKey,
            _ => InvalidSvid::NotPem,
        })?;
        Self::new(chain, key)
    }

    /// An SVID of certificates, leaf first, and the key of the leaf.
    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, InvalidSvid> {
        let leaf = chain.first().ok_or(InvalidSvid::NoCertificate)?;
        let leaf = Certificate::read(leaf, ChainPart::Leaf)?;
        let id = leaf.spiffe_id()?;
        leaf.check_key()?;
        leaf.check_leaf()?;
        let (mut not_before, mut not_after) = (leaf.not_before(), leaf.not_after());
        for der in chain.iter().skip(1) {
            let intermediate = Certificate::read(der, ChainPart::Intermediate)?;
            intermediate.check_key()?;
            not_before = not_before.max(intermediate.not_before());
            not_after = not_after.min(intermediate.not_after());
        }
        let key = algorithms::signing_key(key).map_err(|_| InvalidSvid::UnusableKey)?;
        let certified = CertifiedKey::new(chain, key);
        certified
            .keys_match()
            .map_err(|_| InvalidSvid::KeyMismatch { id: id.clone() })?;
        Ok(Self {
            id,
            not_before,
            not_after,
            certified: Arc::new(certified),
        })
    }

    /// Whose it is.
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// From when it is valid.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when it is valid: the earliest end in the chain.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The certificates that are presented, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Svid {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Svid")
            .field("id", &self.id)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Why there is no SVID in what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSvid {
    /// The text is cut off or not PEM.
    #[error("the text is not well-formed PEM; check that it was copied as a whole")]
    NotPem,
    /// There is no certificate.
    #[error("there is no certificate; give the PEM of the leaf and of all intermediates")]
    NoCertificate,
    /// There is no private key.
    #[error("there is no private key; give the PEM of one, unencrypted (PKCS#8, SEC1 or PKCS#1)")]
    NoKey,
    /// The private key cannot be used.
    #[error("the private key cannot be read; use ECDSA P-256 or P-384, Ed25519, or RSA")]
    UnusableKey,
    /// The private key belongs to something else.
    #[error(
        "the private key is not that of the first certificate, {id}; put the leaf first, and its own key beside it"
    )]
    KeyMismatch {
        /// Whom the first certificate names.
        id: SpiffeId,
    },
    /// The certificate is not that of an SVID.
    #[error("the certificate does not have the profile of an SVID")]
    Profile(#[from] SvidError),
}
