//! Which certificates are accepted without an operator.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

use crate::{Applicant, FleetError};

/// Decides about certificates that no operator has registered, accepted or rejected.
///
/// It is asked every time such a client asks, so a certificate that waits for an operator is accepted as soon as the policy
/// says so.
#[async_trait]
pub trait EnrolmentPolicy: fmt::Debug + Send + Sync {
    /// What becomes of this applicant, who has proved to hold the key of a certificate that is valid now.
    async fn decide(&self, applicant: &Applicant) -> Result<EnrolmentDecision, FleetError>;
}

/// What becomes of an applicant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnrolmentDecision {
    /// The operator is asked.
    AskOperator,
    /// It is accepted: as a new client, or as the one that has the same key.
    Accept,
    /// It is accepted as this client. The operator is asked nevertheless when that client speaks another generation.
    AcceptAs(ClientId),
    /// It is rejected, for a reason that it is told. That is not kept: the policy is asked again.
    Reject(String),
}

/// Leaves everything to the operator; what [`StoreFleet`](crate::StoreFleet) does unless it is told otherwise.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing to say")]
pub struct AskOperator;

#[async_trait]
impl EnrolmentPolicy for AskOperator {
    async fn decide(&self, _: &Applicant) -> Result<EnrolmentDecision, FleetError> {
        Ok(EnrolmentDecision::AskOperator)
    }
}

/// Accepts what certain authorities have issued, and leaves the rest to the operator.
///
/// The certificate has to come directly from one of them, since clients send no chain (rc1-and-pre-draft.md section 6.2), be
/// valid now, and if it has an extended key usage, that of clients.
#[derive(Debug)]
pub struct AcceptedIssuers {
    issuers: Vec<TrustAnchor<'static>>,
}

impl AcceptedIssuers {
    /// The authorities whose certificates these are: PEM, at least one.
    ///
    /// # Errors
    /// [`InvalidIssuers`] when there is none, or one is not a certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidIssuers> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(InvalidIssuers::Pem)?;
        if certificates.is_empty() {
            return Err(InvalidIssuers::None);
        }
        let issuers = certificates.iter().enumerate().map(|(position, der)| {
            let number = position + 1;
            let anchor = webpki::anchor_from_trusted_cert(der);
            let anchor =
                anchor.map_err(|source| InvalidIssuers::NoCertificate { number, source })?;
            Ok(anchor.to_owned())
        });
        Ok(Self {
            issuers: issuers.collect::<Result<_, InvalidIssuers>>()?,
        })
    }

    /// Whether one of them has issued this certificate for a client, and it is valid now.
    fn vouch_for(&self, certificate: &Certificate, now: Timestamp) -> bool {
        let (Ok(der), Ok(seconds)) = (certificate.der(), u64::try_from(now.as_second())) else {
            return false;
        };
        let der = CertificateDer::from(der);
        let Ok(certificate) = EndEntityCert::try_from(&der) else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let verified = certificate.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &self.issuers,
            &[],
            now,
            KeyUsage::client_auth(),
            None,
            None,
        );
        match verified {
            Ok(_) => true,
            Err(why) => {
                tracing::debug!(%why, "no accepted issuer vouches for the certificate");
                false
            }
        }
    }
}

#[async_trait]
impl EnrolmentPolicy for AcceptedIssuers {
    async fn decide(&self, applicant: &Applicant) -> Result<EnrolmentDecision, FleetError> {
        Ok(
            if self.vouch_for(&applicant.certificate, Timestamp::now()) {
                EnrolmentDecision::Accept
            } else {
                EnrolmentDecision::AskOperator
            },
        )
    }
}

/// Why there are no issuers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIssuers {
    /// The text is no PEM.
    #[error("the certificates of the issuers cannot be read; write them as PEM")]
    Pem(#[source] pem::Error),
    /// There is no certificate.
    #[error("there is no certificate of an issuer; write them as PEM")]
    None,
    /// One is no certificate.
    #[error("certificate {number} is none; replace it")]
    NoCertificate {
        /// Which, counted from 1.
        number: usize,
        /// Why.
        source: webpki::Error,
    },
}
