//! Kinds of keys, and which algorithms go with which (rc1-and-pre-draft.md section 2).

use std::fmt;

use crate::auth::SignatureAlgorithm;

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// ECDSA on the curve P-256.
    EcdsaP256,
    /// ECDSA on the curve P-384.
    EcdsaP384,
    /// Ed25519. Not in Margo's baseline.
    Ed25519,
    /// RSA.
    #[non_exhaustive]
    Rsa {
        /// The length of the modulus.
        bits: usize,
    },
}

impl KeyType {
    /// The algorithms that such a key can be used with. The first is meant when a signature does not say.
    ///
    /// An RSA key alone does not tell which of three it is (contradiction 6); `rsa-pss-sha512` is what the reference
    /// implementation makes and expects then.
    pub const fn algorithms(self) -> &'static [SignatureAlgorithm] {
        use SignatureAlgorithm as A;
        match self {
            Self::EcdsaP256 => &[A::EcdsaP256Sha256],
            Self::EcdsaP384 => &[A::EcdsaP384Sha384],
            Self::Ed25519 => &[A::Ed25519],
            Self::Rsa { .. } => &[A::RsaPssSha512, A::RsaPssSha256, A::RsaV15Sha256],
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::EcdsaP256 => formatter.pad("ECDSA P-256"),
            Self::EcdsaP384 => formatter.pad("ECDSA P-384"),
            Self::Ed25519 => formatter.pad("Ed25519"),
            Self::Rsa { bits } => write!(formatter, "RSA with {bits} bits"),
        }
    }
}
