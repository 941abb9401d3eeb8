//! The table, one constant per endpoint, and the checks that a wrong table does not compile.

use super::template::{check_template, disjoint};
use super::{Caching, Endpoint, Form, ListedError, Method, Operation};
use crate::media_type::{BUNDLE, JSON, MANIFEST, YAML};
use crate::version::SpecVersion::{self, PreDraft, Rc1, Rc3};

pub(super) const ALL: &[Endpoint] = &[
    rc3::MANIFEST,
    rc3::DEPLOYMENT,
    rc3::BUNDLE,
    rc3::STATUS,
    rc3::CAPABILITIES,
    rc3::REMOVAL,
    rc3::DISCOVERY,
    rc3::TRUST_BUNDLE,
    rc1::ROOT_CERTIFICATE,
    rc1::ONBOARDING,
    rc1::CAPABILITIES,
    rc1::CAPABILITIES_OF_DEVICE,
    rc1::CAPABILITIES_BY_POST,
    rc1::CAPABILITIES_OF_DEVICE_BY_POST,
    rc1::REMOVAL,
    rc1::MANIFEST,
    rc1::DEPLOYMENT,
    rc1::BUNDLE,
    rc1::STATUS,
    rc1::STATUS_SINGULAR,
    pre_draft::ROOT_CERTIFICATE,
    pre_draft::ONBOARDING,
    pre_draft::ONBOARDING_WITHOUT_SLASH,
    pre_draft::CAPABILITIES,
    pre_draft::CAPABILITIES_BY_POST,
    pre_draft::STATUS,
    pre_draft::STATUS_UNDER_API,
];

/// rc3.md sections 3.1 and 7.4.
mod rc3 {
    use super::*;

    pub(super) const MANIFEST: Endpoint = Endpoint {
        response_type: Some(super::MANIFEST),
        success: &[200, 304],
        errors: &[NOT_AUTHORIZED, NOT_ACCEPTABLE],
        caching: Caching::Revalidated,
        ..Endpoint::new(Rc3, Operation::Manifest, Method::Get, "/api/v1/deployments")
    };

    /// The 304 is in the prose only (rc3.md ambiguity 8).
    pub(super) const DEPLOYMENT: Endpoint = Endpoint {
        response_type: Some(YAML),
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
        response_type: Some(super::BUNDLE),
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
        request_type: Some(JSON),
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
        request_type: Some(JSON),
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
        response_type: Some(JSON),
        success: &[200, 304],
        errors: &[DISCOVERY_DOCUMENT_NOT_FOUND],
        caching: Caching::Tagged,
        ..Endpoint::new(Rc3, Operation::Discovery, Method::Get, "/.well-known/margo")
    };

    /// Only a usual place: the discovery document says where the bundle is.
    pub(super) const TRUST_BUNDLE: Endpoint = Endpoint {
        authenticated: false,
        response_type: Some(JSON),
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
}

/// rc1-and-pre-draft.md sections 5 and 5.1. The specification lists no 401 and 403 for `GET` although it is
/// signed (its ambiguity 51); they are listed here.
mod rc1 {
    use super::*;

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
        ..retold(rc3::MANIFEST, "/api/v1/clients/{clientId}/deployments")
    };

    pub(super) const DEPLOYMENT: Endpoint = Endpoint {
        errors: &[
            SIGNATURE_VERIFICATION_FAILED,
            CERTIFICATE_NOT_TRUSTED,
            DEPLOYMENT_NOT_FOUND,
        ],
        ..retold(
            rc3::DEPLOYMENT,
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
        ..retold(rc3::BUNDLE, "/api/v1/clients/{clientId}/bundles/{digest}")
    };

    /// 201 in some copies (rc1-and-pre-draft.md ambiguity 22).
    pub(super) const STATUS: Endpoint = Endpoint {
        errors: &[
            INVALID_DIGEST_HEADER,
            SIGNATURE_VERIFICATION_FAILED,
            CERTIFICATE_NOT_TRUSTED,
            SEMANTIC_ERROR,
        ],
        ..retold(
            rc3::STATUS,
            "/api/v1/clients/{clientId}/deployments/{deploymentId}/status",
        )
    };

    /// The first copies (rc1-and-pre-draft.md ambiguity 21).
    pub(super) const STATUS_SINGULAR: Endpoint = Endpoint {
        template: "/api/v1/clients/{clientId}/deployment/{deploymentId}/status",
        form: Form::Accepted,
        ..STATUS
    };

    const fn retold(newer: Endpoint, template: &'static str) -> Endpoint {
        Endpoint {
            generation: Rc1,
            template,
            ..newer
        }
    }
}

/// rc1-and-pre-draft.md sections 14 and 19.1. Desired state travels by Git; errors are "4XX to 5XX".
mod pre_draft {
    use super::*;

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
}

macro_rules! listed_errors {
    ($($name:ident $status:literal $slug:literal;)*) => {
        $(const $name: ListedError = ListedError { status: $status, slug: Some($slug) };)*
    };
}

listed_errors! {
    INVALID_REQUEST 400 "invalid-request";
    INVALID_CERTIFICATE_FORMAT 400 "invalid-certificate-format";
    INVALID_DIGEST_HEADER 400 "invalid-digest-header";
    SIGNATURE_VERIFICATION_FAILED 401 "signature-verification-failed";
    NOT_AUTHORIZED 403 "not-authorized";
    CERTIFICATE_NOT_TRUSTED 403 "certificate-not-trusted";
    INVALID_CLIENT 404 "invalid-client";
    GATEWAY_NOT_FOUND 404 "gateway-not-found";
    DEVICE_NOT_FOUND 404 "device-not-found";
    DEPLOYMENT_NOT_FOUND 404 "deployment-not-found";
    INVALID_BUNDLE 404 "invalid-bundle";
    DISCOVERY_DOCUMENT_NOT_FOUND 404 "discovery-document-not-found";
    SPIFFE_BUNDLE_NOT_FOUND 404 "spiffe-bundle-not-found";
    NOT_ACCEPTABLE 406 "server-cannot-generate-response";
    SEMANTIC_ERROR 422 "semantic-error";
}

const _: () = {
    let mut i = 0;
    while i < ALL.len() {
        check(&ALL[i]);
        let mut j = 0;
        while j < i {
            check_pair(&ALL[i], &ALL[j]);
            j += 1;
        }
        i += 1;
    }
};

const fn check(endpoint: &Endpoint) {
    check_template(endpoint.template);
    assert!(
        !endpoint.success.is_empty(),
        "an endpoint needs a status of success"
    );
    let has_body = matches!(endpoint.method, Method::Post | Method::Put);
    assert!(
        has_body || endpoint.request_type.is_none(),
        "GET and DELETE have no body"
    );
    let mut i = 0;
    while i < endpoint.success.len() {
        let status = endpoint.success[i];
        assert!(
            status >= 200 && status < 300 || status == 304 && !has_body,
            "a status of success is 2xx, or 304 for GET"
        );
        i += 1;
    }
}

/// Two generations never share a path; one generation never means two things by a method and a path.
const fn check_pair(one: &Endpoint, other: &Endpoint) {
    let same_generation = is_same_generation(one.generation, other.generation);
    let same_method = one.method as u8 == other.method as u8;
    assert!(
        same_generation && !same_method || disjoint(one.template, other.template),
        "two endpoints match the same request"
    );
}

const fn is_same_generation(one: SpecVersion, other: SpecVersion) -> bool {
    one as u8 == other as u8
}
