//! `push`: a package and its components to registries.

use std::path::{Path, PathBuf};

use margo_package::oci::transfer::{Signatures, copy};
use margo_package::oci::{ArtifactStore, Reference};
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::{
    Pushed, component_reference, find_components, pull_package, push_component, push_package,
};
use margo_package::signature::{SigningKey, sign};
use serde_json::json;

use super::build::to_json;
use super::sign::signing_key;
use crate::check::{self, Depth};
use crate::connection::Connection;
use crate::failure::{Failure, Kind};
use crate::outcome::Outcome;
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
    package: PathBuf,

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
    let pushed = match Address::Path(package).open(&connection).await? {
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
            layout_package(&from, &progress::shown(&client), &target).await?
        }
        Subject::Packed(path, _) | Subject::File(path) => {
            let message = format!(
                "{} is neither a package directory nor an image layout; build one with `margo-package build`",
                path.display()
            );
            return Err(Failure::new(Kind::Usage, message));
        }
        Subject::Artefact(_) => unreachable_address()?,
    };
    if let Some(key) = &key {
        let client = connection.client(&target)?;
        sign_all(&client, &pushed, key).await?;
    }
    let Pushing { package, components, elsewhere } = pushed;

    let mut text = String::new();
    for part in components.iter().chain([&package]) {
        text.push_str(&format!("pushed oci://{}@{}\n", part.reference, part.digest));
    }
    for name in &elsewhere {
        text.push_str(&format!("not beside the package, left alone: {name}\n"));
    }
    let document = json!({
        "package": to_json(&package),
        "components": components.iter().map(to_json).collect::<Vec<_>>(),
        "notPushed": elsewhere,
        "signed": key.is_some(),
    });
    Ok(Outcome::good(text, document))
}

/// What was pushed.
struct Pushing {
    package: Pushed,
    components: Vec<Pushed>,
    /// Components that are not here to be pushed.
    elsewhere: Vec<String>,
}
