//! Errors of the management interface (rc3.md section 6; RFC 9457).

mod error_body;
mod registry;
mod retry;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extra::Extra;
use crate::open_enum::open_enum;

pub(crate) use registry::phrase;
pub use retry::{RetryAdvice, parse_retry_after};

/// An error of the management interface: problem details with Margo's retry members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Problem {
    /// What kind of problem it is; programs decide by this member. Absent means `about:blank` (RFC 9457).
    #[serde(rename = "type", default = "about_blank")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub problem_type: ProblemType,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status code.
    #[cfg_attr(feature = "schema", schemars(range(min = 100, max = 599)))]
    pub status: u16,
    /// This occurrence in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// This occurrence as a URI reference, usually the request's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Whether the same request may succeed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// After how many seconds; advisory, the `Retry-After` header wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// How the time between attempts grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_strategy: Option<BackoffStrategy>,
    /// What is wrong with each field of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Extension members (RFC 9457 section 3.2).
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct FieldError {
    /// The field, such as `properties.supportedRuntimes`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

open_enum! {
    /// How the time between attempts grows.
    pub enum BackoffStrategy {
        /// Do not try again.
        None = "none",
        /// It stays the same.
        Fixed = "fixed",
        /// It doubles.
        Exponential = "exponential",
    }
}

open_enum! {
    /// The registry of problem types. URIs are permanent and opaque, and never fetched.
    pub enum ProblemType {
        /// No Margo type applies; the title is the HTTP phrase.
        AboutBlank = "about:blank",
        /// 400: the body cannot be parsed.
        InvalidRequest = "https://docs.margo.org/specification/problem-types#invalid-request",
        /// 422: well-formed, but wrong; `errors` says what.
        SemanticError = "https://docs.margo.org/specification/problem-types#semantic-error",
        /// 403: local policy refuses.
        NotAuthorized = "https://docs.margo.org/specification/problem-types#not-authorized",
        /// 404: a child was reported without its gateway.
        GatewayNotFound = "https://docs.margo.org/specification/problem-types#gateway-not-found",
        /// 404: no such device.
        DeviceNotFound = "https://docs.margo.org/specification/problem-types#device-not-found",
        /// 404: no bundle with that digest.
        InvalidBundle = "https://docs.margo.org/specification/problem-types#invalid-bundle",
        /// 404: no deployment with that id and digest.
        DeploymentNotFound = "https://docs.margo.org/specification/problem-types#deployment-not-found",
        /// 406: `Accept` cannot be met.
        ServerCannotGenerateResponse = "https://docs.margo.org/specification/problem-types#server-cannot-generate-response",
        /// 404: no discovery document; a configured bundle URI is to be used.
        DiscoveryDocumentNotFound = "https://docs.margo.org/specification/problem-types#discovery-document-not-found",
        /// 404: no trust bundle.
        SpiffeBundleNotFound = "https://docs.margo.org/specification/problem-types#spiffe-bundle-not-found",
        /// 400, rc.1 only: the certificate cannot be parsed.
        InvalidCertificateFormat = "https://docs.margo.org/specification/problems/invalid-certificate-format",
        /// 400, rc.1 only: `Content-Digest` is missing or wrong.
        InvalidDigestHeader = "https://docs.margo.org/specification/problems/invalid-digest-header",
        /// 401, rc.1 only: the request's signature does not verify.
        SignatureVerificationFailed = "https://docs.margo.org/specification/problems/signature-verification-failed",
        /// 403, rc.1 only: the certificate is not trusted or revoked.
        CertificateNotTrusted = "https://docs.margo.org/specification/problems/certificate-not-trusted",
        /// 404, rc.1 only: no such client.
        InvalidClient = "https://docs.margo.org/specification/problems/invalid-client",
    }
}

/// RFC 9457 section 4.2.1: an absent type means `about:blank`.
fn about_blank() -> ProblemType {
    ProblemType::AboutBlank
}
