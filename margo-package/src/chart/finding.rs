//! What is found in the templates of a chart.

use std::fmt;

/// Something in a chart that the specification forbids to depend on (rc3.md section 1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ChartFinding {
    /// The file in the archive; a packed subchart is written like a directory.
    pub file: String,
    /// The line, counted from 1; 0 for the whole file.
    pub line: usize,
    /// What it is.
    pub rule: ChartRule,
}

impl fmt::Display for ChartFinding {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.file, self.rule),
            line => write!(formatter, "{}:{line}: {}", self.file, self.rule),
        }
    }
}

/// What a chart must not depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ChartRule {
    /// The template function `lookup`, which reads from the cluster.
    Lookup,
    /// The annotation `helm.sh/hook`, of any phase.
    Hook,
    /// A custom resource definition in the directory `crds`.
    CrdDirectory,
    /// A custom resource definition among the templates.
    CrdTemplate,
}

impl ChartRule {
    /// A stable name of the rule.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "chart.lookup",
            Self::Hook => "chart.hook",
            Self::CrdDirectory => "chart.crd-directory",
            Self::CrdTemplate => "chart.crd-template",
        }
    }
}

impl fmt::Display for ChartRule {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(match self {
            Self::Lookup => "uses the template function lookup; take the value from a parameter",
            Self::Hook => "is a Helm hook; use a job or an init container",
            Self::CrdDirectory => {
                "is a custom resource definition; have it installed before the application"
            }
            Self::CrdTemplate => {
                "defines a custom resource; have it installed before the application"
            }
        })
    }
}

/// A template that asks whether the cluster has an API, with `.Capabilities.APIVersions.Has`.
///
/// A provider that renders templates without a cluster has to be told the answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct CapabilityCheck {
    /// The file in the archive; a packed subchart is written like a directory.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The API, such as `monitoring.coreos.com/v1`; `None` when the template computes it.
    pub api: Option<String>,
}
