//! Reading a packaged chart with its subcharts.

use std::collections::BTreeMap;
use std::io::Read;

use super::error::ChartError;
use super::finding::{CapabilityCheck, ChartFinding};
use super::lint::Findings;
use super::metadata::ChartMetadata;
use super::schema::outside_references;
use crate::archive::{ArchiveReader, Entry, Limits, Policy};

/// A chart, with what was found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chart {
    /// Its directory in the archive; that of a packed subchart is below the name of its file.
    pub directory: String,
    /// What it says of itself.
    pub metadata: ChartMetadata,
    /// Whether it has a `values.schema.json`.
    pub has_values_schema: bool,
    /// What its `values.schema.json` refers to outside of itself, such as `http://example.org/port.json`; the first 20. Helm opens
    /// files and connections for them.
    pub schema_references: Vec<String>,
    /// What it must not have, without that of its subcharts; the first 500.
    pub findings: Vec<ChartFinding>,
    /// Whether it has hooks that run when it is installed, updated or removed, as far as its templates say; without those of its
    /// subcharts. Tests are hooks that do not.
    pub has_hooks: bool,
    /// Where it asks which APIs the cluster has, without its subcharts; the first 500.
    pub capability_checks: Vec<CapabilityCheck>,
    /// The charts in its directory `charts`, unpacked or packed.
    pub subcharts: Vec<Chart>,
}

impl Chart {
    /// Reads a packaged chart.
    ///
    /// # Errors
    /// [`ChartError`] when this is no chart of API version v2 within the limits. Findings are no errors.
    pub fn read<R: Read>(source: R, limits: Limits) -> Result<Self, ChartError> {
        let mut budget = Budget {
            limits,
            packed_charts: MAX_PACKED_CHARTS,
        };
        read_archive(source, "", &mut budget, MAX_NESTING)
    }

    /// The limits that Helm itself has: 100 MiB unpacked, subcharts included, and 5 MiB for a file.
    pub fn default_limits() -> Limits {
        Limits {
            max_packed_bytes: 32 << 20,
            max_unpacked_bytes: 100 << 20,
            max_file_bytes: 5 << 20,
            ..Limits::default()
        }
    }

    /// This chart and all charts in it, outermost first.
    pub fn all(&self) -> Vec<&Self> {
        let mut all = vec![self];
        let mut next = 0;
        while let Some(chart) = all.get(next) {
            all.extend(chart.subcharts.iter());
            next += 1;
        }
        all
    }
}

/// What all archives of one chart share.
struct Budget {
    limits: Limits,
    packed_charts: usize,
}

/// Reads an archive whose files are called `prefix` and their path.
fn read_archive<R: Read>(
    source: R,
    prefix: &str,
    budget: &mut Budget,
    nesting: usize,
) -> Result<Chart, ChartError> {
    let policy = Policy::default()
        .limits(budget.limits)
        .without_links()
        .one_top_directory();
    let mut reader = ArchiveReader::new(source, policy)?;
    let mut parts: BTreeMap<String, Parts> = BTreeMap::new();
    let mut packed = Vec::new();
    while let Some(mut member) = reader.next_member()? {
        let path = member.path().to_string();
        let place = Place::of(&path);
        if place.is_ignored || !matches!(member.entry(), Entry::File { .. }) {
            continue;
        }
        let file = format!("{prefix}{path}");
        // A chart in a directory that is no chart must not stay unseen.
        for (ancestor, _) in place.directory.rmatch_indices("/charts/") {
            let ancestor = place.directory.get(..ancestor).unwrap_or_default();
            parts.entry(ancestor.to_owned()).or_default();
        }
        let part = parts.entry(place.directory.to_owned()).or_default();
        match place.inside {
            "Chart.yaml" => {
                part.metadata = Some(ChartMetadata::read(&file, &member.read_to_end()?)?);
            }
            "values.yaml" => {
                let source = member.read_to_end()?;
                let source = String::from_utf8_lossy(&source);
                part.findings.search_values(&file, &source);
            }
            "values.schema.json" => {
                part.has_values_schema = true;
                part.schema_references = outside_references(&file, &member.read_to_end()?)?;
            }
            inside if is_packed_chart(inside) => {
                let next = budget.packed_charts.checked_sub(1).filter(|_| nesting > 0);
                budget.packed_charts = next.ok_or_else(|| ChartError::TooManyCharts {
                    file: file.clone(),
                    limit: MAX_PACKED_CHARTS,
                })?;
                packed.push((place.directory.to_owned(), file, member.read_to_end()?));
            }
            inside if inside.starts_with("crds/") => part.findings.crd_file(&file),
            inside if inside.starts_with("templates/") => {
                let source = member.read_to_end()?;
                let is_prose = inside == "templates/NOTES.txt";
                let source = String::from_utf8_lossy(&source);
                part.findings.search(&file, &source, is_prose);
            }
            _ => {}
        }
    }
    let spent = reader.unpacked_bytes();
    budget.limits.max_unpacked_bytes = budget.limits.max_unpacked_bytes.saturating_sub(spent);
    let top = reader.contents().top_directory().unwrap_or_default();
    parts.entry(top.to_owned()).or_default();
    let mut subcharts: BTreeMap<String, Vec<Chart>> = BTreeMap::new();
    for (directory, file, bytes) in packed {
        let chart =
            read_archive(&*bytes, &format!("{file}/"), budget, nesting - 1).map_err(|source| {
                ChartError::Nested {
                    file,
                    source: Box::new(source),
                }
            })?;
        subcharts.entry(directory).or_default().push(chart);
    }
    assemble(top, prefix, &mut parts, &mut subcharts)
}

