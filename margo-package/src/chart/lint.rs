//! What a template must not have, and what it asks of the cluster.

use std::collections::BTreeSet;

use super::finding::{CapabilityCheck, ChartFinding, ChartRule};
use super::template::{Action, TokenKind, split};

/// What was found so far; at most [`MAX_FINDINGS`] of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) forbidden: BTreeSet<ChartFinding>,
    pub(super) capability_checks: BTreeSet<CapabilityCheck>,
    /// Whether any hook is more than a test.
    pub(super) has_hooks: bool,
}

/// Whether a text calls the template function `lookup`, were it run as a template, as `tpl` may.
pub fn calls_lookup(text: &str) -> bool {
    let mut findings = Findings::default();
    findings.search("", text, true);
    let mut found = findings.forbidden.iter();
    found.any(|finding| finding.rule == ChartRule::Lookup)
}

impl Findings {
    /// Searches the file of a template. Notes are prose: only their actions count.
    pub(super) fn search(&mut self, file: &str, source: &str, is_prose: bool) {
        self.template(file, source, 1, is_prose, MAX_NESTING);
    }

    /// Searches the values of a chart, whose strings a template may run with `tpl`. Comments are nobody's.
    pub(super) fn search_values(&mut self, file: &str, source: &str) {
        let lines = source.lines().map(|line| match line.trim_start() {
            comment if comment.starts_with('#') => "",
            _ => line,
        });
        let lines: Vec<&str> = lines.collect();
        // A template may take annotations from there.
        let mut phases = lines.iter().filter_map(|line| value_of(line, HOOK));
        self.has_hooks |= phases.any(|phases| !is_test(phases));
        self.search(file, &lines.join("\n"), true);
    }

    /// Notes a file in the directory `crds`.
    pub(super) fn crd_file(&mut self, file: &str) {
        self.forbid(file, 0, ChartRule::CrdDirectory);
    }

    fn template(&mut self, file: &str, source: &str, start: usize, is_prose: bool, nesting: usize) {
        let text = split(source, |action| self.action(file, action, start, nesting));
        if !is_prose {
            self.manifest(file, &text, start);
        }
    }

    fn action(&mut self, file: &str, action: &Action, start: usize, nesting: usize) {
        for (position, token) in action.iter().enumerate() {
            let line = start + token.line - 1;
            match &token.kind {
                TokenKind::Word(word) if word == "lookup" => {
                    self.forbid(file, line, ChartRule::Lookup);
                }
                // Also by way of `with .Capabilities.APIVersions` or a variable: nothing else has this method.
                TokenKind::Word(word) if word.ends_with(".Has") => {
                    let check = CapabilityCheck {
                        file: file.to_owned(),
                        line,
                        api: argument(action, position),
                    };
                    insert(&mut self.capability_checks, check);
                }
                TokenKind::Text(text) => {
                    if text == HOOK {
                        self.forbid(file, line, ChartRule::Hook);
                        self.has_hooks = true;
                    }
                    // `tpl` runs strings as templates.
                    if text.contains("{{")
                        && let Some(nesting) = nesting.checked_sub(1)
                    {
                        self.template(file, text, line, false, nesting);
                    } else {
                        self.manifest(file, text, line);
                    }
                }
                _ => {}
            }
        }
    }

    /// Searches text that becomes YAML.
    fn manifest(&mut self, file: &str, text: &str, start: usize) {
        for (offset, line) in text.lines().enumerate() {
            if line.trim_start().starts_with('#') {
                continue;
            }
            if let Some(phases) = value_of(line, HOOK) {
                self.forbid(file, start + offset, ChartRule::Hook);
                self.has_hooks |= !is_test(phases);
            }
            let kind = value_of(line, "kind").unwrap_or_default();
            let kind = kind.trim_start_matches([' ', '"', '\'']);
            if kind.strip_prefix(CRD).is_some_and(is_end_of_word) {
                self.forbid(file, start + offset, ChartRule::CrdTemplate);
            }
        }
    }

    fn forbid(&mut self, file: &str, line: usize, rule: ChartRule) {
        let finding = ChartFinding {
            file: file.to_owned(),
            line,
            rule,
        };
        insert(&mut self.forbidden, finding);
    }
}

fn insert<T: Ord>(findings: &mut BTreeSet<T>, finding: T) {
    if findings.len() < MAX_FINDINGS {
        findings.insert(finding);
    }
}

/// The string after a method, or the one piped into it.
fn argument(action: &Action, position: usize) -> Option<String> {
    let text_at = |position: usize| match action.get(position).map(|token| &token.kind) {
        Some(TokenKind::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let before = position
        .checked_sub(1)
        .and_then(|before| action.get(before));
    let is_piped = before.is_some_and(|token| token.kind == TokenKind::Symbol('|'));
    text_at(position + 1).or_else(|| text_at(position.checked_sub(2).filter(|_| is_piped)?))
}

/// What follows `key:` in a line of YAML, the key quoted or not.
fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    // A comment after a value.
    let line = line.split(" #").next()?;
    line.match_indices(key).find_map(|(position, _)| {
        let before = line.get(..position)?;
        let after = line.get(position + key.len()..)?;
        let after = after.strip_prefix(['"', '\'']).unwrap_or(after);
        let value = after.trim_start().strip_prefix(':')?;
        let starts_here = before.is_empty() || before.ends_with([' ', '\t', '"', '\'', '{', ',']);
        starts_here.then_some(value)
    })
}

/// Whether a hook only runs for `helm test`.
fn is_test(phases: &str) -> bool {
    let phases = phases.trim().trim_end_matches(['}', ' ']);
    matches!(phases.trim_matches(['"', '\'']), "test" | "test-success")
}

fn is_end_of_word(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-')
}

const HOOK: &str = "helm.sh/hook";
const CRD: &str = "CustomResourceDefinition";
/// Enough to see what is wrong with a chart, and little enough for a hostile one.
const MAX_FINDINGS: usize = 500;
/// Templates in strings in templates.
const MAX_NESTING: usize = 4;

#[cfg(test)]
mod tests;
