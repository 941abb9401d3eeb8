//! Lint: what the specification allows and a careful engineer would not do.
//!
//! Lint never repeats strict validation. Each finding says where, which rule, why and what to do instead; all
//! are warnings, because a fleet manager must import the package anyway.

mod description;

use margo_types::application::ApplicationDescription;
use margo_types::{Exact, Finding, Report, Rule, Severity};

/// Lints an application description.
pub fn lint_description(description: &Exact<ApplicationDescription>) -> Report {
    let mut findings = description::findings(description.value());
    for finding in &mut findings {
        finding.location = description.locate(&finding.path);
    }
    Report::new(findings)
}

/// Every lint rule.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    description::RULES.iter().copied()
}

/// A lint rule: a warning without a place in the specification.
const fn rule(name: &'static str, demand: &'static str) -> Rule {
    Rule::new(name, "lint", Severity::Warning, demand)
}

/// Findings in the order they were made.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        rule: &'static Rule,
        path: margo_types::DocumentPath,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.0.push(Finding::new(rule, path, message, fix));
    }
}
