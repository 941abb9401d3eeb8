//! `build`: a package and its components as an image layout.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use margo_package::oci::{ArtifactStore, LayoutArchive, LayoutDirectory, Reference};
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::{find_components, push_component, push_package};
use serde_json::{Value, json};

use crate::check::{self, Depth};
use crate::failure::{Failure, Kind};
use crate::outcome::{Outcome, Part};
use crate::staging::{StagedDirectory, refuse_occupied};

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package build hello                         # writes com-example-hello-1.0.0.oci
  margo-package build hello -o hello.tar            # one file, to carry on a stick
  margo-package push hello.tar oci://registry.example/apps/hello

The same content gives the same bytes on every machine. Components that are not beside the package are not in the layout.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The directory of the package
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// The layout to write: a directory, or a single file when the name ends in .tar
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let directory = &arguments.directory;
    let checked = check::directory(directory, Depth::Rules)?;
    if checked.problems.errors() > 0 {
        return Ok(checked.into_outcome(false));
    }
    let package = ApplicationPackage::open(directory, &PackageLimits::default())?;
    let description = package.description().value();
    let name = format!("{}-{}", description.id, package.version());
    let output = arguments
        .output
        .unwrap_or_else(|| format!("{name}.oci").into());

    refuse_occupied(&output)?;
    let written = if output
        .extension()
        .is_some_and(|extension| extension == "tar")
    {
        let layout = LayoutArchive::edit(&output).await?;
        let written = fill(&layout, directory, &package).await?;
        layout.commit().await?;
        written
    } else {
        let staged = StagedDirectory::new(&output)?;
        let layout = LayoutDirectory::create(staged.path()).await?;
        let written = fill(&layout, directory, &package).await?;
        staged.commit()?;
        written
    };

    let mut text = String::new();
    for part in &written {
        let _ = writeln!(text, "{}@{}", part.reference, part.digest);
    }
    let _ = writeln!(text, "wrote {}", output.display());
    let parts: Vec<_> = written.iter().map(Part::to_json).collect();
    let (package, components) = parts
        .split_last()
        .map_or((&Value::Null, &[][..]), |parts| parts);
    let document = json!({
        "layout": output.display().to_string(),
        "package": package,
        "components": components,
        "findings": checked.problems.to_json(),
    });
    Ok(Outcome::good(text, document))
}

/// Puts the components and then the package into a layout.
async fn fill(
    layout: &dyn ArtifactStore,
    directory: &Path,
    package: &ApplicationPackage,
) -> Result<Vec<Part>, Failure> {
    let description = package.description().value();
    let mut written = Vec::new();
    for found in find_components(directory, description)? {
        written.extend(
            push_component(layout, &found, description)
                .await?
                .map(Part::from),
        );
    }
    let pushed = push_package(layout, &own_reference(package)?, package).await?;
    written.push(pushed.into());
    Ok(written)
}

/// What a package is called in a layout, before it is known where it will be published.
fn own_reference(package: &ApplicationPackage) -> Result<Reference, Failure> {
    let id = &package.description().value().id;
    Reference::parse(&format!("localhost/{id}")).map_err(|error| {
        Failure::of(Kind::Invalid, &error).about("the id cannot be the name of a repository")
    })
}
