//! Application packages and the components beside them.

use std::path::Path;

use margo_package::lint::{lint_components, lint_description, lint_resources};
use margo_package::package::{ApplicationPackage, DESCRIPTION_FILE, PackageError, PackageLimits};
use margo_package::publish::{PublishError, find_components, pull_package};
use margo_types::application::ApplicationDescription;
use margo_types::{DocumentPath, Report, Severity};

use super::{Checked, Depth};
use crate::failure::Failure;
use crate::problems::{Problem, Problems, parted};
use crate::subject::Artefact;

const KIND: &str = "application package";

/// Looks for problems in the package in a directory, and in the components beside it.
pub(crate) fn directory(path: &Path, depth: Depth) -> Result<Checked, Failure> {
    let file = path.join(DESCRIPTION_FILE).display().to_string();
    let mut checked = Checked::new(path.display().to_string(), KIND);
    let problems = &mut checked.problems;
    match ApplicationPackage::open(path, &PackageLimits::default()) {
        Ok(package) => {
            inspect(&package, &file, None, depth, problems);
            beside(path, package.description().value(), depth, problems)?;
        }
        Err(error) => {
            let bytes = std::fs::read(path.join(DESCRIPTION_FILE)).unwrap_or_default();
            unusable(error, &file, &bytes, problems)?;
            problems.text(&file, bytes);
        }
    }
    Ok(checked)
}

/// Looks for problems in a package in a registry or layout.
pub(super) async fn stored(artefact: Artefact, depth: Depth) -> Result<Checked, Failure> {
    let Artefact { store, reference } = artefact;
    let name = format!("oci://{reference}");
    let file = format!("{name}, {DESCRIPTION_FILE}");
    let mut checked = Checked::new(name, KIND);
    let problems = &mut checked.problems;
    match pull_package(&*store, &reference, &PackageLimits::default()).await {
        Ok(pulled) => {
            let tag = pulled.tag.as_deref();
            inspect(&pulled.package, &file, tag, depth, problems);
        }
        Err(PublishError::Package { source, .. }) => unusable(*source, &file, b"", problems)?,
        Err(error) => return Err(error.into()),
    }
    Ok(checked)
}

fn inspect(
    package: &ApplicationPackage,
    file: &str,
    tag: Option<&str>,
    depth: Depth,
    problems: &mut Problems,
) {
    let description = package.description();
    problems.text(file, description.bytes().clone());
    problems.report(file, &package.validate(tag));
    if depth == Depth::Lint {
        problems.report(file, &lint_description(description));
    }
}

/// Looks at what lies beside a description: components that must fit it and, for lint, resources nobody needs.
fn beside(
    directory: &Path,
    description: &ApplicationDescription,
    depth: Depth,
    problems: &mut Problems,
) -> Result<(), Failure> {
    match find_components(directory, description) {
        // What cannot be read is among the findings.
        Ok(_) | Err(PublishError::Compose { .. } | PublishError::Chart { .. }) => {}
        Err(error @ PublishError::Misfit { .. }) => {
            problems.push(Problem::advised(error.artefact(), &error));
        }
        Err(error) => return Err(error.into()),
    }
    let mut findings = lint_components(directory);
    if depth == Depth::Lint {
        findings.extend(lint_resources(directory, description));
    }
    for found in findings {
        if depth == Depth::Rules && found.finding.severity != Severity::Error {
            continue;
        }
        let path = directory.join(&found.file);
        let file = path.display().to_string();
        if let Some(bytes) = std::fs::read(path)
            .ok()
            .filter(|_| found.finding.location.is_some())
        {
            problems.text(&file, bytes);
        }
        problems.report(&file, &Report::new(vec![found.finding]));
    }
    Ok(())
}

/// Adds why a package cannot be used, unless that is not the fault of its content.
fn unusable(
    error: PackageError,
    file: &str,
    description: &[u8],
    problems: &mut Problems,
) -> Result<(), Failure> {
    match &error {
        PackageError::Description { source, .. } => problems.unreadable(file, source),
        PackageError::Resource {
            member, path, why, ..
        } => {
            let place = ["metadata", "catalog", "application", member]
                .iter()
                .fold(DocumentPath::root(), |path, key| path.key(*key));
            let read = margo_types::read::<ApplicationDescription>(description);
            let location = read.ok().and_then(|read| read.locate(&place));
            let (message, fix) = parted(why);
            problems.push(Problem {
                location,
                path: Some(place.to_string()),
                fix: fix.to_owned(),
                ..Problem::new(file, format!("{path} {message}"))
            });
        }
        PackageError::NoDescription { .. } | PackageError::Manifest { .. } => {
            problems.push(Problem::advised(file, &error));
        }
        _ => return Err(error.into()),
    }
    Ok(())
}
