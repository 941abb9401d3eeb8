//! A public key.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512,
    VerificationAlgorithm,
};

use super::{InvalidKey, KeyType, VerifyError};
use crate::auth::SignatureAlgorithm;
use crate::digest::Digest;
use crate::{der, x509};

/// A public key that signatures are verified with. Clones are cheap; two are equal when their DER is.
#[derive(Clone)]
pub struct VerifyingKey(Arc<Inner>);

struct Inner {
    spki: Box<[u8]>,
    id: String,
    key_type: KeyType,
    /// The key as prepared for each algorithm that goes with it.
    prepared: Vec<(SignatureAlgorithm, ParsedPublicKey)>,
}

impl VerifyingKey {
    /// Reads a public key: the DER of its `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7).
    ///
    /// # Errors
    /// [`InvalidKey`] when it is malformed, or not ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, InvalidKey> {
        let (key_type, key) = read(spki)?;
        let prepared = key_type
            .algorithms()
            .iter()
            .filter_map(|algorithm| Some((algorithm, verification(algorithm)?)))
            .map(|(algorithm, verification)| {
                let key = ParsedPublicKey::new(verification, key);
                Ok((algorithm.clone(), key.map_err(|_| InvalidKey::Malformed)?))
            })
            .collect::<Result<_, InvalidKey>>()?;
        Ok(Self(Arc::new(Inner {
            spki: spki.into(),
            id: Digest::of(spki).to_hex(),
            key_type,
            prepared,
        })))
    }

    /// The lower-case hexadecimal SHA-256 of the DER: what the reference implementation sends as `keyid`, and so do we.
    ///
    /// Margo gives `keyid` no meaning (contradiction 7). Look keys up by the client id, not by it.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The kind of key.
    pub fn key_type(&self) -> KeyType {
        self.0.key_type
    }

    /// The DER of its `SubjectPublicKeyInfo`.
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// Verifies the signature of a message. [`verify`](super::verify) does so for a request.
    ///
    /// # Errors
    /// [`VerifyError::Algorithm`] when the algorithm does not go with the key, and [`VerifyError::Mismatch`].
    pub fn verify(
        &self,
        algorithm: &SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let prepared = self.0.prepared.iter().find(|(known, _)| known == algorithm);
        let Some((_, key)) = prepared else {
            return Err(VerifyError::Algorithm {
                found: algorithm.clone(),
                key: self.key_type(),
            });
        };
        key.verify_sig(message, signature)
            .map_err(|_| VerifyError::Mismatch)
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.spki == other.0.spki
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("VerifyingKey")
            .field("id", &self.id())
            .field("key_type", &self.key_type())
            .finish_non_exhaustive()
    }
}

/// The kind of key, and the key without its wrapping.
fn read(spki: &[u8]) -> Result<(KeyType, &[u8]), InvalidKey> {
    let (algorithm, key) = parts(spki).ok_or(InvalidKey::Malformed)?;
    let mut algorithm = algorithm.into_iter().map(|element| element.content);
    let unsupported = |found| Err(InvalidKey::Unsupported { found });
    let key_type = match algorithm.next() {
        Some(EC_PUBLIC_KEY) => match algorithm.next() {
            Some(P256) => KeyType::EcdsaP256,
            Some(P384) => KeyType::EcdsaP384,
            _ => return unsupported("on an elliptic curve other than P-256 and P-384"),
        },
        Some(ED25519_KEY) => KeyType::Ed25519,
        Some(RSA) => rsa(key)?,
        Some(RSA_PSS) => return unsupported("an RSA key marked for RSASSA-PSS alone"),
        _ => return unsupported("of another kind"),
    };
    Ok((key_type, key))
}

fn parts(spki: &[u8]) -> Option<(Vec<der::Element<'_>>, &[u8])> {
    let outer = der::elements(spki)?;
    let [info] = outer.as_slice() else {
        return None;
    };
    match info.children()?.as_slice() {
        [algorithm, key] => Some((algorithm.children()?, key.bit_string()?)),
        _ => None,
    }
}

fn rsa(key: &[u8]) -> Result<KeyType, InvalidKey> {
    let modulus = || {
        let outer = der::elements(key)?;
        let numbers = outer.first()?.children()?;
        numbers.first()?.unsigned_integer()
    };
    check_rsa_size(modulus().ok_or(InvalidKey::Malformed)?)
}

/// Margo names no smallest RSA key for this generation; 2048 bits are the least that NIST SP 800-131A allows and that
/// the cryptographic library verifies, 8192 the most.
pub(super) fn check_rsa_size(modulus: &[u8]) -> Result<KeyType, InvalidKey> {
    match x509::bits(modulus) {
        bits @ 2048..=8192 => Ok(KeyType::Rsa { bits }),
        bits => Err(InvalidKey::RsaSize { bits }),
    }
}

fn verification(algorithm: &SignatureAlgorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => &ECDSA_P256_SHA256_FIXED,
        SignatureAlgorithm::EcdsaP384Sha384 => &ECDSA_P384_SHA384_FIXED,
        SignatureAlgorithm::Ed25519 => &ED25519,
        SignatureAlgorithm::RsaV15Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        SignatureAlgorithm::RsaPssSha256 => &RSA_PSS_2048_8192_SHA256,
        SignatureAlgorithm::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
        SignatureAlgorithm::_Unknown(_) => return None,
    })
}

/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.101.112
const ED25519_KEY: &[u8] = &[0x2b, 0x65, 0x70];
/// 1.2.840.113549.1.1.1
pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.113549.1.1.10
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
