//! Enrolment of clients that sign their requests (rc1-and-pre-draft.md sections 2, 4.1, 6.1 and 6.2).
//!
//! A client of the signed generation registers a certificate and is given an id; from then on that id is in the path of
//! its requests, and the key of that certificate signs them. Clients of the newest generation need none of this: their
//! identity is provisioned by the operator.

use std::sync::Arc;

use async_trait::async_trait;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::signature::{ClientCertificate, VerifiedSignature};

use crate::FleetError;

/// Registers the certificates of clients, and says which may sign for whom.
#[async_trait]
pub trait Enrolment: Send + Sync {
    /// A client asks to be enrolled.
    ///
    /// The service has verified that whoever asks holds the key, and that the certificate is valid now. Whether it is
    /// trusted is for the fleet manager to say. The same key asks again whenever its client has forgotten the answer, and
    /// gets the same id.
    async fn enrol(&self, applicant: &Applicant) -> Result<Enrolled, FleetError>;

    /// The certificates that may sign for a client; none when it is not enrolled. There are several while a key is renewed.
    ///
    /// Asked on every request, so it should be one read from memory.
    async fn credentials(&self, client: &ClientId) -> Result<Arc<[ClientCertificate]>, FleetError>;

    /// The root certificate that clients may fetch over a channel they trust already; `None` when it is not given out.
    async fn root_certificate(&self) -> Result<Option<Certificate>, FleetError> {
        Ok(None)
    }
}

/// Who asks to be enrolled. Only the service makes one, after it has verified the signature of the request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Applicant {
    /// The certificate as it was sent.
    pub certificate: Certificate,
    /// What is in it.
    pub read: ClientCertificate,
}

impl Applicant {
    /// The owner of this certificate, whose key has made this signature.
    pub(crate) const fn new(
        certificate: Certificate,
        read: ClientCertificate,
        _: &VerifiedSignature,
    ) -> Self {
        Self { certificate, read }
    }
}

/// What became of a request to be enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Enrolled {
    /// The client is new and enrolled under this id.
    Accepted(ClientId),
    /// This certificate is enrolled already, under this id.
    Already(ClientId),
    /// The operator has not decided yet; the client asks again.
    Pending,
    /// The operator has refused it; the reason is told to the client.
    Rejected(String),
}
