//! Packed components: compose archives and charts, in files or in stores.

use std::fs::File;
use std::path::Path;

use margo_package::chart::{Chart, ChartError};
use margo_package::compose::{ComposeArchive, ComposeError, ComposeFault};
use margo_package::publish::{ComponentKind, pull_component};
use margo_types::scalar::{Repository, Revision};

use super::Checked;
use crate::failure::{Failure, Kind};
use crate::problems::{Problem, Problems};
use crate::subject::Artefact;

/// Looks for problems in a packed component.
pub(super) fn file(path: &Path, kind: ComponentKind) -> Result<Checked, Failure> {
    let name = path.display().to_string();
    let mut checked = Checked::new(&name, in_words(kind));
    archive(path, &name, kind, &mut checked.problems)?;
    Ok(checked)
}

/// Looks for problems in a component in a registry.
pub(super) async fn stored(artefact: &Artefact) -> Result<Checked, Failure> {
    let reference = &artefact.reference;
    let unusable = |error: margo_types::InvalidText| {
        Failure::of(Kind::Usage, &error).about(format_args!("oci://{reference}"))
    };
    let repository = Repository::parse(&format!("oci://{}", reference.name())).map_err(unusable)?;
    let revision = Revision::parse(reference.tag().unwrap_or_default()).map_err(unusable)?;
    let folder =
        tempfile::tempdir().map_err(|error| Failure::file(&std::env::temp_dir(), error))?;
    let file = folder.path().join("component");
    let pulled = pull_component(&*artefact.store, &repository, &revision, &file).await?;
    let name = format!("oci://{reference}");
    let mut checked = Checked::new(&name, in_words(pulled.kind));
    archive(&file, &name, pulled.kind, &mut checked.problems)?;
    Ok(checked)
}

/// Looks into an archive.
fn archive(
    path: &Path,
    shown: &str,
    kind: ComponentKind,
    problems: &mut Problems,
) -> Result<(), Failure> {
    let blob = File::open(path).map_err(|error| Failure::file(path, error))?;
    if kind == ComponentKind::Compose {
        let limits = margo_package::archive::Limits::default();
        return match ComposeArchive::open(blob, limits) {
            Ok(_) => Ok(()),
            Err(error) => compose_failed(error, shown, problems),
        };
    }
    match Chart::read(blob, Chart::default_limits()) {
        Ok(chart) => {
            for chart in chart.all() {
                for finding in &chart.findings {
                    problems.chart(&format!("{shown}, {}", finding.file), finding);
                }
            }
            Ok(())
        }
        Err(error) => chart_failed(error, shown, problems),
    }
}

fn compose_failed(
    error: ComposeError,
    shown: &str,
    problems: &mut Problems,
) -> Result<(), Failure> {
    if Kind::from(error.blame()) != Kind::Invalid {
        return Err(Failure::from(error).about(shown));
    }
    for fault in error.faults() {
        if let ComposeFault::Yaml { file, why } = fault {
            let file = format!("{shown}, {file}");
            problems.push(Problem {
                location: why.location,
                ..Problem::advised(&file, &why.why)
            });
        } else {
            problems.push(Problem::advised(shown, fault));
        }
    }
    if error.faults().is_empty() {
        problems.push(Problem::advised(shown, &with_sources(&error)));
    }
    Ok(())
}

fn chart_failed(error: ChartError, shown: &str, problems: &mut Problems) -> Result<(), Failure> {
    if Kind::from(error.blame()) != Kind::Invalid {
        return Err(Failure::from(error).about(shown));
    }
    problems.push(Problem::advised(shown, &with_sources(&error)));
    Ok(())
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    text
}

fn in_words(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Helm => "Helm chart",
        _ => "compose archive",
    }
}
