//! The profiles.

use margo_types::signature;

use super::{
    AcceptRule, AgentRules, CachingForm, CapabilitiesForm, CertificateForm, DocumentForm,
    ErrorForm, FleetManagerRules, OnboardingForm, Profile, Verifier,
};

/// rc1-and-pre-draft.md part I, in the aligned state S2.
pub(super) const STRICT: Profile = Profile {
    name: "strict",
    fleet_manager: FleetManagerRules {
        prefix: "",
        singular_status: false,
        device_in_capabilities_path: true,
        root_certificate: Some(CertificateForm::Base64Der),
        onboarding: OnboardingForm::Aligned,
        checks_onboarding: true,
        enrols_again: true,
        verifier: Verifier::Strict,
        bad_signature_is_bad_request: false,
        document: DocumentForm::Specification,
        serves_documents: true,
        keeps_bundles: true,
        accept: AcceptRule::Negotiated,
        tag_of_bundle: false,
        caching: CachingForm::Specification,
        device_is_client: false,
        capabilities_answer: (201, ""),
        status_answer: (200, ""),
        errors: ErrorForm::Problem,
    },
    agent: AgentRules {
        signing: AS_WRITTEN,
        onboarding: OnboardingForm::Aligned,
        certificate: CertificateForm::Base64Der,
        capabilities: CapabilitiesForm::Aligned,
        posts_capabilities: false,
        device_is_client: false,
        prefers_bundle: false,
        singular_status: false,
        status: ("deployment.margo.org/v1alpha1", "DeploymentStatusManifest"),
        capital_states: false,
    },
};

/// peers.md sections 4a to 4c and 4e, columns F and S.
pub(super) const SYMPHONY_2025_12: Profile = Profile {
    name: "symphony-2025-12",
    fleet_manager: FleetManagerRules {
        prefix: "/v1alpha2/margo",
        singular_status: true,
        device_in_capabilities_path: false,
        root_certificate: None,
        onboarding: OnboardingForm::Early,
        checks_onboarding: false,
        enrols_again: false,
        verifier: Verifier::Reference,
        bad_signature_is_bad_request: true,
        document: DocumentForm::Reference {
            kind: "ApplicationDeploymentManifest",
        },
        serves_documents: false,
        keeps_bundles: false,
        accept: AcceptRule::Exact,
        tag_of_bundle: true,
        caching: CachingForm::Coa,
        device_is_client: true,
        capabilities_answer: (201, r#"{"message":"capabilities saved"}"#),
        status_answer: (201, "null"),
        errors: ErrorForm::Error,
    },
    agent: AgentRules {
        signing: signature::Profile::SYMPHONY_2025_12,
        onboarding: OnboardingForm::Early,
        certificate: CertificateForm::Base64Pem,
        capabilities: CapabilitiesForm::Early,
        posts_capabilities: true,
        device_is_client: true,
        prefers_bundle: true,
        singular_status: true,
        status: ("margo.org", "DeploymentStatus"),
        capital_states: true,
    },
};

/// peers.md sections 4a to 4c, column N and the mock of its conformance suite.
pub(super) const SANDBOX_9421_2026: Profile = Profile {
    name: "sandbox-9421-2026",
    fleet_manager: FleetManagerRules {
        prefix: "",
        singular_status: false,
        device_in_capabilities_path: true,
        root_certificate: Some(CertificateForm::Pem),
        onboarding: OnboardingForm::Aligned,
        bad_signature_is_bad_request: false,
        document: DocumentForm::Reference {
            kind: "ApplicationDeployment",
        },
        serves_documents: true,
        accept: AcceptRule::Negotiated,
        caching: CachingForm::Private,
        device_is_client: false,
        capabilities_answer: (201, ""),
        status_answer: (200, ""),
        ..SYMPHONY_2025_12.fleet_manager
    },
    agent: AgentRules {
        signing: signature::Profile::SANDBOX_9421_2026,
        onboarding: OnboardingForm::Aligned,
        capabilities: CapabilitiesForm::Flat,
        device_is_client: false,
        singular_status: false,
        status: ("deployment.margo.org/v1alpha1", "DeploymentStatusManifest"),
        capital_states: false,
        ..SYMPHONY_2025_12.agent
    },
};

/// The template of the specification, with its component name in lower case (contradiction 3).
const AS_WRITTEN: signature::Profile = {
    let mut written = signature::Profile::COMMON;
    written.name = "strict";
    written.components = &["@method", "@target-uri"];
    written.names_algorithm = false;
    written
};
