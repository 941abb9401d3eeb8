//! Enrolment of a client in the signed generation (rc1-and-pre-draft.md sections 6.1 and 6.2).

mod certificate;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::certificate::{Certificate, InvalidCertificate};
use crate::extra::Extra;
use crate::id::ClientId;

/// A client's request to be enrolled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct OnboardingRequest {
    /// The client's certificate, with which it signs its requests.
    pub certificate: Certificate,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl OnboardingRequest {
    /// A request to enrol the client with this certificate.
    pub fn new(certificate: Certificate) -> Self {
        Self {
            certificate,
            extra: Extra::default(),
        }
    }
}

/// The answer to an [`OnboardingRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct OnboardingResponse {
    /// The id the fleet manager assigned.
    pub client_id: ClientId,
    /// Unknown members, such as the `endpoint_list` of an early fleet manager; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl OnboardingResponse {
    /// The answer that the client is enrolled under this id.
    pub fn new(client_id: ClientId) -> Self {
        Self {
            client_id,
            extra: Extra::default(),
        }
    }
}

/// The root certificate of a fleet manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct CaCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl CaCertificate {
    /// The answer that this is the root certificate.
    pub fn new(certificate: Certificate) -> Self {
        Self {
            certificate,
            extra: Extra::default(),
        }
    }
}
