//! What a person points at: a directory, a file, an image layout, or an artefact in a registry.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use margo_package::archive::{ArchiveReader, Policy};
use margo_package::chart::Chart;
use margo_package::oci::{ArtifactStore, LayoutArchive, LayoutDirectory, Manifest, Reference};
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::pull_package;
use margo_types::media_type;

use crate::connection::Connection;
use crate::failure::{Failure, Kind};

/// A place as it is written on the command line: `oci://HOST/REPO:TAG` or a path.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Registry(Reference),
    Path(PathBuf),
}

impl FromStr for Address {
    type Err = margo_package::oci::InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("oci://") {
            text.parse().map(Self::Registry)
        } else {
            Ok(Self::Path(text.into()))
        }
    }
}

/// What is at an address.
#[derive(Debug)]
pub(crate) enum Subject {
    /// A directory with the files of a package.
    Directory(PathBuf),
    /// A packed component.
    Packed(PathBuf, Packed),
    /// Any other file; most likely a document.
    File(PathBuf),
    /// An image layout.
    Layout(PathBuf, Layout),
    /// An artefact in a registry.
    Artefact(Artefact),
}

/// What an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packed {
    Chart,
    Compose,
}

/// An artefact and the store it is in.
#[derive(Debug)]
pub(crate) struct Artefact {
    pub(crate) store: Box<dyn ArtifactStore>,
    pub(crate) reference: Reference,
}

/// An image layout and what is in it.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) store: Box<dyn ArtifactStore>,
    pub(crate) references: Vec<Reference>,
}

impl Address {
    /// Looks what is there. Nothing is fetched yet.
    pub(crate) async fn open(self, connection: &Connection) -> Result<Subject, Failure> {
        let path = match self {
            Self::Registry(reference) => {
                let store = Box::new(connection.client(&reference)?);
                return Ok(Subject::Artefact(Artefact { store, reference }));
            }
            Self::Path(path) => path,
        };
        let metadata = fs::metadata(&path).map_err(|error| {
            let hint = "name a directory or file, or an artefact as oci://HOST/REPO:TAG";
            let message = format!("cannot use {}; {hint}", path.display());
            Failure::caused(Kind::Environment, message, error)
        })?;
        if metadata.is_dir() {
            if !path.join("oci-layout").is_file() {
                return Ok(Subject::Directory(path));
            }
            let layout = LayoutDirectory::open(&path).await?;
            let references = layout.references().await?;
            let store = Box::new(layout);
            return Ok(Subject::Layout(path, Layout { store, references }));
        }
        match kind_of(&path)? {
            FileKind::Layout => {
                let layout = LayoutArchive::open(&path).await?;
                let references = layout.references().await?;
                let store = Box::new(layout);
                Ok(Subject::Layout(path, Layout { store, references }))
            }
            FileKind::Packed(packed) => Ok(Subject::Packed(path, packed)),
            FileKind::Other => Ok(Subject::File(path)),
        }
    }
}

/// A package with where it is from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) package: ApplicationPackage,
    /// What messages call it.
    pub(crate) name: String,
    /// The manifest, of a package in a store.
    pub(crate) manifest: Option<Manifest>,
}

impl Subject {
    /// Reads the package that this is.
    pub(crate) async fn into_package(self) -> Result<Loaded, Failure> {
        let path = match self {
            Self::Directory(path) => {
                return Ok(Loaded {
                    package: ApplicationPackage::open(&path, &PackageLimits::default())?,
                    name: path.display().to_string(),
                    manifest: None,
                });
            }
            Self::Artefact(artefact) => return artefact.into_package().await,
            Self::Layout(path, layout) => return layout.package(&path).await?.into_package().await,
            Self::Packed(path, _) | Self::File(path) => path,
        };
        let message = format!(
            "{} is no application package; give a directory, an image layout or oci://HOST/REPO:TAG",
            path.display()
        );
        Err(Failure::new(Kind::Usage, message))
    }
}

impl Artefact {
    /// Pulls the package that this is.
    pub(crate) async fn into_package(self) -> Result<Loaded, Failure> {
        let limits = PackageLimits::default();
        let pulled = pull_package(&*self.store, &self.reference, &limits).await?;
        Ok(Loaded {
            package: pulled.package,
            name: format!("oci://{}", self.reference),
            manifest: Some(pulled.manifest),
        })
    }
}

impl Layout {
    /// The one package in the layout.
    pub(crate) async fn package(self, path: &Path) -> Result<Artefact, Failure> {
        let mut packages = Vec::new();
        for reference in self.references {
            let manifest = self.store.pull_manifest(&reference).await?;
            if manifest.artifact_type() == Some(media_type::PACKAGE) {
                packages.push(reference);
            }
        }
        let shown = path.display();
        match <[Reference; 1]>::try_from(packages) {
            Ok([reference]) => Ok(Artefact {
                store: self.store,
                reference,
            }),
            Err(packages) if packages.is_empty() => {
                let message = format!(
                    "{shown} holds no application package; build one with `margo-package build`"
                );
                Err(Failure::new(Kind::Invalid, message))
            }
            Err(packages) => {
                let names: Vec<_> = packages.iter().map(ToString::to_string).collect();
                let message = format!(
                    "{shown} holds {} packages ({}); give a layout with one",
                    names.len(),
                    names.join(", ")
                );
                Err(Failure::new(Kind::Usage, message))
            }
        }
    }
}

enum FileKind {
    Layout,
    Packed(Packed),
    Other,
}

/// Tells by its content what a file is.
fn kind_of(path: &Path) -> Result<FileKind, Failure> {
    let failed = |error| Failure::file(path, error);
    let mut head = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(512).read_to_end(&mut head).map_err(failed)?;
    let is_tar = head.get(257..262) == Some(b"ustar".as_slice());
    if !is_tar && !head.starts_with(&[0x1f, 0x8b]) {
        return Ok(FileKind::Other);
    }
    // A layout may hold blobs of any size, so its files are not read here.
    if is_tar
        && (head.starts_with(b"oci-layout\0")
            || head.starts_with(b"./oci-layout\0")
            || head.starts_with(b"blobs/"))
    {
        return Ok(FileKind::Layout);
    }
    let policy = Policy::default().limits(Chart::default_limits());
    let file = File::open(path).map_err(failed)?;
    // What cannot be read as a chart is left to the reader of compose archives, which says what is wrong.
    let contents = ArchiveReader::new(file, policy).and_then(ArchiveReader::into_contents);
    let is_chart = contents.is_ok_and(|contents| {
        let top = contents.top_directory().unwrap_or_default();
        contents.get(&format!("{top}/Chart.yaml")).is_some()
    });
    Ok(FileKind::Packed(if is_chart {
        Packed::Chart
    } else {
        Packed::Compose
    }))
}
