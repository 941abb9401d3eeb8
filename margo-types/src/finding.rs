//! What is wrong with a document, for people and programs.

use std::fmt;

use crate::path::{DocumentPath, Location};
use crate::validate::Rule;

/// One thing that a reader or the strict validation found in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is: as bad as breaking the rule is.
    pub severity: Severity,
    /// Where it is.
    pub path: DocumentPath,
    /// The line and column, where known.
    pub location: Option<Location>,
    /// The rule that is broken.
    pub rule: &'static Rule,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub fix: String,
}

impl Finding {
    /// A rule broken at some place, whose line and column are not known yet.
    pub fn new(
        rule: &'static Rule,
        path: DocumentPath,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            severity: rule.severity,
            path,
            location: None,
            rule,
            message: message.into(),
            fix: fix.into(),
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Allowed, but probably not meant.
    Warning,
    /// The specification forbids it.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}: {}", self.severity, self.path)?;
        if let Some(location) = self.location {
            write!(formatter, " ({location})")?;
        }
        write!(formatter, ": {}", self.message)?;
        if !self.fix.is_empty() {
            write!(formatter, "; {}", self.fix)?;
        }
        write!(formatter, " [{}, {}]", self.rule.name, self.rule.source)
    }
}

/// All findings in one document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Report {
    findings: Vec<Finding>,
    omitted: usize,
}

impl Report {
    /// A report of these findings.
    pub fn new(findings: Vec<Finding>) -> Self {
        Self {
            findings,
            omitted: 0,
        }
    }

    /// The findings, in the order of the document.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings there were beyond the 100 errors and 100 warnings that a report holds.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The findings that make the document invalid.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
    }

    /// The findings that do not.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Warning)
    }

    /// Whether the document obeys every rule; warnings are allowed.
    pub fn is_valid(&self) -> bool {
        self.errors().next().is_none()
    }

    pub(crate) fn omitting(mut self, omitted: usize) -> Self {
        self.omitted = omitted;
        self
    }

    pub(crate) fn findings_mut(&mut self) -> &mut [Finding] {
        &mut self.findings
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        for (position, finding) in self.findings.iter().enumerate() {
            if position > 0 {
                formatter.write_str("\n")?;
            }
            finding.fmt(formatter)?;
        }
        if self.omitted > 0 {
            write!(formatter, "\nand {} more findings", self.omitted)?;
        }
        Ok(())
    }
}
