//! Enrolment of a client in the signed generation (rc1-and-pre-draft.md sections 6.1 and 6.2).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::ClientId;

/// A client's request to be enrolled: its certificate, as base64 of DER or PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct OnboardingRequest {
    /// The certificate.
    pub certificate: String,
}

/// The answer to an [`OnboardingRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct OnboardingResponse {
    /// The id the fleet manager assigned.
    pub client_id: ClientId,
}

/// The root certificate of a fleet manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct CaCertificate {
    /// The certificate: base64 of DER, base64 of PEM, or PEM.
    pub certificate: String,
}
