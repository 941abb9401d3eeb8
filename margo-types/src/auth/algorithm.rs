//! Names of signature algorithms: the `alg` parameter of RFC 9421, section 6.2.
//!
//! Margo's baseline lists four names, of which `rsa-pss-sha256` is its own (contradiction 5), and its
//! template sends no `alg` at all (contradiction 6): a verifier then goes by the key.

use std::{convert::Infallible, fmt, str::FromStr};

/// How a signature was made. A name not known here is kept and written back as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// `ecdsa-p256-sha256`: 64 bytes `r || s`, not DER (RFC 9421, section 3.3.4).
    EcdsaP256Sha256,
    /// `ecdsa-p384-sha384`: 96 bytes `r || s`, not DER (RFC 9421, section 3.3.5).
    EcdsaP384Sha384,
    /// `rsa-v1_5-sha256`: RSASSA-PKCS1-v1_5 (RFC 9421, section 3.3.2).
    RsaV15Sha256,
    /// `rsa-pss-sha256`: a name only Margo uses; RFC 9421 does not register it and Margo does not
    /// define it (contradiction 5). Read here as RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a
    /// salt of 32 bytes, by analogy to `rsa-pss-sha512`.
    RsaPssSha256,
    /// `rsa-pss-sha512`: RSASSA-PSS with SHA-512, MGF1 with SHA-512 and a salt of 64 bytes (RFC 9421,
    /// section 3.3.1). Not in Margo's baseline, yet what its sandbox uses for every RSA key.
    RsaPssSha512,
    /// `ed25519` (RFC 9421, section 3.3.6). Not in Margo's baseline.
    Ed25519,
    #[doc(hidden)]
    _Unknown(UnknownAlgorithm),
}

impl SignatureAlgorithm {
    /// The name as it stands in the `alg` parameter.
    pub fn as_str(&self) -> &str {
        match self {
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::RsaV15Sha256 => "rsa-v1_5-sha256",
            Self::RsaPssSha256 => "rsa-pss-sha256",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::Ed25519 => "ed25519",
            Self::_Unknown(UnknownAlgorithm(name)) => name,
        }
    }
}

impl From<&str> for SignatureAlgorithm {
    fn from(name: &str) -> Self {
        match name {
            "ecdsa-p256-sha256" => Self::EcdsaP256Sha256,
            "ecdsa-p384-sha384" => Self::EcdsaP384Sha384,
            "rsa-v1_5-sha256" => Self::RsaV15Sha256,
            "rsa-pss-sha256" => Self::RsaPssSha256,
            "rsa-pss-sha512" => Self::RsaPssSha512,
            "ed25519" => Self::Ed25519,
            _ => Self::_Unknown(UnknownAlgorithm(name.into())),
        }
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(name.into())
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Keeps an unknown name out of reach, so that nobody can match on a name that becomes known later.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownAlgorithm(Box<str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_survives_a_round_trip() {
        for name in [
            "ecdsa-p256-sha256",
            "ecdsa-p384-sha384",
            "rsa-v1_5-sha256",
            "rsa-pss-sha256",
            "rsa-pss-sha512",
            "ed25519",
            "ml-dsa-65",
            "",
        ] {
            let Ok(algorithm) = name.parse::<SignatureAlgorithm>();
            assert_eq!(algorithm.as_str(), name);
        }
    }

    #[test]
    fn known_names_are_recognised_and_case_matters() {
        assert_eq!(
            SignatureAlgorithm::from("rsa-pss-sha256"),
            SignatureAlgorithm::RsaPssSha256
        );
        assert_ne!(
            SignatureAlgorithm::from("Ed25519"),
            SignatureAlgorithm::Ed25519
        );
    }
}
