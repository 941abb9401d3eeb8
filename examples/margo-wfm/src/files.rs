//! Files that are there completely or not at all, also after a power loss.

use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Failure, Kind};

/// Makes a directory that only this user can enter, with those above it; one that is there is left as it is.
pub(crate) fn make_directory(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::file(path, &error))
}

/// Writes a file that only this user can read, or replaces it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let directory = parent(path);
    let written = tempfile::NamedTempFile::new_in(directory).and_then(|mut file| {
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync(directory)
    });
    written.map_err(|error| Failure::file(path, &error))
}

/// A directory in the making. It appears at its place complete, or is cleaned up.
#[derive(Debug)]
pub(crate) struct Draft {
    place: PathBuf,
    directory: TempDir,
}

impl Draft {
    /// A directory that is to appear here. There must be nothing yet.
    pub(crate) fn new(place: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::file(place, &error);
        if fs::symlink_metadata(place).is_ok() {
            let message = format!(
                "{} is there already; it is not overwritten, so choose another place or move it away",
                place.display()
            );
            return Err(Failure::new(Kind::Usage, message));
        }
        let parent = parent(place);
        make_directory(parent)?;
        let directory = tempfile::Builder::new()
            .prefix(".margo-wfm-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(failed)?;
        Ok(Self {
            place: place.to_owned(),
            directory,
        })
    }

    /// Where it is being made.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts it in its place.
    pub(crate) fn place(self) -> Result<(), Failure> {
        let failed = |error| Failure::file(&self.place, &error);
        sync(self.directory.path()).map_err(failed)?;
        fs::rename(self.directory.path(), &self.place).map_err(failed)?;
        // What was moved is not to be cleaned up.
        let _ = self.directory.keep();
        sync(parent(&self.place)).map_err(failed)
    }
}

/// Copies a directory with all that is in it.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> Result<(), Failure> {
    make_directory(to)?;
    let entries = fs::read_dir(from).map_err(|error| Failure::file(from, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| Failure::file(from, &error))?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        if path.is_dir() {
            copy_directory(&path, &to.join(name))?;
        } else {
            let bytes = fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
            write(&to.join(name), &bytes)?;
        }
    }
    Ok(())
}

/// The directory that a path is in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in a directory durable.
fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}
