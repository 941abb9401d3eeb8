//! One's own SVID: certificate chain and private key.

use std::fmt;

use jiff::Timestamp;

use crate::id::SpiffeId;

/// An X.509-SVID with its private key. It does not print the key.
pub struct Svid {
    id: SpiffeId,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Svid {
    /// Reads the chain (PEM, leaf first, then all intermediates) and the private key (PEM: PKCS#8, SEC1 or PKCS#1).
    ///
    /// # Errors
    /// [`InvalidSvid`] when either cannot be read, the key is not the leaf's, or the leaf is no SVID of the
    /// specification's profile. Expiry is not looked at: a clock may yet be set.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidSvid> {
        let _ = (chain, key);
        Err(InvalidSvid::NoCertificate)
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
    /// There is no certificate.
    #[error("there is no certificate; give the PEM of the leaf and of all intermediates")]
    NoCertificate,
}
