//! rc.1 (rc1-and-pre-draft.md sections 5 and 5.1).
//!
//! The specification lists no 401 and 403 for `GET` although it is signed (its ambiguity 51); they are
//! listed here.

use super::{
    CERTIFICATE_NOT_TRUSTED, DEPLOYMENT_NOT_FOUND, INVALID_BUNDLE, INVALID_CERTIFICATE_FORMAT,
    INVALID_CLIENT, INVALID_DIGEST_HEADER, INVALID_REQUEST, NOT_ACCEPTABLE, SEMANTIC_ERROR,
    SIGNATURE_VERIFICATION_FAILED, rc3,
};
use crate::endpoint::{Endpoint, Form, Method, Operation};
use crate::media_type::JSON;
use crate::version::SpecVersion::Rc1;

/// Unsigned in the aligned copies, signed in the first (rc1-and-pre-draft.md ambiguity 13).
pub(super) const ROOT_CERTIFICATE: Endpoint = Endpoint {
    authenticated: false,
    response_type: Some(JSON),
    success: &[200],
    ..Endpoint::new(
        Rc1,
        Operation::RootCertificate,
        Method::Get,
        "/api/v1/onboarding/certificate",
    )
};

/// Signed by the certificate in the body, as there is no client id yet (rc1-and-pre-draft.md ambiguity 12).
pub(super) const ONBOARDING: Endpoint = Endpoint {
    request_type: Some(JSON),
    response_type: Some(JSON),
    success: &[201],
    errors: &[INVALID_CERTIFICATE_FORMAT, CERTIFICATE_NOT_TRUSTED],
    ..Endpoint::new(Rc1, Operation::Onboard, Method::Post, "/api/v1/onboarding")
};

pub(super) const CAPABILITIES: Endpoint = Endpoint {
    request_type: Some(JSON),
    success: &[201],
    errors: &[
        INVALID_DIGEST_HEADER,
        SIGNATURE_VERIFICATION_FAILED,
        CERTIFICATE_NOT_TRUSTED,
        INVALID_CLIENT,
        SEMANTIC_ERROR,
    ],
    ..Endpoint::new(
        Rc1,
        Operation::ReportCapabilities,
        Method::Put,
        "/api/v1/clients/{clientId}/capabilities",
    )
};

/// Late copies, with gateways. No problem type was registered for a missing gateway.
pub(super) const CAPABILITIES_OF_DEVICE: Endpoint = Endpoint {
    template: "/api/v1/clients/{clientId}/capabilities/{deviceId}",
    ..CAPABILITIES
};

pub(super) const CAPABILITIES_BY_POST: Endpoint = Endpoint {
    method: Method::Post,
    form: Form::Accepted,
    ..CAPABILITIES
};

pub(super) const CAPABILITIES_OF_DEVICE_BY_POST: Endpoint = Endpoint {
    method: Method::Post,
    form: Form::Accepted,
    ..CAPABILITIES_OF_DEVICE
};

/// Late copies only. Its 400 is about a digest header that a request without body does not need
/// (rc1-and-pre-draft.md ambiguity 52).
pub(super) const REMOVAL: Endpoint = Endpoint {
    success: &[204],
    errors: &[
        INVALID_DIGEST_HEADER,
        SIGNATURE_VERIFICATION_FAILED,
        CERTIFICATE_NOT_TRUSTED,
        INVALID_CLIENT,
    ],
    ..Endpoint::new(
        Rc1,
        Operation::RemoveDevice,
        Method::Delete,
        "/api/v1/clients/{clientId}/capabilities/{deviceId}",
    )
};

pub(super) const MANIFEST: Endpoint = Endpoint {
    errors: &[
        SIGNATURE_VERIFICATION_FAILED,
        CERTIFICATE_NOT_TRUSTED,
        NOT_ACCEPTABLE,
    ],
    ..again(&rc3::MANIFEST, "/api/v1/clients/{clientId}/deployments")
};

pub(super) const DEPLOYMENT: Endpoint = Endpoint {
    errors: &[
        SIGNATURE_VERIFICATION_FAILED,
        CERTIFICATE_NOT_TRUSTED,
        DEPLOYMENT_NOT_FOUND,
    ],
    ..again(
        &rc3::DEPLOYMENT,
        "/api/v1/clients/{clientId}/deployments/{deploymentId}/{digest}",
    )
};

pub(super) const BUNDLE: Endpoint = Endpoint {
    errors: &[
        INVALID_REQUEST,
        SIGNATURE_VERIFICATION_FAILED,
        CERTIFICATE_NOT_TRUSTED,
        INVALID_BUNDLE,
    ],
    ..again(&rc3::BUNDLE, "/api/v1/clients/{clientId}/bundles/{digest}")
};

/// 201 in some copies (rc1-and-pre-draft.md ambiguity 22).
pub(super) const STATUS: Endpoint = Endpoint {
    errors: &[
        INVALID_DIGEST_HEADER,
        SIGNATURE_VERIFICATION_FAILED,
        CERTIFICATE_NOT_TRUSTED,
        SEMANTIC_ERROR,
    ],
    ..again(
        &rc3::STATUS,
        "/api/v1/clients/{clientId}/deployments/{deploymentId}/status",
    )
};

/// The first copies (rc1-and-pre-draft.md ambiguity 21).
pub(super) const STATUS_SINGULAR: Endpoint = Endpoint {
    template: "/api/v1/clients/{clientId}/deployment/{deploymentId}/status",
    form: Form::Accepted,
    ..STATUS
};

/// An endpoint of the newest generation, as it was before.
const fn again(newer: &Endpoint, template: &'static str) -> Endpoint {
    Endpoint {
        request_type: newer.request_type,
        response_type: newer.response_type,
        success: newer.success,
        caching: newer.caching,
        ..Endpoint::new(Rc1, newer.operation, newer.method, template)
    }
}
