//! The table, one constant per endpoint, and the checks that a wrong table does not compile.

mod pre_draft;
mod rc1;
mod rc3;

use super::template::{check_template, disjoint};
use super::{Endpoint, ListedError, Method};
use crate::version::SpecVersion;

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
