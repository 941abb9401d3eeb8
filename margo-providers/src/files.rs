//! Files that are written in one step, directories for one user, and work that would hold others up.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::{ProviderError, Trouble, turn};

/// Runs what reads and writes files where it holds nobody up. It is run to its end, also when the future is dropped; the
/// [turn] of the call that it belongs to lasts as long.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
) -> Result<T, ProviderError> {
    let turn = turn::present();
    let work = move || {
        let _turn = turn;
        work()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ProviderError::new(
                Trouble::Device,
                "the program is shutting down",
            )),
        },
    }
}

/// The error of an operation whose files cannot be used.
pub(crate) fn device_trouble(error: io::Error) -> ProviderError {
    let message = "the files of the deployment cannot be used; check the rights and the free space of the state directory";
    ProviderError::new(Trouble::Device, format!("{message}: {error}")).because(error)
}

/// Writes a file in one step, unless it has this content already; it is durable on return.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    replace(path, bytes).map_err(at(path))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// A directory for this user alone: parameters may be secrets.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(at(path))
}

/// Removes a directory with everything in it, or whatever else is in its place, if it is there. Links are not followed.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        outcome => outcome,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(at(path)),
    }
}

/// Whether there is a directory.
///
/// # Errors
/// [`io::ErrorKind::NotADirectory`] when something else is in its place, such as a link: it would lead elsewhere.
pub(crate) fn is_directory(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is in the way", path.display()),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(at(path)(error)),
    }
}

/// The same error, naming the file.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
