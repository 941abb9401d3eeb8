//! Behaviour that differs between generations, as named switches (rc3.md sections 0.1, 3, 5, 6 and 7;
//! rc1-and-pre-draft.md parts I, III and IV).
//!
//! A generation's rules say only what it does differently from the next one. What a peer may send is in
//! the switches that name several values; what we send is the first of them.

use crate::media_type;

/// What a generation does differently from the others.
///
/// ```
/// use margo_types::{CallerIdentity, SpecVersion};
///
/// let rules = SpecVersion::Rc1.rules();
/// assert_eq!(rules.caller, CallerIdentity::SignedRequest);
/// assert!(!rules.mutual_tls);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each switch is independent of the others"
)]
pub struct Rules {
    // --- who calls ---
    /// How a server learns who calls (rc3.md 7.2, W3; rc1-and-pre-draft.md 4 and 15).
    pub caller: CallerIdentity,
    /// How a client becomes known to a fleet manager (rc3.md 7.7; rc1-and-pre-draft.md 6.2, 13 and 15).
    pub enrolment: Enrolment,
    /// How requests are signed, apart from TLS (rc1-and-pre-draft.md 3 and 15).
    pub payload_signature: PayloadSignature,

    // --- TLS ---
    /// Whether clients present a certificate in the TLS handshake (rc3.md 3.1; rc1-and-pre-draft.md 1).
    pub mutual_tls: bool,
    /// The lowest TLS version that is spoken without being asked to (rc3.md 7.6; rc1-and-pre-draft.md 1).
    pub tls_default_minimum: TlsVersion,
    /// The lowest TLS version an operator may allow. TLS 1.2 has to follow RFC 9325 (rc3.md 7.6;
    /// rc1-and-pre-draft.md ambiguity 18).
    pub tls_lowest_allowed: TlsVersion,

    // --- desired state ---
    /// Where a client finds what it should run (rc3.md 3; rc1-and-pre-draft.md 7 and 14).
    pub desired_state: DesiredState,
    /// `Cache-Control` of a state manifest (rc3.md 3.1, W24; rc1-and-pre-draft.md 7.3). The signed
    /// generation only forbids long ages, so what the newest says is sent there too.
    pub manifest_cache_control: Option<&'static str>,
    /// `Cache-Control` of resources named by their digest (rc3.md 3.1, W26; rc1-and-pre-draft.md 6.5).
    /// The signed generation says `public` although the bodies belong to one client
    /// (rc1-and-pre-draft.md ambiguity 43).
    pub immutable_cache_control: Option<&'static str>,

    // --- capabilities ---
    /// Whether a server takes `POST` for capabilities beside `PUT` (rc1-and-pre-draft.md 5 and part IV).
    /// A client always sends `PUT` (rc1-and-pre-draft.md ambiguity 23).
    pub capabilities_by_post: bool,
    /// Whether a device can be removed by `DELETE` (rc3.md 3.1; late copies of the signed generation).
    pub capabilities_removal: bool,
    /// Whether the device id is in the path of capabilities (rc3.md 3.1; rc1-and-pre-draft.md 5).
    pub device_in_capabilities_path: DevicePath,
    /// The status of the first report of a device (rc3.md 3.1; rc1-and-pre-draft.md 5.1).
    pub capabilities_created: u16,
    /// The status of a later report of the same device (rc3.md 3.1; rc1-and-pre-draft.md 5.1).
    pub capabilities_updated: u16,
    /// Whether devices may be gateways with children behind them (rc3.md 4.1; late copies of the signed
    /// generation have them, rc1-and-pre-draft.md 8).
    pub gateways: bool,

    // --- deployment status ---
    /// The status of the first report on a deployment (rc3.md 3.1; rc1-and-pre-draft.md 5.1, ambiguity 22).
    pub status_created: u16,
    /// The status of a later report on the same deployment.
    pub status_updated: u16,
    /// Whether a report names the manifest version the client adopted (rc3.md 5.2).
    pub status_adopted_version: bool,
    /// Whether a report may name the device behind a gateway (rc3.md 5; rc1-and-pre-draft.md 9).
    pub status_device_id: bool,
    /// How states are written (rc3.md 5; rc1-and-pre-draft.md 9 and ambiguity 25).
    pub state_spelling: StateSpelling,

    // --- errors ---
    /// The bodies that errors may have; a server sends the first (rc3.md 6; rc1-and-pre-draft.md 11).
    pub error_bodies: &'static [ErrorBodyStyle],
    /// What the URI of a problem type starts with; the slug follows (rc3.md 6; rc1-and-pre-draft.md 11).
    pub problem_type_base: Option<&'static str>,
    /// The status for a caller that could not be authenticated on the HTTP level; `None` where TLS already
    /// refuses (rc3.md ambiguity 72; rc1-and-pre-draft.md 4).
    pub unauthenticated: Option<u16>,

    // --- documents and transport ---
    /// Whether requests carry `apiVersion` and `kind` (rc3.md 0.1; rc1-and-pre-draft.md 8 and 9).
    pub request_envelope: bool,
    /// What the paths of the interface start with (rc3.md 3.1; rc1-and-pre-draft.md 5 and 14).
    pub base_path: &'static str,
    /// The media type of a state manifest.
    pub manifest_media_type: &'static str,
    /// The media type of a bundle.
    pub bundle_media_type: &'static str,
    /// The names of deployment types, in the order Helm, Compose (rc1-and-pre-draft.md 0.1).
    pub deployment_types: &'static [&'static str],
    /// Whether trust comes from a SPIFFE bundle that can be discovered (rc3.md 7.4).
    pub trust_bundle: bool,
}

