//! Importing and listing packages.

use std::path::Path;

use jiff::Timestamp;
use margo_package::oci::Reference;
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::pull_package;
use margo_types::Digest;
use margo_types::id::ApplicationId;
use serde::{Deserialize, Serialize};

use super::{Listing, Operation};
use crate::failure::{Failure, Kind};
use crate::library::{self, Import};
use crate::manager::Manager;

/// Imports a package from a registry (`oci://HOST/REPO:TAG`) or a directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportPackage {
    /// Where it is. A directory is one that the fleet manager can read, best by its whole path.
    pub source: String,
}

impl ImportPackage {
    /// The package that is there.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

/// Lists the packages that can be deployed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ListPackages {}

/// A package that can be deployed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Package {
    /// The application.
    pub application: ApplicationId,
    /// Its name for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The ids of its deployment profiles.
    pub profiles: Vec<String>,
    /// Where it came from.
    pub source: String,
    /// When.
    pub imported_at: Timestamp,
    /// The digest of its description.
    pub digest: Digest,
}

/// An imported package.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportedPackage {
    /// The package.
    #[serde(flatten)]
    pub package: Package,
    /// Whether it is new; otherwise it was there already with the same content.
    pub new: bool,
    /// What is not forbidden but probably not meant, one line each.
    pub warnings: Vec<String>,
}

impl ImportedPackage {
    /// How [`Deploy`](super::Deploy) names it.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.package.application, self.package.version)
    }
}

impl Operation for ImportPackage {
    const NAME: &'static str = "import-package";
    type Output = ImportedPackage;

    async fn run(self, manager: &Manager) -> Result<ImportedPackage, Failure> {
        let (package, tag) = fetch(&self.source, manager).await?;
        let report = package.validate(tag.as_deref());
        if !report.is_valid() {
            let mut failure = Failure::new(
                Kind::Invalid,
                format!("{} is not a valid package; correct it", self.source),
            );
            failure.causes = report.errors().map(ToString::to_string).collect();
            return Err(failure);
        }
        let import = Import {
            source: self.source,
            imported_at: Timestamp::now(),
            digest: package.description().digest(),
        };
        let new = manager.library().add(&package, &import)?;
        Ok(ImportedPackage {
            package: Package::of(&library::Entry { package, import }),
            new,
            warnings: report.warnings().map(ToString::to_string).collect(),
        })
    }
}

impl Operation for ListPackages {
    const NAME: &'static str = "list-packages";
    type Output = Listing<Package>;

    async fn run(self, manager: &Manager) -> Result<Listing<Package>, Failure> {
        let contents = manager.library().list()?;
        let damaged = contents.damaged.into_iter();
        Ok(Listing {
            entries: contents.entries.iter().map(Package::of).collect(),
            damaged: damaged.map(|damaged| damaged.failure).collect(),
        })
    }
}

impl Package {
    fn of(entry: &library::Entry) -> Self {
        let description = entry.package.description().value();
        let profiles = description.deployment_profiles.iter();
        Self {
            application: description.id.clone(),
            name: description.metadata.name.clone(),
            version: entry.package.version().to_owned(),
            profiles: profiles.map(|profile| profile.id.clone()).collect(),
            source: entry.import.source.clone(),
            imported_at: entry.import.imported_at,
            digest: entry.import.digest,
        }
    }
}

/// The package, and the tag it was asked for by.
async fn fetch(
    source: &str,
    manager: &Manager,
) -> Result<(ApplicationPackage, Option<String>), Failure> {
    if source.starts_with("oci://") {
        let reference: Reference = source.parse()?;
        let limits = PackageLimits::default();
        let pulled = pull_package(manager.registries(), &reference, &limits).await?;
        return Ok((pulled.package, pulled.tag));
    }
    let directory = Path::new(source);
    if !directory.is_dir() {
        let message = format!(
            "there is no directory {source}; give one with margo.yaml in it, or an artefact as oci://HOST/REPO:TAG"
        );
        return Err(Failure::new(Kind::Usage, message));
    }
    let package = ApplicationPackage::open(directory, &PackageLimits::default())?;
    Ok((package, None))
}
