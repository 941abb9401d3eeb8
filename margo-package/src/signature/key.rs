//! Key pairs: ECDSA on the curve P-256 with SHA-256, in PEM.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_types::Digest;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::oci::Secret;

/// A public key that signatures are checked with.
#[derive(Clone)]
pub struct VerifyingKey {
    key: ParsedPublicKey,
    der: Vec<u8>,
}

impl VerifyingKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`, as `cosign generate-key-pair` and `openssl ec -pubout` write it.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
            InvalidKey::NotPem {
                label: "PUBLIC KEY",
            }
        })?;
        Self::from_der(der.as_ref())
    }

    fn from_der(der: &[u8]) -> Result<Self, InvalidKey> {
        let key =
            ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der).map_err(|_| InvalidKey::NotP256)?;
        Ok(Self {
            key,
            der: der.to_vec(),
        })
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.der)
    }

    /// The SHA-256 of the key in DER (its SubjectPublicKeyInfo): a name for it in logs and verdicts.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.der)
    }

    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "VerifyingKey({})", self.fingerprint())
    }
}

/// A private key to sign artefacts with. It does not print itself.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl SigningKey {
    /// A new key.
    pub fn generate() -> Result<Self, InvalidKey> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(|_| InvalidKey::NoRandomness)?;
        Self::from_der(document.as_ref())
    }

    /// Reads `-----BEGIN PRIVATE KEY-----` (PKCS#8, not encrypted).
    pub fn from_pem(pem: &Secret) -> Result<Self, InvalidKey> {
        if pem.expose().contains("ENCRYPTED") {
            return Err(InvalidKey::Encrypted);
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| {
            InvalidKey::NotPem {
                label: "PRIVATE KEY",
            }
        })?;
        Self::from_der(der.secret_pkcs8_der())
    }

    fn from_der(der: &[u8]) -> Result<Self, InvalidKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
            .map_err(|_| InvalidKey::NotP256)?;
        Ok(Self {
            pair,
            pkcs8: der.to_vec(),
        })
    }

    /// The private key in PEM (PKCS#8, not encrypted): keep it where nobody else can read it.
    pub fn to_pem(&self) -> Secret {
        Secret::from(pem("PRIVATE KEY", &self.pkcs8))
    }

    /// The public key of the pair.
    pub fn verifying_key(&self) -> Result<VerifyingKey, InvalidKey> {
        let der: PublicKeyX509Der<'_> = self
            .pair
            .public_key()
            .as_der()
            .map_err(|_| InvalidKey::NotP256)?;
        VerifyingKey::from_der(der.as_ref())
    }

    /// The signature in ASN.1 DER.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, InvalidKey> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        Ok(signature
            .map_err(|_| InvalidKey::NoRandomness)?
            .as_ref()
            .to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// There is no such PEM section.
    #[error("there is no PEM section {label:?}; give the key as PEM, private keys as PKCS#8")]
    NotPem {
        /// The section that is needed.
        label: &'static str,
    },
    /// The key is of another kind.
    #[error(
        "this is no ECDSA key on the curve P-256; make one with `cosign generate-key-pair` or openssl"
    )]
    NotP256,
    /// The private key is encrypted.
    #[error("the private key is encrypted; decrypt it to PKCS#8 first")]
    Encrypted,
    /// The system gave no random numbers.
    #[error("the system gives no random numbers; look at its random number source")]
    NoRandomness,
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (position, c) in text.chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            pem.push('\n');
        }
        pem.push(c);
    }
    pem + "\n-----END " + label + "-----\n"
}
