//! Trust anchors: certificates of authorities, as DER (RFC 5280; RFC 7517 and 7518 for their keys).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::der::{self, Element};

/// The certificate of an authority, in DER.
///
/// Holding one means that the bytes have the outer form of a certificate. Whether its key, its validity and
/// its constraints are acceptable is decided where chains are verified.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Anchor(Vec<u8>);

impl Anchor {
    /// The largest certificate that is accepted, in bytes.
    pub const MAX_LENGTH: usize = 64 * 1024;

    /// An anchor from the DER of its certificate, with nothing after it.
    ///
    /// # Errors
    /// When the bytes are not one certificate.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, InvalidAnchor> {
        let der = der.into();
        if der.len() > Self::MAX_LENGTH {
            return Err(InvalidAnchor::TooLong { length: der.len() });
        }
        let parts = certificate_parts(&der).ok_or(InvalidAnchor::NotACertificate)?;
        let tags: Vec<u8> = parts.iter().map(|part| part.tag).collect();
        // to-be-signed certificate, algorithm, signature
        if tags != [der::SEQUENCE, der::SEQUENCE, der::BIT_STRING] {
            return Err(InvalidAnchor::NotACertificate);
        }
        Ok(Self(der))
    }

    /// The DER.
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// The DER, without copying it.
    pub fn into_der(self) -> Vec<u8> {
        self.0
    }

    /// The members of the anchor's public key as a JSON Web Key.
    pub(super) fn json_web_key(&self) -> Result<Vec<(&'static str, String)>, InvalidAnchor> {
        self.public_key()
            .and_then(|key| json_web_key(&key))
            .ok_or(InvalidAnchor::UnsupportedKey)
    }

    /// `subjectPublicKeyInfo`: algorithm and key.
    fn public_key(&self) -> Option<Vec<Element<'_>>> {
        let to_be_signed = certificate_parts(&self.0)?.first()?.children()?;
        let fields = to_be_signed
            .iter()
            .skip_while(|field| field.tag == der::EXPLICIT_VERSION);
        // serial number, signature, issuer, validity, subject
        fields.clone().nth(5)?.children()
    }
}

impl AsRef<[u8]> for Anchor {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "Anchor({})", crate::Digest::of(&self.0))
    }
}

/// Why something is not an anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAnchor {
    /// The bytes do not have the form of one DER certificate.
    #[error("the bytes are not one certificate in DER")]
    NotACertificate,
    /// The certificate is larger than [`Anchor::MAX_LENGTH`].
    #[error("it has {length} bytes, more than {}", Anchor::MAX_LENGTH)]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The key cannot be written as a JSON Web Key.
    #[error("its key is neither P-256, P-384, Ed25519 nor RSA; use one of these")]
    UnsupportedKey,
}

fn certificate_parts(bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    match der::elements(bytes)?.as_slice() {
        [certificate] if certificate.tag == der::SEQUENCE => certificate.children(),
        _ => None,
    }
}

fn json_web_key(key_info: &[Element<'_>]) -> Option<Vec<(&'static str, String)>> {
    let [algorithm, key] = key_info else {
        return None;
    };
    let algorithm = algorithm.children()?;
    let key = key.bit_string()?;
    match algorithm.first()?.content {
        EC_PUBLIC_KEY => {
            let (curve, width) = match algorithm.get(1)?.content {
                P256 => ("P-256", 32),
                P384 => ("P-384", 48),
                _ => return None,
            };
            // an uncompressed point
            let coordinates = key.strip_prefix(&[4])?;
            let (x, y) = coordinates.split_at_checked(width)?;
            (y.len() == width).then(|| {
                vec![
                    ("kty", "EC".to_owned()),
                    ("crv", curve.to_owned()),
                    ("x", URL_SAFE_NO_PAD.encode(x)),
                    ("y", URL_SAFE_NO_PAD.encode(y)),
                ]
            })
        }
        ED25519 => (key.len() == 32).then(|| {
            vec![
                ("kty", "OKP".to_owned()),
                ("crv", "Ed25519".to_owned()),
                ("x", URL_SAFE_NO_PAD.encode(key)),
            ]
        }),
        RSA => {
            let outer = der::elements(key)?;
            let numbers = outer.first()?.children()?;
            let [modulus, exponent] = numbers.as_slice() else {
                return None;
            };
            Some(vec![
                ("kty", "RSA".to_owned()),
                ("n", URL_SAFE_NO_PAD.encode(modulus.unsigned_integer()?)),
                ("e", URL_SAFE_NO_PAD.encode(exponent.unsigned_integer()?)),
            ])
        }
        _ => None,
    }
}

/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
