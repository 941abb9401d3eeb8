//! `pull`: a package out of a registry or layout.

use std::fmt::Write as _;
use std::path::PathBuf;

use margo_package::oci::{ArtifactStore, Reference};
use margo_package::package::{ApplicationPackage, DESCRIPTION_FILE, PackageLimits};
use margo_package::publish::{ComponentKind, component_reference, pull_component, pull_package};
use margo_package::signature::{SignaturePolicy, Verifier};
use margo_types::Digest;
use margo_types::application::Component;
use margo_types::scalar::{Repository, Revision};
use serde_json::{Value, json};

use super::verify::verifying_keys;
use crate::connection::Connection;
use crate::failure::{Failure, Kind};
use crate::outcome::Outcome;
use crate::progress;
use crate::staging::StagedDirectory;
use crate::subject::{Address, Artefact, Subject};

pub(crate) const EXAMPLES: &str = "\
Examples:
  margo-package pull oci://registry.example/apps/hello:1.0.0 -o hello
  margo-package pull oci://registry.example/apps/hello:1.0.0 -o hello --components --verify-key acme.pub
  margo-package pull hello.tar -o hello                # an image layout, as `build` writes it

The components are files in the directory `components`, from where `push` takes them again.";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The package: oci://HOST/REPO:TAG or an image layout
    #[arg(value_name = "REF|LAYOUT")]
    package: Address,

    /// The directory to make; it may exist when it is empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Fetch the components of all profiles too
    #[arg(long)]
    components: bool,

    /// Take nothing that is not signed by this public key (PEM); as often as needed
    #[arg(long, value_name = "FILE")]
    verify_key: Vec<PathBuf>,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let keys = verifying_keys(&arguments.verify_key)?;
    let policy = if keys.is_empty() {
        SignaturePolicy::off()
    } else {
        SignaturePolicy::required_everywhere(Verifier::new(keys))
    };
    let staged = StagedDirectory::new(&arguments.output)?;
    let artefact = match arguments.package.open(&arguments.connection).await? {
        Subject::Artefact(artefact) => artefact,
        Subject::Layout(path, layout) => layout.package(&path).await?,
        Subject::Directory(path) | Subject::Packed(path, _) | Subject::File(path) => {
            let message = format!(
                "{} is no image layout; give one, or oci://HOST/REPO:TAG",
                path.display()
            );
            return Err(Failure::new(Kind::Usage, message));
        }
    };
    let Artefact { store, reference } = artefact;
    let store = progress::shown(&*store);

    let (pinned, key) = checked(&policy, &store, &reference).await?;
    let pulled = pull_package(&store, &pinned, &PackageLimits::default()).await?;
    write_package(&pulled.package, &staged)?;
    let mut components = Vec::new();
    if arguments.components {
        for component in distinct_components(&pulled.package) {
            components.push(write_component(component, &policy, &store, &staged).await?);
        }
    }
    staged.commit()?;

    let output = arguments.output.display();
    let digest = pulled.manifest.digest();
    let mut text = format!("oci://{reference}\ndigest: {digest}\n");
    if let Some(key) = key {
        let _ = writeln!(text, "signed: by the key {key}");
    }
    for component in &components {
        let name = component["name"].as_str().unwrap_or_default();
        let _ = writeln!(text, "component: {name}");
    }
    let _ = writeln!(text, "wrote {output}");
    let document = json!({
        "reference": format!("oci://{reference}"),
        "digest": digest.to_string(),
        "version": pulled.package.version(),
        "signedBy": key.map(|key| key.to_string()),
        "directory": output.to_string(),
        "components": components,
    });
    Ok(Outcome::good(text, document))
}

/// The reference with the digest that the policy was asked about, and the key that signed it.
async fn checked(
    policy: &SignaturePolicy,
    store: &dyn ArtifactStore,
    reference: &Reference,
) -> Result<(Reference, Option<Digest>), Failure> {
    let verdict = policy.check(store, reference).await?;
    if !verdict.is_acceptable() {
        let message = format!("oci://{reference} is not taken: {verdict}");
        return Err(Failure::new(Kind::Invalid, message));
    }
    Ok((reference.with_digest(verdict.digest()), verdict.signed_by()))
}

fn write_package(package: &ApplicationPackage, staged: &StagedDirectory) -> Result<(), Failure> {
    staged.write(DESCRIPTION_FILE, package.description().bytes())?;
    for resource in package.resources().values() {
        staged.write(resource.path().as_str(), resource.bytes())?;
    }
    Ok(())
}

/// The components of all profiles, each artefact once.
pub(super) fn distinct_components(package: &ApplicationPackage) -> Vec<&Component> {
    let profiles = &package.description().value().deployment_profiles;
    let mut seen = std::collections::BTreeSet::new();
    let all = profiles.iter().flat_map(|profile| &profile.components);
    all.filter(|component| {
        let properties = &component.properties;
        seen.insert((
            &component.name,
            &properties.repository,
            &properties.revision,
        ))
    })
    .collect()
}

async fn write_component(
    component: &Component,
    policy: &SignaturePolicy,
    store: &dyn ArtifactStore,
    staged: &StagedDirectory,
) -> Result<Value, Failure> {
    let name = &component.name;
    let (repository, revision) = location(component)?;
    let reference = component_reference(repository, revision)?;
    let (pinned, _) = checked(policy, store, &reference).await?;
    let partial = format!("components/{name}.part");
    staged.write(&partial, b"")?;
    let partial = staged.path().join(partial);
    let pulled = pull_component(store, repository, revision, &partial).await?;
    if pulled.reference.digest() != pinned.digest() {
        let message = format!("oci://{reference} changed while it was fetched; try again");
        return Err(Failure::new(Kind::Registry, message));
    }
    // What is not good on a device is not good here.
    let suffix = if pulled.kind == ComponentKind::Helm {
        pulled.chart()?;
        "tgz"
    } else {
        pulled.compose_archive()?;
        "tar.gz"
    };
    let file = format!("components/{name}.{suffix}");
    let target = staged.path().join(&file);
    if target.exists() {
        let message = format!(
            "there are two components called {name}; fetch the package without --components"
        );
        return Err(Failure::new(Kind::Invalid, message));
    }
    std::fs::rename(&partial, &target).map_err(|error| Failure::file(&target, error))?;
    Ok(json!({
        "name": name.as_str(),
        "reference": format!("oci://{reference}"),
        "digest": pulled.manifest.digest().to_string(),
        "file": file,
    }))
}

/// Where a component is kept.
pub(super) fn location(component: &Component) -> Result<(&Repository, &Revision), Failure> {
    let properties = &component.properties;
    if let (Some(repository), Some(revision)) = (&properties.repository, &properties.revision) {
        return Ok((repository, revision));
    }
    let message = format!(
        "the component {} has no repository and revision, as descriptions of older generations may; \
         work with the package alone",
        component.name
    );
    Err(Failure::new(Kind::Usage, message))
}
