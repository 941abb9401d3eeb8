//! Enrolment in the signed generation (rc1-and-pre-draft.md 6.1, 6.2).

use margo_types::onboarding::{CaCertificate, OnboardingRequest};
use margo_types::{Document, Report, SpecVersion, read, validate};

pub(super) const RULES: &[&str] = &["onboarding.certificate"];

fn report_on<T: Document>(certificate: &str) -> Report {
    let document = serde_json::json!({ "certificate": certificate }).to_string();
    let document = margo_types::Reader::new()
        .generation(SpecVersion::Rc3)
        .read::<T>(document.as_bytes());
    validate(document.unwrap().value(), SpecVersion::Rc1)
}

/// Ambiguity 17 of that page: every encoding that was met.
#[test]
fn certificates_in_every_encoding_are_valid_and_nothing_else() {
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n";
    use base64::Engine as _;

    let in_base64 = base64::engine::general_purpose::STANDARD.encode(PEM);
    for valid in ["MAMCAQU=", "MAMC\nAQU=\n", PEM, &in_base64] {
        assert!(report_on::<OnboardingRequest>(valid).is_valid(), "{valid}");
        assert!(report_on::<CaCertificate>(valid).is_valid(), "{valid}");
    }
    for invalid in ["", "aGVsbG8=", "-----BEGIN CERTIFICATE-----", "?"] {
        for report in [
            report_on::<OnboardingRequest>(invalid),
            report_on::<CaCertificate>(invalid),
        ] {
            let error = report.errors().next().unwrap();
            assert_eq!(
                (error.rule.name, &*error.path.to_string()),
                (RULES[0], "certificate")
            );
        }
    }
}

/// The rule belongs to the request and the certificate; a response is valid by its type.
#[test]
fn responses_have_a_client_id() {
    assert!(
        read::<margo_types::onboarding::OnboardingResponse>(br#"{"clientId": "a/b"}"#).is_err()
    );
}
