//! Writing files and directories so that they are there whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Failure, Kind};

/// A new directory in the making, beside the place where it is to be.
#[derive(Debug)]
pub(crate) struct StagedDirectory {
    target: PathBuf,
    content: PathBuf,
    /// Removed with all that is in it when this value goes.
    _holder: TempDir,
}

impl StagedDirectory {
    /// Starts a directory that will be at `target`, where nothing or an empty directory may be.
    pub(crate) fn new(target: &Path) -> Result<Self, Failure> {
        refuse_occupied(target)?;
        let parent = parent_of(target);
        fs::create_dir_all(parent).map_err(|error| Failure::file(parent, error))?;
        let holder = tempfile::Builder::new()
            .prefix(".margo-")
            .tempdir_in(parent)
            .map_err(|error| Failure::file(parent, error))?;
        let content = holder.path().join("content");
        fs::create_dir(&content).map_err(|error| Failure::file(&content, error))?;
        Ok(Self {
            target: target.to_owned(),
            content,
            _holder: holder,
        })
    }

    /// Where the content is made.
    pub(crate) fn path(&self) -> &Path {
        &self.content
    }

    /// Writes a file with its directories; `name` has slashes.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.content.join(name);
        let written = fs::create_dir_all(parent_of(&path)).and_then(|()| fs::write(&path, bytes));
        written.map_err(|error| Failure::file(&self.target.join(name), error))
    }

    /// Puts the directory in its place.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        if cfg!(windows) {
            // There an empty directory is in the way of a rename; elsewhere it is replaced.
            let _ = fs::remove_dir(&self.target);
        }
        fs::rename(&self.content, &self.target).map_err(|error| Failure::file(&self.target, error))
    }
}

/// Refuses a place where something is that would be lost or mixed up.
pub(crate) fn refuse_occupied(target: &Path) -> Result<(), Failure> {
    let refused = |what: &str| {
        let message = format!(
            "{} {what}; remove it or choose another place",
            target.display()
        );
        Err(Failure::new(Kind::Usage, message))
    };
    match fs::metadata(target) {
        Ok(metadata) if !metadata.is_dir() => return refused("exists and is not a directory"),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::file(target, error)),
    }
    let mut entries = fs::read_dir(target).map_err(|error| Failure::file(target, error))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => refused("is not empty"),
    }
}

/// Writes a file in one step. What is there is replaced, or else refused.
pub(crate) fn write_file(
    path: &Path,
    bytes: &[u8],
    existing: Existing,
    access: Access,
) -> Result<(), Failure> {
    let failed = |error| Failure::file(path, error);
    let mut path = path.to_owned();
    match fs::metadata(&path) {
        // A device or pipe is written to; a file in its place would be no help.
        Ok(metadata) if !metadata.is_file() && existing == Existing::Replaced => {
            return fs::write(&path, bytes).map_err(failed);
        }
        // The file behind a link is replaced, not the link.
        Ok(_) => path = path.canonicalize().map_err(failed)?,
        Err(_) => {}
    }
    let path = path.as_path();
    let mut builder = tempfile::Builder::new();
    builder.prefix(".margo-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = match access {
            Access::Everybody => 0o666,
            Access::Owner => 0o600,
        };
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = access;
    let mut file = builder.tempfile_in(parent_of(path)).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let persisted = match existing {
        Existing::Replaced => file.persist(path),
        Existing::Refused => file.persist_noclobber(path),
    };
    match persisted {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!(
                "{} exists already; remove it or choose another name",
                path.display()
            );
            Err(Failure::new(Kind::Usage, message))
        }
        Err(error) => Err(failed(error.error)),
    }
}

/// What happens to a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Replaced,
    Refused,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// As the process's mask says.
    Everybody,
    Owner,
}

/// The directory that a path is in.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
