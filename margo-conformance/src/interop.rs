//! How the fleet managers and agents in the field speak the signed generation, as named switches.
//!
//! The specification of that generation contradicts itself, and those who implemented it deviate further
//! (rc1-and-pre-draft.md part II; peers.md 4a to 4e). A [`Profile`] is what one of them does, on both sides of the line: the
//! fleet manager [`FakeWfm::start_signed`](crate::wfm::FakeWfm::start_signed) and the agent
//! [`FakeAgent`](crate::agent::FakeAgent) follow it.
//!
//! What is written here was read in code and reports of others, not measured. Where the facts end, the strict behaviour
//! is assumed.

mod profiles;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_types::signature;

/// One way to speak the signed generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// Its name, such as `symphony-2025-12`.
    pub name: &'static str,
    /// What its fleet manager does.
    pub fleet_manager: FleetManagerRules,
    /// What its agent does.
    pub agent: AgentRules,
}

impl Profile {
    /// As the specification has it where it agrees with itself, and as most of its texts have it elsewhere.
    pub const STRICT: Self = profiles::STRICT;

    /// The reference agent and its fleet manager, a fork of Eclipse Symphony, as of December 2025.
    pub const SYMPHONY_2025_12: Self = profiles::SYMPHONY_2025_12;

    /// The reference sandbox of 2026, before it moved to mutual TLS.
    pub const SANDBOX_9421_2026: Self = profiles::SANDBOX_9421_2026;

    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::STRICT,
        Self::SYMPHONY_2025_12,
        Self::SANDBOX_9421_2026,
    ];

    /// The profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }
}

/// What a fleet manager of the signed generation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each switch is independent of the others"
)]
pub struct FleetManagerRules {
    // --- paths ---
    /// What every path starts with. The URLs in manifests are without it, so they cannot be resolved against the host.
    pub prefix: &'static str,
    /// Whether the status route has the singular `deployment` (contradiction 21). Only one of the two is served.
    pub singular_status: bool,
    /// Whether a device id may follow `capabilities`.
    pub device_in_capabilities_path: bool,

    // --- enrolment ---
    /// How the root certificate is given out; `None` when it is not.
    pub root_certificate: Option<CertificateForm>,
    /// How the bodies of the onboarding look (contradiction 20).
    pub onboarding: OnboardingForm,
    /// Whether the signature of an onboarding request is verified, and its certificate read (contradiction 12).
    pub checks_onboarding: bool,
    /// Whether a certificate that is known gets its client id again; otherwise it is a conflict, 409.
    pub enrols_again: bool,

    // --- signatures ---
    /// Who looks at signatures.
    pub verifier: Verifier,
    /// Whether requests that change or poll something and are not signed well get 400 instead of 401.
    pub bad_signature_is_bad_request: bool,

    // --- content ---
    /// How documents of deployments look.
    pub document: DocumentForm,
    /// Whether they can be fetched one by one; otherwise there are only bundles.
    pub serves_documents: bool,
    /// Whether bundles of earlier manifests are kept.
    pub keeps_bundles: bool,
    /// Which requests for a manifest are answered.
    pub accept: AcceptRule,
    /// Whether the entity tag of a manifest is the digest of its bundle, if it has one, instead of its own.
    pub tag_of_bundle: bool,
    /// How content may be cached.
    pub caching: CachingForm,

    // --- reports ---
    /// Whether `properties.id` has to be the client id.
    pub device_is_client: bool,
    /// The status code and body for capabilities.
    pub capabilities_answer: (u16, &'static str),
    /// The status code and body for a deployment status.
    pub status_answer: (u16, &'static str),
    /// What errors have as a body.
    pub errors: ErrorForm,
}

/// What an agent of the signed generation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each switch is independent of the others"
)]
pub struct AgentRules {
    /// What it signs, and how it says so.
    pub signing: signature::Profile,
    /// The onboarding request.
    pub onboarding: OnboardingForm,
    /// How it writes its certificate.
    pub certificate: CertificateForm,
    /// How its capabilities look.
    pub capabilities: CapabilitiesForm,
    /// Whether it sends capabilities by `POST` (contradiction 23).
    pub posts_capabilities: bool,
    /// Whether it gives its client id as the device id.
    pub device_is_client: bool,
    /// Whether it fetches the bundle where it could fetch documents.
    pub prefers_bundle: bool,
    /// Whether its status route has the singular `deployment`.
    pub singular_status: bool,
    /// The `apiVersion` and `kind` of its deployment status.
    pub status: (&'static str, &'static str),
    /// Whether it writes states with a capital letter (contradiction 25).
    pub capital_states: bool,
}

/// How a certificate is written in a JSON body (contradiction 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateForm {
    /// Base64 of its DER.
    Base64Der,
    /// Base64 of its PEM.
    Base64Pem,
    /// Its PEM.
    Pem,
}

impl CertificateForm {
    /// The text of a certificate.
    pub fn write(self, der: &[u8]) -> String {
        match self {
            Self::Base64Der => STANDARD.encode(der),
            Self::Base64Pem => STANDARD.encode(pem(der)),
            Self::Pem => pem(der),
        }
    }
}

/// How the bodies of the onboarding look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnboardingForm {
    /// `apiVersion`, `kind`, `certificate`; the answer has `clientId`, a UUID.
    Aligned,
    /// `public_certificate`; the answer has `client_id`, `client-<hex>-<unix>`, and an empty `endpoint_list`.
    Early,
}

/// How capabilities look (rc1-and-pre-draft.md section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapabilitiesForm {
    /// `DeviceCapabilities` with roles and resources, of the first OpenAPI.
    Early,
    /// `DeviceCapabilitiesManifest` with roles and resources.
    Aligned,
    /// `DeviceCapabilitiesManifest` with neither, and everything in `properties`.
    Flat,
}

/// Who looks at signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verifier {
    /// A fleet manager that demands what the specification intends: `@method`, `@target-uri` and, with a body,
    /// `content-digest` covered, the digest that of the body, `created` within its window, nothing accepted twice.
    Strict,
    /// The library of the reference: whatever is covered is enough, parameters are written anew in a fixed order, every
    /// label has to verify, `keyid` has to be there, and nobody looks at `created` or the body.
    Reference,
}

/// How documents of deployments look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentForm {
    /// As the specification's text on the desired state has them.
    Specification,
    /// With `apiVersion: non-margo.org`, this kind, and the id in `metadata.id`.
    Reference {
        /// The kind.
        kind: &'static str,
    },
}

/// Which requests for a manifest are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptRule {
    /// Those that allow its media type, and those that do not say; others get 406.
    Negotiated,
    /// Those that name its media type and nothing else; others get 500.
    Exact,
}

/// How content may be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CachingForm {
    /// As the specification has it.
    Specification,
    /// Manifests for ever and by everybody; bundles have neither `ETag` nor `Cache-Control`, but both in a header
    /// `COA-META-HEADER` of the fleet manager's own.
    Coa,
    /// Manifests for ever and by everybody, bundles and documents for ever by their client.
    Private,
}

/// What errors have as a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorForm {
    /// `application/problem+json`.
    Problem,
    /// `application/json` with a member `error`.
    Error,
}

/// RFC 7468 section 5.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.extend([line, "\n"]);
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}
