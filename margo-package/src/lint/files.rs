//! Lint of what lies beside a description: its resources and its components.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use margo_types::application::ApplicationDescription;
use margo_types::id::ComponentName;
use margo_types::{DocumentPath, Finding, Rule, Severity};

use super::{FileFinding, chart, compose, rule};
use crate::archive::Limits;
use crate::chart::{Chart, ChartError, METADATA_FILE};
use crate::compose::{COMPOSE_FILE, ComposeArchive, ComposeError, ComposeFault, yaml};
use crate::package::{PackagePath, ResourceRole};

/// Files in `resources/` that the description does not refer to.
pub(super) fn resources(
    directory: &Path,
    description: &ApplicationDescription,
) -> Vec<FileFinding> {
    let application = description
        .metadata
        .catalog
        .application
        .clone()
        .unwrap_or_default();
    let used: BTreeSet<String> = ResourceRole::ALL
        .into_iter()
        .filter_map(|role| PackagePath::parse(role.link(&application)?).ok())
        .map(|path| path.to_string())
        .collect();
    let mut findings = Vec::new();
    let mut pending = vec![RESOURCES.to_owned()];
    while let Some(folder) = pending.pop() {
        for (name, path) in children(&directory.join(&folder)) {
            let file = format!("{folder}/{name}");
            if path.is_dir() && !path.is_symlink() {
                pending.push(file);
            } else if !used.contains(&file) {
                let message = "the description does not refer to this file, so it is not published";
                let fix = "refer to it from metadata.catalog.application or remove it";
                let finding = Finding::new(&UNREFERENCED, DocumentPath::root(), message, fix);
                findings.push(FileFinding::new(file, finding));
            }
        }
    }
    findings
}

/// Everything about the components in `components/`.
pub(super) fn components(directory: &Path) -> Vec<FileFinding> {
    let mut findings = Vec::new();
    for (name, path) in children(&directory.join(COMPONENTS)) {
        let file = format!("{COMPONENTS}/{name}");
        let is_archive = [".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end));
        if path.join(COMPOSE_FILE).is_file() {
            findings.extend(compose_directory(&file, &name, &path));
        } else if path.join(METADATA_FILE).is_file() {
            findings.extend(chart_directory(&file, &path));
        } else if is_archive && path.is_file() {
            findings.extend(archive(&file, &path));
        }
    }
    findings
}

fn compose_directory(file: &str, name: &str, path: &Path) -> Vec<FileFinding> {
    let component = ComponentName::parse(name).or_else(|_| ComponentName::parse("component"));
    if let Ok(component) = component
        && let Err(error) = crate::compose::validate(path, &component)
    {
        return refused_compose(file, &error);
    }
    let bytes = fs::read(path.join(COMPOSE_FILE)).unwrap_or_default();
    let document = yaml::parse(&bytes).unwrap_or_default();
    let mut found = compose::findings(&document);
    for finding in &mut found {
        finding.location = yaml::locate(&bytes, &finding.path);
    }
    let file = format!("{file}/{COMPOSE_FILE}");
    found
        .into_iter()
        .map(|finding| FileFinding::new(file.as_str(), finding))
        .collect()
}

fn chart_directory(file: &str, path: &Path) -> Vec<FileFinding> {
    let mut packed = Vec::new();
    let chart = crate::chart::pack(path, &mut packed)
        .and_then(|_| Chart::read(&*packed, Chart::default_limits()));
    match chart {
        Ok(chart) => chart::findings(file, &chart),
        Err(error) => vec![refused(&CHART, file, &error)],
    }
}

/// A packed component: a chart if it has a `Chart.yaml`, else a compose archive.
fn archive(file: &str, path: &Path) -> Vec<FileFinding> {
    let open = || File::open(path).map_err(|error| vec![refused(&COMPOSE, file, &error)]);
    let chart = open().map(|archive| Chart::read(archive, Chart::default_limits()));
    match chart {
        Err(findings) => return findings,
        Ok(Ok(chart)) => return chart::findings(&format!("{file}/{}", chart.directory), &chart),
        Ok(Err(ChartError::NoMetadata(_) | ChartError::Archive(_))) => {}
        Ok(Err(error)) => return vec![refused(&CHART, file, &error)],
    }
    let archive = match open() {
        Ok(archive) => ComposeArchive::open(archive, Limits::default()),
        Err(findings) => return findings,
    };
    match archive {
        Ok(archive) => {
            let file = format!("{file}/{}/{COMPOSE_FILE}", archive.directory());
            let found = compose::findings(archive.compose());
            let found = found.into_iter();
            found
                .map(|finding| FileFinding::new(file.as_str(), finding))
                .collect()
        }
        Err(error) => refused_compose(file, &error),
    }
}

/// One finding for each rule that a Compose component breaks.
fn refused_compose(file: &str, error: &ComposeError) -> Vec<FileFinding> {
    if error.faults().is_empty() {
        return vec![refused(&COMPOSE, file, error)];
    }
    let finding = |fault: &ComposeFault| {
        let mut found = refused(&COMPOSE, file, fault);
        found.finding.location = match fault {
            ComposeFault::Yaml { why, .. } => why.location,
            _ => None,
        };
        found
    };
    error.faults().iter().map(finding).collect()
}

fn refused(broken: &'static Rule, file: &str, error: &dyn Error) -> FileFinding {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        // Some texts hold that of their source.
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = error.source();
    }
    FileFinding::new(
        file,
        Finding::new(broken, DocumentPath::root(), message, ""),
    )
}

/// The children of a directory that are not hidden, sorted. Nothing where there is no directory.
fn children(directory: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.map(|entry| {
        (
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        )
    });
    let mut children: Vec<_> = named.filter(|(name, _)| !name.starts_with('.')).collect();
    children.sort();
    children
}

const RESOURCES: &str = "resources";
const COMPONENTS: &str = "components";

static UNREFERENCED: Rule = rule(
    "lint.file-unreferenced",
    "the description refers to every file in resources",
);
static COMPOSE: Rule = Rule::new(
    "component.compose",
    "rc3.md 8, P19, P21, P22",
    Severity::Error,
    "the content of a Compose component obeys the rules for its archive",
);
static CHART: Rule = Rule::new(
    "component.chart",
    "rc3.md 1.3, P6",
    Severity::Error,
    "a Helm component is a chart of API version v2",
);

/// All rules of this file.
pub(super) const RULES: &[&Rule] = &[&UNREFERENCED, &COMPOSE, &CHART];
