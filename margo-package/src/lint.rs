//! Lint: what the specification allows and a careful engineer would not do.
//!
//! Lint never repeats the strict validation of a description. Each finding says where, which rule, why and what to do
//! instead. Those about descriptions and resources are warnings, because a fleet manager must import the package anyway;
//! components are validated nowhere else, so what the specification forbids in them is an error here.

mod chart;
mod compose;
mod description;
mod files;

use std::fmt;
use std::path::Path;

use margo_types::application::ApplicationDescription;
use margo_types::{Exact, Finding, Report, Rule, Severity};

use crate::package::DESCRIPTION_FILE;

/// Lints everything in the directory of a package: its description, its resources and the components beside it.
pub fn lint_directory(
    directory: &Path,
    description: &Exact<ApplicationDescription>,
) -> Vec<FileFinding> {
    let report = lint_description(description);
    let findings = report.findings().iter().cloned();
    findings
        .map(|finding| FileFinding::new(DESCRIPTION_FILE, finding))
        .chain(lint_resources(directory, description.value()))
        .chain(lint_components(directory))
        .collect()
}

/// Lints an application description.
pub fn lint_description(description: &Exact<ApplicationDescription>) -> Report {
    let mut findings = description::findings(description.value());
    for finding in &mut findings {
        finding.location = description.locate(&finding.path);
    }
    Report::new(findings)
}

/// Finds files in `resources/` of a package's directory that its description does not refer to.
pub fn lint_resources(directory: &Path, description: &ApplicationDescription) -> Vec<FileFinding> {
    files::resources(directory, description)
}

/// Lints the components in `components/` of a package's directory: directories with a `compose.yaml` or `Chart.yaml`, and
/// packed ones.
///
/// What cannot be read or breaks the rules for its kind is a finding too.
pub fn lint_components(directory: &Path) -> Vec<FileFinding> {
    files::components(directory)
}

/// Every lint rule.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [
        description::RULES,
        compose::RULES,
        chart::RULES,
        files::RULES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// A finding in one of several files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFinding {
    /// The file, from the directory of the package, with slashes; the members of an archive are written as if it were a directory.
    pub file: String,
    /// What was found. The path is the root where the file is no document.
    pub finding: Finding,
}

impl FileFinding {
    /// A finding in this file.
    pub fn new(file: impl Into<String>, finding: Finding) -> Self {
        Self {
            file: file.into(),
            finding,
        }
    }
}

impl fmt::Display for FileFinding {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}: {}", self.file, self.finding)
    }
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
