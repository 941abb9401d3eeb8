//! What is wrong with files: shown with the offending line, or as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use margo_package::chart::ChartFinding;
use margo_types::{Fault, Finding, Location, ReadError, Report, Severity};
use serde_json::{Value, json};

/// Everything wrong with what was looked at, and the texts it is in.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    texts: BTreeMap<String, Arc<[u8]>>,
}

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    /// The file, as the person named it.
    pub(crate) file: String,
    pub(crate) location: Option<Location>,
    /// The place in the document, where it is one.
    pub(crate) path: Option<String>,
    /// The name of the rule that is broken.
    pub(crate) rule: Option<String>,
    /// Where the specification has the rule.
    pub(crate) source: Option<String>,
    pub(crate) message: String,
    pub(crate) fix: String,
}

impl Problem {
    /// An error in a file, without more to say about it.
    pub(crate) fn new(file: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            location: None,
            path: None,
            rule: None,
            source: None,
            message: message.into(),
            fix: String::new(),
        }
    }

    /// An error whose text also says what to do.
    pub(crate) fn advised(file: &str, error: &dyn std::fmt::Display) -> Self {
        let text = error.to_string();
        let (message, fix) = parted(&text);
        Self {
            fix: fix.to_owned(),
            ..Self::new(file, message)
        }
    }

    fn of_finding(file: &str, finding: &Finding) -> Self {
        Self {
            severity: finding.severity,
            location: finding.location,
            path: (!finding.path.is_root()).then(|| finding.path.to_string()),
            rule: Some(finding.rule.name.to_owned()),
            source: Some(finding.rule.source.to_owned()),
            fix: finding.fix.clone(),
            ..Self::new(file, finding.message.as_str())
        }
    }

    fn of_fault(file: &str, fault: &Fault) -> Self {
        let (message, fix) = parted(&fault.message);
        Self {
            location: fault.location,
            path: Some(fault.path.to_string()),
            fix: fix.to_owned(),
            ..Self::new(file, message)
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "severity": self.severity.to_string(),
            "file": self.file,
            "line": self.location.map(|location| location.line),
            "column": self.location.map(|location| location.column),
            "path": self.path,
            "rule": self.rule,
            "source": self.source,
            "message": self.message,
            "fix": self.fix,
        })
    }
}

impl Problems {
    /// Adds one.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Adds all findings of a report on this file.
    pub(crate) fn report(&mut self, file: &str, report: &Report) {
        let findings = report.findings().iter();
        self.list
            .extend(findings.map(|finding| Problem::of_finding(file, finding)));
    }

    /// Adds why a document cannot be read.
    pub(crate) fn unreadable(&mut self, file: &str, error: &ReadError) {
        match error {
            ReadError::Malformed {
                format,
                path,
                location,
                message,
                ..
            } => self.push(Problem {
                location: *location,
                path: Some(path.to_string()),
                ..Problem::new(file, format!("not well-formed {format}: {message}"))
            }),
            error if error.faults().is_empty() => {
                self.push(Problem::new(file, error.to_string()));
            }
            error => {
                for fault in error.faults() {
                    self.push(Problem::of_fault(file, fault));
                }
            }
        }
    }

    /// Adds something that a chart must not have, in a file as the person knows it.
    pub(crate) fn chart(&mut self, file: &str, finding: &ChartFinding) {
        let line = finding.line;
        let text = finding.rule.to_string();
        let (message, fix) = parted(&text);
        self.push(Problem {
            location: (line > 0).then_some(Location { line, column: 1 }),
            rule: Some(finding.rule.name().to_owned()),
            source: Some("rc3.md 1.3".to_owned()),
            fix: fix.to_owned(),
            ..Problem::new(file, message)
        });
    }

    /// Remembers the text of a file, to show its lines.
    pub(crate) fn text(&mut self, file: &str, bytes: impl Into<Arc<[u8]>>) {
        self.texts.insert(file.to_owned(), bytes.into());
    }

    pub(crate) fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    pub(crate) fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        let list = self.list.iter();
        list.filter(|problem| problem.severity == severity).count()
    }

    /// All of them for people, with colours.
    pub(crate) fn to_text(&self) -> String {
        let renderer = Renderer::styled();
        let mut text = String::new();
        for problem in &self.list {
            text.push_str(&renderer.render(&[self.group(problem)]));
            text.push_str("\n\n");
        }
        text
    }

    /// How many there are: `no findings`, `2 errors, 1 warning`.
    pub(crate) fn summary(&self) -> String {
        let counted = |count: usize, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            count => Some(format!("{count} {what}s")),
        };
        let parts = [
            counted(self.errors(), "error"),
            counted(self.warnings(), "warning"),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            "no findings".to_owned()
        } else {
            parts.join(", ")
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        self.list.iter().map(Problem::to_json).collect()
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            _ => Level::WARNING,
        };
        let mut title = level.primary_title(problem.message.as_str());
        if let Some(rule) = &problem.rule {
            title = title.id(rule.as_str());
        }
        let group = match self.line(problem) {
            Some((number, line, column)) => {
                let start = line
                    .char_indices()
                    .nth(column - 1)
                    .map_or(line.len(), |(start, _)| start);
                // What is known by its line alone starts where the text does.
                let start = start.max(line.len() - line.trim_start().len());
                let mut mark = AnnotationKind::Primary.span(start..line.len());
                if let Some(path) = &problem.path {
                    mark = mark.label(path.as_str());
                }
                title.element(
                    Snippet::source(line)
                        .line_start(number)
                        .path(problem.file.as_str())
                        .annotation(mark),
                )
            }
            None => title.element(Self::origin(problem)),
        };
        if problem.fix.is_empty() {
            group
        } else {
            group.element(Level::HELP.message(problem.fix.as_str()))
        }
    }

    fn origin(problem: &Problem) -> Origin<'_> {
        let origin = Origin::path(problem.file.as_str());
        match problem.location {
            Some(location) => origin.line(location.line).char_column(location.column),
            None => origin,
        }
    }

    /// The number and text of the line that a problem is in, without its end, and the column from 1.
    fn line(&self, problem: &Problem) -> Option<(usize, &str, usize)> {
        let location = problem.location?;
        let text = std::str::from_utf8(self.texts.get(&problem.file)?).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line = text.lines().nth(location.line.checked_sub(1)?)?;
        let is_short = line.len() <= MAX_LINE;
        is_short.then(|| (location.line, line.trim_end(), location.column.max(1)))
    }
}

/// Every error says what is wrong and, behind the last semicolon, what to do.
pub(crate) fn parted(text: &str) -> (&str, &str) {
    text.rsplit_once("; ").unwrap_or((text, ""))
}

/// Longer lines are not shown, in bytes: they hide what is wrong instead of showing it.
const MAX_LINE: usize = 1000;
