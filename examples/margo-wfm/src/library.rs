//! The packages that were imported.
//!
//! A directory and no table: `<application id>/<version>/package` holds the files of the package exactly as they came,
//! `import.json` beside it where from and when. So a package can be looked at, copied and checked with any other program.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use margo_package::package::{ApplicationPackage, DESCRIPTION_FILE, PackageLimits};
use margo_types::Digest;
use margo_types::id::ApplicationId;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind};
use crate::files;

/// The packages that can be deployed.
#[derive(Debug)]
pub(crate) struct Library {
    directory: PathBuf,
    /// Held while a package is put in its place.
    importing: Mutex<()>,
}

/// Where a package came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Import {
    /// The reference or directory.
    pub(crate) source: String,
    /// When it was imported.
    pub(crate) imported_at: Timestamp,
    /// The digest of its description.
    pub(crate) digest: Digest,
}

/// A package in the library.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) package: ApplicationPackage,
    pub(crate) import: Import,
}

/// A package as a command names it: `APPLICATION` for what was imported last, or `APPLICATION:VERSION`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    application: &'a str,
    version: Option<&'a str>,
}

impl<'a> From<&'a str> for Wanted<'a> {
    fn from(text: &'a str) -> Self {
        match text.split_once(':') {
            Some((application, version)) => Self::version(application, Some(version)),
            None => Self::version(text, None),
        }
    }
}

impl<'a> Wanted<'a> {
    /// This version; the one that was imported last when `None`.
    pub(crate) const fn version(application: &'a str, version: Option<&'a str>) -> Self {
        Self {
            application,
            version,
        }
    }
}

impl Library {
    /// The library in this directory, which is made when it is not there.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, Failure> {
        files::make_directory(&directory)?;
        Ok(Self {
            directory,
            importing: Mutex::new(()),
        })
    }

    /// Adds a package; false when it is there already with the same content.
    ///
    /// The same version with other content is refused: deployments may have been made of it.
    pub(crate) fn add(
        &self,
        package: &ApplicationPackage,
        import: &Import,
    ) -> Result<bool, Failure> {
        let description = package.description().value();
        let place = self
            .directory
            .join(description.id.as_str())
            .join(package.version());
        let _importing = self
            .importing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if place.exists() {
            let known = read(&place)?;
            if is_same(&known.package, package) {
                return Ok(false);
            }
            let message = format!(
                "{} {} was imported from {} with other content; raise metadata.version in {DESCRIPTION_FILE}",
                description.id,
                package.version(),
                known.import.source
            );
            return Err(Failure::new(Kind::Invalid, message));
        }
        let draft = files::Draft::new(&place)?;
        let folder = draft.path().join(PACKAGE);
        files::make_directory(&folder)?;
        let bytes = package.description().bytes();
        files::write(&folder.join(DESCRIPTION_FILE), bytes)?;
        for resource in package.resources().values() {
            let file = folder.join(resource.path().as_str());
            if let Some(parent) = file.parent() {
                files::make_directory(parent)?;
            }
            files::write(&file, resource.bytes())?;
        }
        files::write(&draft.path().join(IMPORT), &to_json(import)?)?;
        draft.place()?;
        Ok(true)
    }

    /// All packages: by application, then in the order they were imported.
    pub(crate) fn list(&self) -> Result<Vec<Entry>, Failure> {
        let mut entries = Vec::new();
        for application in directories(&self.directory)? {
            for version in directories(&application)? {
                entries.push(read(&version)?);
            }
        }
        entries.sort_by(|one, other| {
            let key = |entry: &Entry| {
                let id = entry.package.description().value().id.clone();
                (id, entry.import.imported_at)
            };
            key(one).cmp(&key(other))
        });
        Ok(entries)
    }

    /// The package that is wanted.
    pub(crate) fn find(&self, wanted: Wanted<'_>) -> Result<Entry, Failure> {
        let mut of_application: Vec<Entry> = self
            .list()?
            .into_iter()
            .filter(|entry| entry.package.description().value().id.as_str() == wanted.application)
            .collect();
        let position = match wanted.version {
            None => of_application.len().checked_sub(1),
            Some(version) => of_application
                .iter()
                .position(|entry| entry.package.version() == version),
        };
        match position {
            Some(position) => Ok(of_application.swap_remove(position)),
            None => Err(self.unknown(wanted, &of_application)),
        }
    }

    /// Puts a copy of everything at `to`.
    pub(crate) fn copy(&self, to: &Path) -> Result<(), Failure> {
        files::copy_directory(&self.directory, to)
    }

    fn unknown(&self, wanted: Wanted<'_>, of_application: &[Entry]) -> Failure {
        let import = "import it with `margo-wfm package import`";
        let message = match wanted.version {
            Some(version) if !of_application.is_empty() => {
                let versions: Vec<_> = of_application
                    .iter()
                    .map(|entry| entry.package.version())
                    .collect();
                format!(
                    "there is no version {version} of {}, only {}; {import}",
                    wanted.application,
                    versions.join(", ")
                )
            }
            _ => {
                let applications: Vec<ApplicationId> = self
                    .list()
                    .unwrap_or_default()
                    .iter()
                    .map(|entry| entry.package.description().value().id.clone())
                    .collect();
                let known = match applications.as_slice() {
                    [] => "the library is empty".to_owned(),
                    known => {
                        let mut known: Vec<_> = known.iter().map(ApplicationId::as_str).collect();
                        known.dedup();
                        format!("there are {}", known.join(", "))
                    }
                };
                format!(
                    "there is no package of {:?}, {known}; {import}",
                    wanted.application
                )
            }
        };
        Failure::new(Kind::Usage, message)
    }
}

/// Whether two packages have the same files.
fn is_same(one: &ApplicationPackage, other: &ApplicationPackage) -> bool {
    let resources = |package: &ApplicationPackage| {
        let resources = package.resources().values();
        resources
            .map(|resource| (resource.path().to_string(), Digest::of(resource.bytes())))
            .collect::<Vec<_>>()
    };
    one.description().digest() == other.description().digest() && resources(one) == resources(other)
}

fn read(place: &Path) -> Result<Entry, Failure> {
    let file = place.join(IMPORT);
    let text = fs::read(&file).map_err(|error| Failure::file(&file, &error))?;
    let import = serde_json::from_slice(&text).map_err(|error| {
        let message = format!(
            "{} is damaged; remove {} and import the package again",
            file.display(),
            place.display()
        );
        Failure::caused(Kind::Environment, message, &error)
    })?;
    let package = ApplicationPackage::open(&place.join(PACKAGE), &PackageLimits::default())?;
    Ok(Entry { package, import })
}

/// The directories in one, without drafts.
fn directories(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::file(directory, &error);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_draft = entry.file_name().to_string_lossy().starts_with('.');
        if !is_draft && entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn to_json(import: &Import) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec_pretty(import).map_err(|error| Failure::of(Kind::Environment, &error))
}

const PACKAGE: &str = "package";
const IMPORT: &str = "import.json";
