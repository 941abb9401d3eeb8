//! Strict validation: every rule of the specification that a document alone can show, all findings at once.

use crate::document::Document;
use crate::exact::Exact;
use crate::finding::Report;
use crate::version::SpecVersion;

/// A document whose rules are known.
pub(crate) trait Validate {
    /// Everything wrong with the document by the rules of a generation.
    fn findings(&self, generation: SpecVersion) -> Report;
}

/// Checks a document against every rule of a generation.
pub fn validate<T: Document>(document: &T, generation: SpecVersion) -> Report {
    document.findings(generation)
}

impl<T: Document> Exact<T> {
    /// Checks the document against every rule of the generation it was read as, and says where in the bytes
    /// each finding is.
    pub fn validate(&self) -> Report {
        let mut report = validate(self.value(), self.generation());
        if !report.findings().is_empty() {
            let locator = self.locator();
            for finding in report.findings_mut() {
                finding.location = locator.locate(&finding.path);
            }
        }
        report
    }
}

macro_rules! unchecked {
    ($($type:ty,)*) => {$(
        impl Validate for $type {
            fn findings(&self, _: SpecVersion) -> Report {
                Report::default()
            }
        }
    )*};
}
unchecked! {
    crate::application::ApplicationDescription,
    crate::deployment::ApplicationDeployment,
    crate::manifest::StateManifest,
    crate::capabilities::DeviceCapabilities,
    crate::status::DeploymentStatus,
    crate::problem::Problem,
    crate::trust::DiscoveryDocument,
    crate::trust::TrustBundle,
    crate::oci::PackageManifest,
    crate::oci::TagList,
    crate::onboarding::OnboardingRequest,
    crate::onboarding::OnboardingResponse,
    crate::onboarding::CaCertificate,
}
