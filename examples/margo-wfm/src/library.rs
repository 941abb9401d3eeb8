//! The packages that were imported.
//!
//! A directory and no table: `<application id>/<version>/package` holds the files of the package exactly as they came,
//! `import.json` beside it where from and when. So a package can be looked at, copied and checked with any other program. One that
//! is damaged is named and left as it is; the others go on.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io;
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

/// What is in the library.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The packages: by application, then in the order they were imported.
    pub(crate) entries: Vec<Entry>,
    /// What cannot be used.
    pub(crate) damaged: Vec<Damaged>,
}

/// A directory of the library that cannot be used.
#[derive(Debug)]
pub(crate) struct Damaged {
    application: String,
    /// `None` when no version can be.
    version: Option<String>,
    pub(crate) failure: Failure,
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

    /// All packages.
    pub(crate) fn list(&self) -> Result<Contents, Failure> {
        let mut contents = Contents::default();
        for application in directories(&self.directory)? {
            match directories(&application) {
                Ok(versions) => versions.iter().for_each(|place| contents.read(place)),
                Err(failure) => contents.leave_out(&application, None, failure),
            }
        }
        contents.entries.sort_by(|one, other| {
            let key = |entry: &Entry| {
                let id = entry.package.description().value().id.clone();
                (id, entry.import.imported_at)
            };
            key(one).cmp(&key(other))
        });
        Ok(contents)
    }

    /// The package that is wanted. Which one was imported last is not guessed where it may be a damaged one.
    pub(crate) fn find(&self, wanted: Wanted<'_>) -> Result<Entry, Failure> {
        let Contents { entries, damaged } = self.list()?;
        let applications = applications(&entries);
        let mut of_application: Vec<Entry> = entries
            .into_iter()
            .filter(|entry| entry.package.description().value().id.as_str() == wanted.application)
            .collect();
        let mut damaged = damaged.into_iter();
        let damaged = damaged.find(|it| it.may_be(wanted));
        let position = match wanted.version {
            None if damaged.is_some() => None,
            None => of_application.len().checked_sub(1),
            Some(version) => of_application
                .iter()
                .position(|entry| entry.package.version() == version),
        };
        match (position, damaged) {
            (Some(position), _) => Ok(of_application.swap_remove(position)),
            (None, Some(damaged)) if wanted.version.is_some() || of_application.is_empty() => {
                Err(damaged.failure)
            }
            (None, Some(damaged)) => {
                let message = format!(
                    "it cannot be told which version of {} was imported last; name one as APPLICATION:VERSION or with --version",
                    wanted.application
                );
                let cause = damaged.failure;
                let mut failure = Failure::new(cause.kind, message);
                failure.causes.push(cause.message);
                failure.causes.extend(cause.causes);
                Err(failure)
            }
            (None, None) => Err(unknown(wanted, &of_application, &applications)),
        }
    }

    /// Puts a copy of everything at `to`.
    pub(crate) fn copy(&self, to: &Path) -> Result<(), Failure> {
        files::copy_directory(&self.directory, to)
    }
}

impl Contents {
    fn read(&mut self, place: &Path) {
        match read(place) {
            Ok(entry) => self.entries.push(entry),
            Err(failure) => {
                let application = place.parent().unwrap_or(place);
                self.leave_out(application, Some(place), failure);
            }
        }
    }

    fn leave_out(&mut self, application: &Path, version: Option<&Path>, failure: Failure) {
        tracing::warn!(%failure, "a package is left out");
        self.damaged.push(Damaged {
            application: name(application),
            version: version.map(name),
            failure,
        });
    }
}

impl Damaged {
    /// Whether this would be the package that is wanted.
    fn may_be(&self, wanted: Wanted<'_>) -> bool {
        let version = self.version.as_deref();
        self.application == wanted.application
            && (version.is_none() || wanted.version.is_none() || version == wanted.version)
    }
}

fn unknown(
    wanted: Wanted<'_>,
    of_application: &[Entry],
    applications: &[ApplicationId],
) -> Failure {
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
            let known = match applications {
                [] => "the library is empty".to_owned(),
                known => {
                    let known: Vec<_> = known.iter().map(ApplicationId::as_str).collect();
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

/// The applications of sorted packages.
fn applications(entries: &[Entry]) -> Vec<ApplicationId> {
    let ids = entries.iter();
    let mut ids: Vec<_> = ids
        .map(|entry| entry.package.description().value().id.clone())
        .collect();
    ids.dedup();
    ids
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
    let bytes =
        files::read(&file, LONGEST_IMPORT).map_err(|error| damaged(&file, place, &error))?;
    let import: Import =
        serde_json::from_slice(&bytes).map_err(|error| damaged(&file, place, &error))?;
    let folder = place.join(PACKAGE);
    let package = ApplicationPackage::open(&folder, &PackageLimits::default())
        .map_err(|error| damaged(&folder, place, &error))?;
    let description = package.description();
    if description.digest() != import.digest {
        let why = "its description does not have the digest that was imported";
        return Err(damaged(&folder, place, &io::Error::other(why)));
    }
    let belongs = Path::new(description.value().id.as_str()).join(package.version());
    if !place.ends_with(&belongs) {
        let why = format!("what is in it belongs in {}", belongs.display());
        return Err(damaged(&folder, place, &io::Error::other(why)));
    }
    Ok(Entry { package, import })
}

fn damaged(what: &Path, place: &Path, cause: &dyn Error) -> Failure {
    let message = format!(
        "{} is damaged; move {} away and import the package again",
        what.display(),
        place.display()
    );
    Failure::caused(Kind::Environment, message, cause)
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(OsStr::new(""));
    name.to_string_lossy().into_owned()
}

/// The directories in one, without drafts.
fn directories(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: io::Error| Failure::file(directory, &error);
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
/// A reference, a time and a digest are far shorter.
const LONGEST_IMPORT: u64 = 1 << 20;
