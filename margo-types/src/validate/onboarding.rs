//! Rules of enrolment in the signed generation (rc1-and-pre-draft.md sections 6.1 and 6.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Validate;
use super::place::Place;
use super::rule::rule_table;
use super::trust::is_der_sequence;
use crate::onboarding::{CaCertificate, OnboardingRequest, OnboardingResponse};

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
fn certificate(at: &Place<'_>, text: &str) {
    let is_certificate = is_pem(text.as_bytes())
        || decode(text).is_some_and(|bytes| is_der_sequence(&bytes) || is_pem(&bytes));
    if !is_certificate {
        at.report(
            &CERTIFICATE,
            "this is neither PEM nor the base64 of a certificate",
            "write the base64 of the DER of the certificate",
        );
    }
}

fn is_pem(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        let text = text.trim();
        text.starts_with(PEM_BEGIN) && text.contains(PEM_END)
    })
}

/// Base64 may be broken into lines.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

rule_table! {
    CERTIFICATE: Error, "onboarding.certificate", "rc1-and-pre-draft.md 6.1, 6.2",
        "a certificate is PEM, or the base64 of DER or PEM";
}
