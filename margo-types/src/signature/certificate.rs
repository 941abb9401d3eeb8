//! The certificate that a client enrols with and whose key signs its requests (rc1-and-pre-draft.md section 6.2).

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::{InvalidKey, VerifyingKey};
use crate::onboarding::Certificate;
use crate::x509::timestamp;

/// The key of a client and when its certificate is valid.
///
/// Nothing is verified: who issued it, whether it is trusted or revoked is for a fleet manager to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    key: VerifyingKey,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl ClientCertificate {
    /// Reads a certificate as it is sent: base64 of DER, base64 of PEM, or PEM (contradiction 17).
    ///
    /// # Errors
    /// [`InvalidKey`] when it is not a certificate or its key cannot be used.
    pub fn read(certificate: &Certificate) -> Result<Self, InvalidKey> {
        let der = certificate.der()?;
        let Ok(([], parsed)) = X509Certificate::from_der(&der) else {
            return Err(InvalidKey::MalformedCertificate);
        };
        Ok(Self {
            key: VerifyingKey::from_spki_der(parsed.public_key().raw)?,
            not_before: timestamp(parsed.validity().not_before.timestamp()),
            not_after: timestamp(parsed.validity().not_after.timestamp()),
        })
    }

    /// The key that verifies the client's signatures.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// From when it is valid.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when it is valid.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }
}
