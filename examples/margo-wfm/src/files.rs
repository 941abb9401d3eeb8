//! Files that are there completely or not at all, also after a power loss.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
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

/// What is in a regular file of at most `longest` bytes. Anything else is refused at once, where a FIFO would be waited for.
pub(crate) fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        let why = format!("it has more than {longest} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// What is in a regular file of at most `longest` bytes that is text.
pub(crate) fn read_text(path: &Path, longest: u64) -> io::Result<String> {
    String::from_utf8(read(path, longest)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not text in UTF-8"))
}

/// A regular file.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        let why = "it is not a regular file";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(file)
}

/// Writes a file that only this user can read, or replaces it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_from(path, bytes)
}

fn write_from(path: &Path, mut bytes: impl io::Read) -> Result<(), Failure> {
    let directory = parent(path);
    let written = tempfile::NamedTempFile::new_in(directory).and_then(|mut file| {
        io::copy(&mut bytes, &mut file)?;
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

/// Copies a directory with all files and directories that are in it.
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
        } else if path.is_file() {
            let file = open(&path).map_err(|error| Failure::file(&path, &error))?;
            write_from(&to.join(name), file)?;
        } else {
            tracing::warn!(file = %path.display(), "left out of the backup: it is not a regular file");
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
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
