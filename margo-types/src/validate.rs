//! Strict validation: every rule of the specification that a document alone can show, all findings at once.
//!
//! One file checks one document, or one part that several documents share, and ends with the table of its
//! rules. [`rules`] gives all of them. What only some generations demand is a switch in `switches.rs`.

mod across;
mod application;
mod capabilities;
mod component;
mod configuration;
mod constraints;
mod defaults;
mod deployment;
mod manifest;
mod members;
mod oci;
mod onboarding;
mod parameters;
pub(crate) mod place;
mod problem;
mod rule;
mod selectors;
mod status;
mod switches;
mod trust;

pub use self::across::{validate_capabilities_of, validate_reference, validate_status_against};
use self::place::{Check, Place};
pub use self::rule::{Rule, rules};
use crate::document::Document;
use crate::exact::Exact;
use crate::finding::Report;
use crate::version::SpecVersion;

/// A document whose rules are known.
pub(crate) trait Validate {
    /// Reports everything wrong with the document, which is at this place.
    fn check(&self, at: &Place<'_>);
}

/// Checks a document against every rule of a generation.
pub fn validate<T: Document>(document: &T, generation: SpecVersion) -> Report {
    Check::run(generation, |root| document.check(root))
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
