//! Components: compose archives and charts, packed or not, in files or in stores.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use margo_package::chart::{self, Chart, ChartError};
use margo_package::compose::{self, ComposeArchive, ComposeError, ComposeFault};
use margo_package::publish::{
    ComponentKind, ComponentPlace, FoundComponent, PublishError, pull_component,
};
use margo_types::scalar::{Repository, Revision};

use super::{Checked, Depth};
use crate::failure::{Failure, Kind};
use crate::problems::{Problem, Problems};
use crate::subject::Artefact;

/// Looks for problems in a packed component.
pub(super) fn file(path: &Path, kind: ComponentKind) -> Result<Checked, Failure> {
    let name = path.display().to_string();
    let mut checked = Checked::new(&name, in_words(kind));
    archive(path, &name, None, kind, &mut checked.problems)?;
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
    archive(&file, &name, None, pulled.kind, &mut checked.problems)?;
    Ok(checked)
}

/// Looks for problems in a component beside a package.
pub(super) fn beside(
    found: &FoundComponent,
    _depth: Depth,
    problems: &mut Problems,
) -> Result<(), Failure> {
    let Some(kind) = found.kind() else {
        return Ok(());
    };
    let directory = match &found.place {
        ComponentPlace::Archive(path) => {
            return archive(path, &path.display().to_string(), None, kind, problems);
        }
        ComponentPlace::Directory(path) => path,
        _ => return Ok(()),
    };
    let shown = directory.display().to_string();
    match kind {
        ComponentKind::Compose => {
            let name = &found.component.name;
            if let Err(error) = compose::pack(directory, name, io::sink()) {
                compose_failed(error, &shown, Some(directory), problems)?;
            }
        }
        _ => {
            let mut packed = tempfile::NamedTempFile::new()
                .map_err(|error| Failure::file(&std::env::temp_dir(), error))?;
            match chart::pack(directory, &mut packed) {
                Ok(_) => archive(packed.path(), &shown, Some(directory), kind, problems)?,
                Err(error) => chart_failed(error, &shown, problems)?,
            }
        }
    }
    Ok(())
}

/// Adds why components were not found, unless that is not the fault of their content.
pub(super) fn failed(
    error: PublishError,
    file: &str,
    problems: &mut Problems,
) -> Result<(), Failure> {
    match error {
        PublishError::Compose { artefact, source } => {
            compose_failed(source, &artefact, None, problems)
        }
        PublishError::Chart { artefact, source } => chart_failed(source, &artefact, problems),
        PublishError::Misfit { ref artefact, .. } => {
            problems.push(Problem::advised(artefact, &error));
            Ok(())
        }
        PublishError::Reference { .. } => {
            problems.push(Problem::advised(file, &error));
            Ok(())
        }
        error => Err(error.into()),
    }
}

/// Looks into an archive. `directory` is where it was packed from.
fn archive(
    path: &Path,
    shown: &str,
    directory: Option<&Path>,
    kind: ComponentKind,
    problems: &mut Problems,
) -> Result<(), Failure> {
    let blob = File::open(path).map_err(|error| Failure::file(path, error))?;
    if kind == ComponentKind::Compose {
        let limits = margo_package::archive::Limits::default();
        return match ComposeArchive::open(blob, limits) {
            Ok(_) => Ok(()),
            Err(error) => compose_failed(error, shown, directory, problems),
        };
    }
    match Chart::read(blob, Chart::default_limits()) {
        Ok(chart) => {
            for chart in chart.all() {
                for finding in &chart.findings {
                    let file = named(&finding.file, shown, directory, problems);
                    problems.chart(&file, finding);
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
    directory: Option<&Path>,
    problems: &mut Problems,
) -> Result<(), Failure> {
    if Kind::from(error.blame()) != Kind::Invalid {
        return Err(Failure::from(error).about(shown));
    }
    for fault in error.faults() {
        if let ComposeFault::Yaml { file, why } = fault {
            let file = named(file, shown, directory, problems);
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

/// What a person calls a member of an archive: the file it was packed from, whose text is remembered, or the
/// archive with the member.
fn named(member: &str, shown: &str, directory: Option<&Path>, problems: &mut Problems) -> String {
    let packed_from = directory
        .zip(member.split_once('/'))
        .map(|(directory, (_, inside))| directory.join(inside));
    let Some(path) = packed_from.filter(|path| path.is_file()) else {
        return format!("{shown}, {member}");
    };
    let name = path.display().to_string();
    if let Ok(bytes) = fs::read(&path) {
        problems.text(&name, bytes);
    }
    name
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
