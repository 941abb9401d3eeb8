//! Lint of Helm charts: what the specification forbids to depend on (rc3.md section 1.3, P6), and what is wise.

use margo_types::{DocumentPath, Finding, Location, Rule, Severity};

use super::{FileFinding, rule};
use crate::chart::{Chart, ChartFinding, ChartRule};

/// Findings in the files of a chart, whose top-level directory is called `place`.
pub(super) fn findings(place: &str, chart: &Chart) -> Vec<FileFinding> {
    let file = |file: &str| match file.strip_prefix(&chart.directory) {
        Some(inside) => format!("{place}{inside}"),
        None => file.to_owned(),
    };
    let mut findings = Vec::new();
    if !chart.has_values_schema {
        let message = "the values of the chart have no schema, so a wrong one shows up in the cluster or never";
        let fix = "add a values.schema.json";
        let finding = Finding::new(&VALUES_SCHEMA, DocumentPath::root(), message, fix);
        findings.push(FileFinding::new(place, finding));
    }
    for chart in chart.all() {
        for found in &chart.findings {
            findings.push(FileFinding::new(file(&found.file), forbidden(found)));
        }
    }
    findings
}

fn forbidden(found: &ChartFinding) -> Finding {
    let broken = match found.rule {
        ChartRule::Lookup => &LOOKUP,
        ChartRule::Hook => &HOOK,
        ChartRule::CrdDirectory => &CRD_DIRECTORY,
        ChartRule::CrdTemplate => &CRD_TEMPLATE,
    };
    let message = found.rule.to_string();
    let (message, fix) = message.split_once("; ").unwrap_or((&message, ""));
    let mut finding = Finding::new(broken, DocumentPath::root(), message, fix);
    finding.location = (found.line > 0).then_some(Location {
        line: found.line,
        column: 1,
    });
    finding
}

const fn exception(name: &'static str, demand: &'static str) -> Rule {
    Rule::new(name, "rc3.md 1.3, P6", Severity::Error, demand)
}

static LOOKUP: Rule = exception(
    ChartRule::Lookup.name(),
    "a chart does not use the template function lookup",
);
static HOOK: Rule = exception(ChartRule::Hook.name(), "a chart has no hooks");
static CRD_DIRECTORY: Rule = exception(
    ChartRule::CrdDirectory.name(),
    "a chart does not have Helm install custom resource definitions",
);
static CRD_TEMPLATE: Rule = exception(
    ChartRule::CrdTemplate.name(),
    "a chart does not define custom resources in its templates",
);
static VALUES_SCHEMA: Rule = rule(
    "lint.chart-values-schema",
    "a chart has a schema for its values",
);

/// All rules of this file.
pub(super) const RULES: &[&Rule] = &[
    &LOOKUP,
    &HOOK,
    &CRD_DIRECTORY,
    &CRD_TEMPLATE,
    &VALUES_SCHEMA,
];
