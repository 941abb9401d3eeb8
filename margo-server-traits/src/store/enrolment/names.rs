//! Whom a certificate names. It is a claim: anybody can make a certificate that names anybody.

use margo_types::Digest;
use margo_types::onboarding::Certificate;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// Subject and issuer of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateNames {
    /// Whom it was issued to, as text for people; empty when it names nobody.
    pub subject: String,
    /// Who has issued it, as text for people.
    pub issuer: String,
    /// The SHA-256 of both as they are encoded, the subject first: different names may look the same as text.
    pub digest: Digest,
}

impl CertificateNames {
    /// The names in this certificate; `None` when it is none.
    pub fn read(certificate: &Certificate) -> Option<Self> {
        let der = certificate.der().ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let (subject, issuer) = (parsed.subject(), parsed.issuer());
        Some(Self {
            subject: subject.to_string(),
            issuer: issuer.to_string(),
            digest: Digest::of(&[subject.as_raw(), issuer.as_raw()].concat()),
        })
    }
}
