//! A certificate as text in a JSON body (rc1-and-pre-draft.md ambiguity 17; peers.md 4c).
//!
//! The specification says "base64" and not of what: one reference server sends base64 of PEM, other vendors
//! base64 of DER, and a mock plain PEM. All of them are read; base64 of DER is written.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An X.509 certificate as text: base64 of DER, base64 of PEM, or PEM.
///
/// Holds the text exactly as it was received; [`der`](Self::der) decodes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Certificate(String);

impl Certificate {
    /// The longest text that [`der`](Self::der) decodes: 64 KiB.
    pub const MAX_LENGTH: usize = 64 * 1024;

    /// A certificate as it was received, in any of the three forms.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A certificate in the form that is sent: base64 of DER, with padding, without line breaks.
    ///
    /// # Errors
    /// [`InvalidCertificate`] when the bytes are not one DER object.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidCertificate> {
        if der.len() > Self::MAX_LENGTH / 4 * 3 {
            return Err(InvalidCertificate::TooLong);
        }
        check_der(der)?;
        Ok(Self(STANDARD.encode(der)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The certificate in DER; of several in a PEM text, the first.
    ///
    /// Line breaks of any kind, text around a PEM block, missing padding and the URL-safe alphabet are
    /// accepted. Only the outermost length of the DER is checked; whether the rest is a certificate is for
    /// an X.509 parser to say.
    ///
    /// # Errors
    /// [`InvalidCertificate`] when the text is in none of the forms.
    pub fn der(&self) -> Result<Vec<u8>, InvalidCertificate> {
        if self.0.len() > Self::MAX_LENGTH {
            return Err(InvalidCertificate::TooLong);
        }
        let decoded = if let Some(der) = pem_block(&self.0)? {
            der
        } else {
            let bytes = decode_base64(&self.0)?;
            let text = std::str::from_utf8(&bytes).ok();
            let pem = text.map(pem_block).transpose()?.flatten();
            pem.unwrap_or(bytes)
        };
        check_der(&decoded)?;
        Ok(decoded)
    }
}

/// Why a text is no certificate. The peer who sent it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCertificate {
    /// The text is longer than [`Certificate::MAX_LENGTH`].
    #[error("the certificate is longer than 64 KiB of text; send one certificate, not a chain")]
    TooLong,
    /// The text is neither PEM nor base64.
    #[error("the certificate is neither PEM nor base64; send base64 of its DER form")]
    NotBase64,
    /// The text is PEM, but not of a certificate.
    #[error(
        "the PEM text has no complete CERTIFICATE block; send base64 of a certificate's DER form"
    )]
    NoCertificateBlock,
    /// The decoded bytes are not one DER object of the length they say.
    #[error("the decoded bytes are no DER certificate or are cut off; send the whole certificate")]
    NotDer,
}

/// The content of the first certificate in a PEM text (RFC 7468); `None` when it is no PEM text at all.
fn pem_block(text: &str) -> Result<Option<Vec<u8>>, InvalidCertificate> {
    let Some((_, rest)) = text.split_once(BEGIN) else {
        if text.contains("-----BEGIN ") {
            return Err(InvalidCertificate::NoCertificateBlock);
        }
        return Ok(None);
    };
    let (content, _) = rest
        .split_once(END)
        .ok_or(InvalidCertificate::NoCertificateBlock)?;
    decode_base64(content).map(Some)
}

fn decode_base64(text: &str) -> Result<Vec<u8>, InvalidCertificate> {
    let compact: String = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    ANY_PADDING
        .decode(compact)
        .map_err(|_| InvalidCertificate::NotBase64)
}

fn check_der(bytes: &[u8]) -> Result<(), InvalidCertificate> {
    if crate::der::is_one_sequence(bytes) {
        Ok(())
    } else {
        Err(InvalidCertificate::NotDer)
    }
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
