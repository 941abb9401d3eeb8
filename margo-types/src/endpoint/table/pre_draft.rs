//! The pre-draft (rc1-and-pre-draft.md sections 14 and 19.1): desired state travels by Git, and errors are
//! "4XX to 5XX".

use crate::endpoint::{Endpoint, Form, Method, Operation};
use crate::media_type::JSON;
use crate::version::SpecVersion::PreDraft;

pub(super) const ROOT_CERTIFICATE: Endpoint = Endpoint {
    authenticated: false,
    response_type: Some(JSON),
    success: &[200],
    ..Endpoint::new(
        PreDraft,
        Operation::RootCertificate,
        Method::Get,
        "/onboarding/certificate",
    )
};

/// Its bodies were never defined.
pub(super) const ONBOARDING: Endpoint = Endpoint {
    authenticated: false,
    success: &[201, 200],
    ..Endpoint::new(PreDraft, Operation::Onboard, Method::Post, "/onboarding/")
};

pub(super) const ONBOARDING_WITHOUT_SLASH: Endpoint = Endpoint {
    template: "/onboarding",
    form: Form::Accepted,
    ..ONBOARDING
};

pub(super) const CAPABILITIES: Endpoint = Endpoint {
    request_type: Some(JSON),
    success: &[201],
    ..Endpoint::new(
        PreDraft,
        Operation::ReportCapabilities,
        Method::Put,
        "/device/{deviceId}/capabilities",
    )
};

pub(super) const CAPABILITIES_BY_POST: Endpoint = Endpoint {
    method: Method::Post,
    form: Form::Accepted,
    ..CAPABILITIES
};

pub(super) const STATUS: Endpoint = Endpoint {
    request_type: Some(JSON),
    success: &[201],
    ..Endpoint::new(
        PreDraft,
        Operation::ReportStatus,
        Method::Post,
        "/device/{deviceId}/deployment/{deploymentId}/status",
    )
};

/// The restructuring of 2025.
pub(super) const STATUS_UNDER_API: Endpoint = Endpoint {
    template: "/api/v1/device/{deviceId}/deployment/{deploymentId}/status",
    form: Form::Accepted,
    ..STATUS
};
