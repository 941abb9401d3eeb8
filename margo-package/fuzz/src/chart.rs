//! Packaged charts.

use margo_package::archive::{ArchiveReader, Entry, Policy};
use margo_package::chart::{Chart, ChartFinding, ChartRule};

use super::check::{check_error, limits};
use super::inputs::forms;

/// A chart that is accepted is there with all charts in it, and what it must not have is found where no template can hide it.
pub fn chart(data: &[u8]) {
    for packed in forms(data) {
        match Chart::read(&*packed, limits()) {
            Ok(chart) => {
                for chart in chart.all() {
                    assert!(!chart.metadata.name.is_empty() && !chart.metadata.version.is_empty());
                    assert!(chart.findings.len() <= 500 && chart.capability_checks.len() <= 500);
                    assert!(chart.schema_references.len() <= 20);
                    assert!(chart.has_values_schema || chart.schema_references.is_empty());
                    for finding in &chart.findings {
                        let text = finding.to_string();
                        assert!(text.starts_with(&chart.directory), "{text}");
                        assert!(!text.chars().any(char::is_control), "{text:?}");
                    }
                }
                check_complete(&chart, &packed);
            }
            Err(error) => check_error(&error),
        }
    }
}

/// Looks for what Helm would take for a chart, a hook and so on, one file after the other.
fn check_complete(chart: &Chart, packed: &[u8]) {
    let policy = Policy::default().limits(limits());
    let mut reader = ArchiveReader::new(packed, policy).expect("an archive");
    let all = chart.all();
    while let Some(mut member) = reader.next_member().expect("a member") {
        let path = member.path().clone();
        let names: Vec<&str> = path.names().collect();
        let is_left_out = |pair: &[&str]| pair[0] == "charts" && pair[1].starts_with(['_', '.']);
        if !matches!(member.entry(), Entry::File { .. }) || names.windows(2).any(is_left_out) {
            continue;
        }
        let content = member.read_to_end().expect("content");
        let content = String::from_utf8_lossy(&content);
        let (directory, inside) = split(&names);
        let found = all.iter().find(|chart| chart.directory == directory);
        let chart = found.unwrap_or_else(|| panic!("no chart {directory} of {path}"));
        let expected = match inside[..] {
            ["values.schema.json"] => {
                assert!(chart.has_values_schema);
                let is_ours = content.trim() == SCHEMA;
                assert!(!is_ours || chart.schema_references == [SCHEMA_REFERENCE]);
                None
            }
            ["charts", packed] if is_packed_chart(packed) => {
                let below = format!("{path}/");
                let is_there = all.iter().any(|chart| chart.directory.starts_with(&below));
                assert!(is_there, "{path}");
                None
            }
            ["crds", ..] => Some((0, ChartRule::CrdDirectory)),
            ["templates", _, ..] => rule_of(&content).map(|rule| (1, rule)),
            _ => None,
        };
        // In notes only actions count, and there is an end to findings.
        let is_prose = inside == ["templates", "NOTES.txt"];
        if let Some((line, rule)) = expected
            && chart.findings.len() < 500
            && (rule == ChartRule::Lookup || !is_prose)
        {
            let is_it = |finding: &ChartFinding| {
                finding.file == path.as_str() && finding.line == line && finding.rule == rule
            };
            assert!(chart.findings.iter().any(is_it), "{path} {rule:?}");
        }
    }
}

/// The chart that a file belongs to and its path in there: below `charts` is one in every directory.
fn split<'n>(names: &'n [&'n str]) -> (String, &'n [&'n str]) {
    let mut end = 1;
    while names.get(end) == Some(&"charts") && names.len() > end + 2 {
        end += 2;
    }
    (names[..end].join("/"), &names[end..])
}

/// By the one extension that Helm goes by, in lower case.
fn is_packed_chart(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end == "tgz")
}

/// What a template has in its first line, where no comment or string can be around it.
fn rule_of(template: &str) -> Option<ChartRule> {
    let first = template.lines().next().unwrap_or_default();
    if first.starts_with("{{ lookup ") {
        Some(ChartRule::Lookup)
    } else if first.starts_with("helm.sh/hook: ") {
        Some(ChartRule::Hook)
    } else if first == "kind: CustomResourceDefinition" {
        Some(ChartRule::CrdTemplate)
    } else {
        None
    }
}

/// A schema that inputs have, and where it leads.
const SCHEMA: &str =
    r##"{"properties": {"a": {"$ref": "#/b"}, "c": {"$ref": "http://c.test/d.json"}}}"##;
const SCHEMA_REFERENCE: &str = "http://c.test/d.json";
