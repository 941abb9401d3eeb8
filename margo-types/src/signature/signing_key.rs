//! A private key in memory.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{self, PemObject as _};

use super::verifying_key::{RSA, check_rsa_size};
use super::{InvalidKey, Signer, SignerError, VerifyingKey};
use crate::auth::SignatureAlgorithm;
use crate::der;

/// A private key and the algorithm it signs with. It does not print the key. Clones are cheap.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<KeyPair>,
    algorithm: SignatureAlgorithm,
    public: VerifyingKey,
}

impl SigningKey {
    /// Reads an unencrypted private key (PEM: PKCS#8, SEC1 or PKCS#1): ECDSA P-256 or P-384, Ed25519, or RSA of 2048
    /// to 8192 bits.
    ///
    /// It signs with the first of the [algorithms](super::KeyType::algorithms) of its kind; an RSA key with
    /// `rsa-pss-sha512`, as the reference implementation does.
    ///
    /// # Errors
    /// [`InvalidKey`] when there is no key in the text or it is not one of these.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidKey> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
            pem::Error::NoItemsFound => InvalidKey::NoPrivateKey,
            _ => InvalidKey::NotPem,
        })?;
        let pair = KeyPair::read(&der)?;
        let public = pair.public()?;
        let algorithm = public.key_type().algorithms()[0].clone();
        Ok(Self {
            pair: Arc::new(pair),
            algorithm,
            public,
        })
    }

    /// The same key with another algorithm, for instance `rsa-v1_5-sha256`, which every fleet manager has to verify.
    ///
    /// # Errors
    /// [`InvalidKey::Algorithm`] when it does not go with the key.
    pub fn with_algorithm(mut self, algorithm: SignatureAlgorithm) -> Result<Self, InvalidKey> {
        let key = self.public.key_type();
        if !key.algorithms().contains(&algorithm) {
            return Err(InvalidKey::Algorithm { algorithm, key });
        }
        self.algorithm = algorithm;
        Ok(self)
    }

    /// The public half of the key.
    pub const fn public(&self) -> &VerifyingKey {
        &self.public
    }
}

impl Signer for SigningKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm.clone()
    }

    fn public(&self) -> &VerifyingKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signed = match &*self.pair {
            KeyPair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message).map(to_vec),
            KeyPair::Ed25519(pair) => pair.try_sign(message).map(to_vec),
            KeyPair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let encoding = rsa_encoding(&self.algorithm);
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
                    .map(|()| signature)
            }
        };
        signed.map_err(SignerError::new)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("id", &self.public.id())
            .field("algorithm", &self.algorithm.as_str())
            .finish_non_exhaustive()
    }
}

enum KeyPair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl KeyPair {
    fn read(key: &PrivateKeyDer<'_>) -> Result<Self, InvalidKey> {
        let pair = match key {
            PrivateKeyDer::Sec1(key) => ecdsa(key.secret_sec1_der()),
            PrivateKeyDer::Pkcs1(key) => {
                let der = key.secret_pkcs1_der();
                check_rsa_private(der)?;
                RsaKeyPair::from_der(der).ok().map(Self::Rsa)
            }
            PrivateKeyDer::Pkcs8(key) => {
                let der = key.secret_pkcs8_der();
                if let Some(rsa) = rsa_in_pkcs8(der) {
                    check_rsa_private(rsa)?;
                    RsaKeyPair::from_pkcs8(der).ok().map(Self::Rsa)
                } else {
                    let ed25519 = || Ed25519KeyPair::from_pkcs8(der).ok().map(Self::Ed25519);
                    ecdsa(der).or_else(ed25519)
                }
            }
            _ => None,
        };
        pair.ok_or(InvalidKey::UnusablePrivateKey)
    }

    fn public(&self) -> Result<VerifyingKey, InvalidKey> {
        let der: Result<PublicKeyX509Der<'_>, Unspecified> = match self {
            Self::Ecdsa(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
            Self::Rsa(pair) => pair.public_key().as_der(),
        };
        let der = der.map_err(|_| InvalidKey::UnusablePrivateKey)?;
        VerifyingKey::from_spki_der(der.as_ref())
    }
}

/// A key of either curve, in PKCS#8 or SEC1.
fn ecdsa(der: &[u8]) -> Option<KeyPair> {
    let on = |curve: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::from_private_key_der(curve, der);
    on(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .or_else(|_| on(&ECDSA_P384_SHA384_FIXED_SIGNING))
        .ok()
        .map(KeyPair::Ecdsa)
}

/// The PKCS#1 form inside PKCS#8 (RFC 5208, section 5); `None` when the key is not RSA.
fn rsa_in_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let outer = der::elements(der)?;
    let parts = outer.first()?.children()?;
    let [_version, algorithm, key, ..] = parts.as_slice() else {
        return None;
    };
    (algorithm.children()?.first()?.content == RSA).then_some(key.content)
}

fn check_rsa_private(der: &[u8]) -> Result<(), InvalidKey> {
    let modulus = || {
        let outer = der::elements(der)?;
        let numbers = outer.first()?.children()?;
        numbers.get(1)?.unsigned_integer()
    };
    check_rsa_size(modulus().ok_or(InvalidKey::UnusablePrivateKey)?).map(|_| ())
}

fn rsa_encoding(algorithm: &SignatureAlgorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        SignatureAlgorithm::RsaV15Sha256 => &RSA_PKCS1_SHA256,
        SignatureAlgorithm::RsaPssSha256 => &RSA_PSS_SHA256,
        _ => &RSA_PSS_SHA512,
    }
}

fn to_vec(signature: impl AsRef<[u8]>) -> Vec<u8> {
    signature.as_ref().to_vec()
}