/// What was read of one directory with a chart.
#[derive(Default)]
struct Parts {
    metadata: Option<ChartMetadata>,
    has_values_schema: bool,
    schema_references: Vec<String>,
    findings: Findings,
}

/// Puts the chart of a directory together with those in it.
fn assemble(
    directory: &str,
    prefix: &str,
    parts: &mut BTreeMap<String, Parts>,
    packed: &mut BTreeMap<String, Vec<Chart>>,
) -> Result<Chart, ChartError> {
    let part = parts.remove(directory).unwrap_or_default();
    let name = format!("{prefix}{directory}");
    let metadata = part
        .metadata
        .ok_or_else(|| ChartError::NoMetadata(name.clone()))?;
    let charts = format!("{directory}/charts/");
    let inner: Vec<String> = parts
        .range(charts.clone()..)
        .map_while(|(other, _)| Some((other, other.strip_prefix(&charts)?)))
        .filter(|(_, name)| !name.contains('/'))
        .map(|(other, _)| other.clone())
        .collect();
    let mut subcharts = packed.remove(directory).unwrap_or_default();
    for directory in inner {
        subcharts.push(assemble(&directory, prefix, parts, packed)?);
    }
    Ok(Chart {
        directory: name,
        metadata,
        has_values_schema: part.has_values_schema,
        schema_references: part.schema_references,
        has_hooks: part.findings.has_hooks,
        findings: part.findings.forbidden.into_iter().collect(),
        capability_checks: part.findings.capability_checks.into_iter().collect(),
        subcharts,
    })
}

/// Which chart a file belongs to.
struct Place<'a> {
    /// The directory of the chart.
    directory: &'a str,
    /// The path inside of it.
    inside: &'a str,
    /// Whether Helm leaves it out: below `charts`, what starts with `_` or `.`.
    is_ignored: bool,
}

impl<'a> Place<'a> {
    /// Goes down through `<chart>/charts/<chart>/…`.
    fn of(path: &'a str) -> Self {
        let mut end = path.find('/').unwrap_or(path.len());
        loop {
            let directory = path.get(..end).unwrap_or_default();
            let inside = path.get(end + 1..).unwrap_or_default();
            let below = inside.strip_prefix("charts/");
            let is_ignored = below.is_some_and(|below| below.starts_with(['_', '.']));
            match below.and_then(|below| below.find('/')) {
                Some(name) if !is_ignored => end += "/charts/".len() + name,
                _ => {
                    return Self {
                        directory,
                        inside,
                        is_ignored,
                    };
                }
            }
        }
    }
}

/// By the one extension that Helm goes by, in lower case.
fn is_packed_chart(inside: &str) -> bool {
    inside
        .strip_prefix("charts/")
        .and_then(|name| name.rsplit_once('.'))
        .is_some_and(|(_, extension)| extension == "tgz")
}

/// Packed charts in packed charts.
const MAX_NESTING: usize = 4;
/// Packed charts in one chart; more than that are no application.
const MAX_PACKED_CHARTS: usize = 64;
