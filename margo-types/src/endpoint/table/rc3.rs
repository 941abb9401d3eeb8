//! rc.2 and rc.3 (rc3.md sections 3.1 and 7.4).

use super::{
    DEPLOYMENT_NOT_FOUND, DEVICE_NOT_FOUND, DISCOVERY_DOCUMENT_NOT_FOUND, GATEWAY_NOT_FOUND,
    INVALID_BUNDLE, INVALID_REQUEST, NOT_ACCEPTABLE, NOT_AUTHORIZED, SEMANTIC_ERROR,
    SPIFFE_BUNDLE_NOT_FOUND,
};
use crate::endpoint::{Caching, Endpoint, Method, Operation};
use crate::media_type;
use crate::version::SpecVersion::Rc3;

pub(super) const MANIFEST: Endpoint = Endpoint {
    response_type: Some(media_type::MANIFEST),
    success: &[200, 304],
    errors: &[NOT_AUTHORIZED, NOT_ACCEPTABLE],
    caching: Caching::Revalidated,
    ..Endpoint::new(Rc3, Operation::Manifest, Method::Get, "/api/v1/deployments")
};

/// The 304 is in the prose only (rc3.md ambiguity 8).
pub(super) const DEPLOYMENT: Endpoint = Endpoint {
    response_type: Some(media_type::YAML),
    success: &[200, 304],
    errors: &[NOT_AUTHORIZED, DEPLOYMENT_NOT_FOUND],
    caching: Caching::Immutable,
    ..Endpoint::new(
        Rc3,
        Operation::Deployment,
        Method::Get,
        "/api/v1/deployments/{deploymentId}/{digest}",
    )
};

pub(super) const BUNDLE: Endpoint = Endpoint {
    response_type: Some(media_type::BUNDLE),
    success: &[200, 304],
    errors: &[NOT_AUTHORIZED, INVALID_BUNDLE],
    caching: Caching::Immutable,
    ..Endpoint::new(
        Rc3,
        Operation::Bundle,
        Method::Get,
        "/api/v1/bundles/{digest}",
    )
};

pub(super) const STATUS: Endpoint = Endpoint {
    request_type: Some(media_type::JSON),
    success: &[200, 201],
    errors: &[INVALID_REQUEST, NOT_AUTHORIZED, SEMANTIC_ERROR],
    ..Endpoint::new(
        Rc3,
        Operation::ReportStatus,
        Method::Post,
        "/api/v1/deployments/{deploymentId}/status",
    )
};

pub(super) const CAPABILITIES: Endpoint = Endpoint {
    request_type: Some(media_type::JSON),
    success: &[200, 201],
    errors: &[
        INVALID_REQUEST,
        NOT_AUTHORIZED,
        GATEWAY_NOT_FOUND,
        SEMANTIC_ERROR,
    ],
    ..Endpoint::new(
        Rc3,
        Operation::ReportCapabilities,
        Method::Put,
        "/api/v1/capabilities/{deviceId}",
    )
};

pub(super) const REMOVAL: Endpoint = Endpoint {
    success: &[204],
    errors: &[NOT_AUTHORIZED, DEVICE_NOT_FOUND],
    ..Endpoint::new(
        Rc3,
        Operation::RemoveDevice,
        Method::Delete,
        "/api/v1/capabilities/{deviceId}",
    )
};

pub(super) const DISCOVERY: Endpoint = Endpoint {
    authenticated: false,
    response_type: Some(media_type::JSON),
    success: &[200, 304],
    errors: &[DISCOVERY_DOCUMENT_NOT_FOUND],
    caching: Caching::Tagged,
    ..Endpoint::new(Rc3, Operation::Discovery, Method::Get, "/.well-known/margo")
};

/// Only a usual place: the discovery document says where the bundle is.
pub(super) const TRUST_BUNDLE: Endpoint = Endpoint {
    authenticated: false,
    response_type: Some(media_type::JSON),
    success: &[200, 304],
    errors: &[SPIFFE_BUNDLE_NOT_FOUND],
    caching: Caching::Tagged,
    ..Endpoint::new(
        Rc3,
        Operation::TrustBundle,
        Method::Get,
        "/.well-known/spiffe/bundle.json",
    )
};
