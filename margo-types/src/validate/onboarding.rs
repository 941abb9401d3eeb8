//! Rules of enrolment in the signed generation (rc1-and-pre-draft.md sections 6.1 and 6.2).

use super::Validate;
use super::place::Place;
use super::rule::rule_table;
use crate::onboarding::{CaCertificate, Certificate, OnboardingRequest, OnboardingResponse};

impl Validate for OnboardingRequest {
    fn check(&self, at: &Place<'_>) {
        certificate(&at.key("certificate"), &self.certificate);
    }
}

/// A client id is valid by its type.
impl Validate for OnboardingResponse {
    fn check(&self, _: &Place<'_>) {}
}

impl Validate for CaCertificate {
    fn check(&self, at: &Place<'_>) {
        certificate(&at.key("certificate"), &self.certificate);
    }
}

/// The texts leave open what is encoded, so every encoding counts (rc1-and-pre-draft.md ambiguity 17).
fn certificate(at: &Place<'_>, certificate: &Certificate) {
    if let Err(invalid) = certificate.der() {
        let fix = "write the base64 of the DER of the certificate";
        at.report(&CERTIFICATE, invalid.to_string(), fix);
    }
}

rule_table! {
    CERTIFICATE: Error, "onboarding.certificate", "rc1-and-pre-draft.md 6.1, 6.2",
        "a certificate is PEM, or the base64 of DER or PEM";
}