impl Rules {
    /// 1.0.0-rc.2 and rc.3.
    pub const RC3: Self = Self {
        caller: CallerIdentity::SpiffeId,
        enrolment: Enrolment::OperatorProvisioned,
        payload_signature: PayloadSignature::None,
        mutual_tls: true,
        tls_default_minimum: TlsVersion::Tls13,
        tls_lowest_allowed: TlsVersion::Tls12,
        desired_state: DesiredState::ManifestApi,
        manifest_cache_control: Some("private"),
        immutable_cache_control: Some("private, max-age=31536000, immutable"),
        capabilities_by_post: false,
        capabilities_removal: true,
        device_in_capabilities_path: DevicePath::Required,
        capabilities_created: 201,
        capabilities_updated: 200,
        gateways: true,
        status_created: 201,
        status_updated: 200,
        status_adopted_version: true,
        status_device_id: true,
        state_spelling: StateSpelling::LowerCase,
        error_bodies: &[ErrorBodyStyle::Problem],
        problem_type_base: Some("https://docs.margo.org/specification/problem-types#"),
        unauthenticated: None,
        request_envelope: false,
        base_path: "/api/v1",
        manifest_media_type: media_type::MANIFEST,
        bundle_media_type: media_type::BUNDLE,
        deployment_types: &["helm", "compose", "custom"],
        trust_bundle: true,
    };

    /// 1.0.0-rc.1: requests are signed, and the client id is in every path.
    pub const RC1: Self = Self {
        caller: CallerIdentity::SignedRequest,
        enrolment: Enrolment::CertificateRegistration,
        payload_signature: PayloadSignature::HttpMessageSignatures,
        mutual_tls: false,
        immutable_cache_control: Some("public, max-age=31536000, immutable"),
        capabilities_by_post: true,
        device_in_capabilities_path: DevicePath::Optional,
        capabilities_updated: 201,
        status_created: 200,
        status_adopted_version: false,
        error_bodies: &[ErrorBodyStyle::Problem, ErrorBodyStyle::ErrorMember],
        problem_type_base: Some("https://docs.margo.org/specification/problems/"),
        unauthenticated: Some(401),
        request_envelope: true,
        deployment_types: &["helm.v3", "compose"],
        trust_bundle: false,
        ..Self::RC3
    };

    /// The pre-draft of 2024: GitOps, with a small REST interface beside it.
    pub const PRE_DRAFT: Self = Self {
        caller: CallerIdentity::BearerToken,
        enrolment: Enrolment::IssuedCredentials,
        payload_signature: PayloadSignature::PayloadSignatureHeader,
        desired_state: DesiredState::GitRepository,
        manifest_cache_control: None,
        immutable_cache_control: None,
        capabilities_removal: false,
        device_in_capabilities_path: DevicePath::Required,
        gateways: false,
        status_created: 201,
        status_updated: 201,
        status_device_id: false,
        state_spelling: StateSpelling::TitleCase,
        error_bodies: &[ErrorBodyStyle::Unspecified],
        problem_type_base: None,
        base_path: "",
        deployment_types: &["helm.v3", "docker-compose"],
        ..Self::RC1
    };
}

/// How a server learns who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallerIdentity {
    /// By the SPIFFE ID of the client certificate; no path or body says it.
    SpiffeId,
    /// By the client id in the path, proved by the request's signature.
    SignedRequest,
    /// By the device id in the path, proved by an OAuth 2.0 bearer token.
    BearerToken,
}

/// How a client becomes known to a fleet manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Enrolment {
    /// The operator provisions an X.509-SVID; there is no enrolment interface.
    OperatorProvisioned,
    /// The client posts its certificate and is given a client id.
    CertificateRegistration,
    /// The fleet manager issues a client id and secret, a Git URL and a token; the exchange is undefined.
    IssuedCredentials,
}

/// How requests are signed, apart from TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadSignature {
    /// Not at all.
    None,
    /// HTTP Message Signatures (RFC 9421).
    HttpMessageSignatures,
    /// The header `X-Payload-Signature`.
    PayloadSignatureHeader,
}

/// Where a client finds what it should run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DesiredState {
    /// A state manifest, and deployments and bundles by digest.
    ManifestApi,
    /// Files in a Git repository per device.
    GitRepository,
}

/// Whether the device id is in the path of capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DevicePath {
    /// It may be; a client that has no gateways leaves it out.
    Optional,
    /// It has to be.
    Required,
}

/// How states are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateSpelling {
    /// `installed`
    LowerCase,
    /// `Installed`
    TitleCase,
}

/// What the body of an error looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorBodyStyle {
    /// Problem details (RFC 9457).
    Problem,
    /// A JSON object with `error`, and sometimes `message`.
    ErrorMember,
    /// The generation does not say; anything may come.
    Unspecified,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2, under the restrictions of RFC 9325.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

const _: () = {
    let [pre_draft, rc1, rc3] = [&Rules::PRE_DRAFT, &Rules::RC1, &Rules::RC3];
    let all = [pre_draft, rc1, rc3];
    let mut i = 0;
    while i < all.len() {
        let rules = all[i];
        assert!(
            rules.tls_lowest_allowed as u8 <= rules.tls_default_minimum as u8,
            "the default TLS version is lower than the lowest allowed"
        );
        assert!(
            rules.mutual_tls == matches!(rules.caller, CallerIdentity::SpiffeId),
            "mutual TLS and callers by SPIFFE ID belong together"
        );
        assert!(
            !rules.error_bodies.is_empty(),
            "errors need a style of body"
        );
        i += 1;
    }
};
