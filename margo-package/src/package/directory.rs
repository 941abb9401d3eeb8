//! Packages in a directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use margo_types::{Exact, Limits, Reader};

use super::path::is_inside;
use super::{
    ApplicationPackage, DESCRIPTION_FILE, PackageError, PackageLimits, PackagePath, Resource,
    ResourceRole,
};

impl ApplicationPackage {
    /// Opens the package in a directory: `margo.yaml` and the files it refers to.
    ///
    /// # Errors
    /// [`PackageError`] when the description is missing or cannot be read, or when a file it refers to is
    /// missing, outside the directory or too long.
    pub fn open(directory: &Path, limits: &PackageLimits) -> Result<Self, PackageError> {
        let file = directory.join(DESCRIPTION_FILE);
        let place = file.display().to_string();
        let bytes = match read_bounded(&file, limits.description) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(PackageError::NoDescription {
                    place: directory.display().to_string(),
                });
            }
            Err(source) => return Err(PackageError::Io { place, source }),
        };
        let description = read_description(&bytes, place, limits)?;
        Self::assemble(description, |role, path| {
            let file = directory.join(path.as_str());
            let outside = "is a link out of the package; put the file itself there";
            let inside = |file: &Path| {
                Ok::<_, io::Error>(file.canonicalize()?.starts_with(directory.canonicalize()?))
            };
            let bytes = match inside(&file) {
                Ok(true) => read_bounded(&file, limits.resource),
                Ok(false) => return Err(PackageError::resource(role, path, outside)),
                Err(error) => Err(error),
            };
            bytes.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => PackageError::resource(
                    role,
                    path,
                    "does not exist; add it or remove the member",
                ),
                io::ErrorKind::FileTooLarge => PackageError::resource(
                    role,
                    path,
                    format!("has more than {} bytes; shorten it", limits.resource),
                ),
                _ => PackageError::Io {
                    place: file.display().to_string(),
                    source: error,
                },
            })
        })
    }

    /// A package of a description and the files it refers to, fetched one by one. Links to web sites
    /// are left alone.
    pub(super) fn assemble(
        description: Exact<margo_types::application::ApplicationDescription>,
        mut fetch: impl FnMut(ResourceRole, &PackagePath) -> Result<Vec<u8>, PackageError>,
    ) -> Result<Self, PackageError> {
        let mut resources = BTreeMap::new();
        let application = description
            .value()
            .metadata
            .catalog
            .application
            .clone()
            .unwrap_or_default();
        for role in ResourceRole::ALL {
            let Some(link) = role.link(&application).filter(|link| is_inside(link)) else {
                continue;
            };
            let path = PackagePath::parse(link).map_err(|why| PackageError::Resource {
                path: link.to_owned(),
                member: role.as_str(),
                why,
            })?;
            let bytes = fetch(role, &path)?.into();
            resources.insert(role, Resource { path, bytes });
        }
        Ok(Self {
            description,
            resources,
        })
    }
}

impl PackageError {
    pub(super) fn resource(role: ResourceRole, path: &PackagePath, why: impl Into<String>) -> Self {
        Self::Resource {
            path: path.to_string(),
            member: role.as_str(),
            why: why.into(),
        }
    }
}

pub(super) fn read_description(
    bytes: &[u8],
    place: String,
    limits: &PackageLimits,
) -> Result<Exact<margo_types::application::ApplicationDescription>, PackageError> {
    let mut reader_limits = Limits::default();
    reader_limits.max_bytes = limits.description;
    let reader = Reader::new().limits(reader_limits);
    reader
        .read(bytes)
        .map_err(|source| PackageError::Description { place, source })
}

/// Reads a whole regular file that has at most `limit` bytes.
fn read_bounded(file: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // Before it is opened: a FIFO would be waited for.
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    let open = File::open(file)?;
    open.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("more than {limit} bytes"),
        ));
    }
    Ok(bytes)
}
