//! `push`: a package and its components to registries.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use margo_package::oci::transfer::{Signatures, copy};
use margo_package::oci::{ArtifactStore, Reference};
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::{
    component_reference, find_components, pull_package, push_component, push_package,
};
use margo_package::signature::{SigningKey, sign};
use serde_json::json;

use super::pull::{distinct_components, location};
use super::sign::signing_key;
use crate::check::{self, Depth};
use crate::connection::Connection;
use crate::failure::{Failure, Kind};
use crate::outcome::{Outcome, Part};
use crate::progress;
use crate::subject::{Address, Artefact, Subject};

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package push hello oci://registry.example/apps/hello
  margo-package push hello oci://localhost:5000/hello/package --plain-http --sign hello.key
  margo-package push hello.tar oci://registry.example/apps/hello     # an image layout of `build`
  echo \"$TOKEN\" | margo-package push hello oci://registry.example/apps/hello --username ci --password-stdin

The tag of the package is its version. The components beside the package go where margo.yaml says that they are
(repository and revision); those that are not beside it are left alone. The package comes last, so it never refers
to components that are not there.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The package: a directory, or an image layout as `build` writes it
    #[arg(value_name = "DIR|LAYOUT")]
    package: Address,

    /// The repository of the package
    #[arg(value_name = "oci://HOST/REPO")]
    target: Reference,

    /// Sign everything that is pushed with this private key
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let Arguments {
        package,
        target,
        sign: key,
        connection,
    } = arguments;
    // A key that cannot be used must show before anything is pushed.
    let key = key.as_deref().map(signing_key).transpose()?;
    let pushed = match package.open(&connection).await? {
        Subject::Directory(path) => {
            let checked = check::directory(&path, Depth::Rules)?;
            if checked.problems.errors() > 0 {
                return Ok(checked.into_outcome(false));
            }
            let client = connection.client(&target)?;
            directory(&progress::shown(&client), &path, &target).await?
        }
        Subject::Layout(path, layout) => {
            let from = layout.package(&path).await?;
            let client = connection.client(&target)?;
            from_layout(&from, &progress::shown(&client), &target).await?
        }
        Subject::Packed(..) | Subject::File(_) | Subject::Artefact(_) => {
            let message = "only a package directory or an image layout can be pushed; \
                           make a layout with `margo-package build`, or a directory with `margo-package pull`";
            return Err(Failure::new(Kind::Usage, message));
        }
    };
    if let Some(key) = &key {
        let client = connection.client(&target)?;
        sign_all(&client, &pushed, key).await?;
    }
    let Pushing {
        package,
        components,
        elsewhere,
    } = pushed;

    let mut text = String::new();
    for part in components.iter().chain([&package]) {
        let _ = writeln!(text, "pushed oci://{}@{}", part.reference, part.digest);
    }
    for name in &elsewhere {
        let _ = writeln!(text, "left alone, not beside the package: {name}");
    }
    let components: Vec<_> = components.iter().map(Part::to_json).collect();
    let document = json!({
        "package": package.to_json(),
        "components": components,
        "notPushed": elsewhere,
        "signed": key.is_some(),
    });
    Ok(Outcome::good(text, document))
}

/// What was pushed.
struct Pushing {
    package: Part,
    components: Vec<Part>,
    /// Components that are not here to be pushed.
    elsewhere: Vec<String>,
}

/// Pushes the package in a directory and the components beside it.
async fn directory(
    store: &dyn ArtifactStore,
    path: &Path,
    target: &Reference,
) -> Result<Pushing, Failure> {
    let package = ApplicationPackage::open(path, &PackageLimits::default())?;
    let target = versioned(target, package.version())?;
    let description = package.description().value();
    let (mut components, mut elsewhere) = (Vec::new(), Vec::new());
    for found in find_components(path, description)? {
        match push_component(store, &found, description).await? {
            Some(pushed) => components.push(pushed.into()),
            None => elsewhere.push(found.component.name.to_string()),
        }
    }
    let package = push_package(store, &target, &package).await?.into();
    Ok(Pushing {
        package,
        components,
        elsewhere,
    })
}

/// Copies the package of a layout, and those of its components that are in the layout too.
async fn from_layout(
    from: &Artefact,
    to: &dyn ArtifactStore,
    target: &Reference,
) -> Result<Pushing, Failure> {
    let store = &*from.store;
    let pulled = pull_package(store, &from.reference, &PackageLimits::default()).await?;
    let target = versioned(target, pulled.package.version())?;
    let (mut components, mut elsewhere) = (Vec::new(), Vec::new());
    for component in distinct_components(&pulled.package) {
        let (repository, revision) = location(component)?;
        let reference = component_reference(repository, revision)?;
        match copy(store, &reference, to, &reference, Signatures::Follow).await {
            Ok(digest) => components.push(Part { reference, digest }),
            Err(error) if error.is_not_found() && is_missing(store, &reference).await => {
                elsewhere.push(component.name.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let digest = copy(store, &from.reference, to, &target, Signatures::Follow).await?;
    Ok(Pushing {
        package: Part {
            reference: target,
            digest,
        },
        components,
        elsewhere,
    })
}

/// Whether it is the layout that does not have it, and not the registry that does not know the repository.
async fn is_missing(store: &dyn ArtifactStore, reference: &Reference) -> bool {
    let resolved = store.resolve(reference).await;
    resolved.is_err_and(|error| error.is_not_found())
}

/// The target with the version as its tag, before anything is pushed.
fn versioned(target: &Reference, version: &str) -> Result<Reference, Failure> {
    if target.digest().is_some() || target.tag().is_some_and(|tag| tag != version) {
        let message = format!(
            "oci://{target} cannot be the target: the tag of the package is its version, {version:?}; \
             give oci://{} alone, or change the version in margo.yaml",
            target.name()
        );
        return Err(Failure::new(Kind::Usage, message));
    }
    Ok(target.with_tag(version)?)
}

async fn sign_all(
    store: &dyn ArtifactStore,
    pushed: &Pushing,
    key: &SigningKey,
) -> Result<(), Failure> {
    for part in pushed.components.iter().chain([&pushed.package]) {
        // The digest that was pushed, wherever the tag leads by now.
        sign(store, &part.reference.with_digest(part.digest), key).await?;
    }
    Ok(())
}
