//! Files that others write and this program reads, and the reverse.

use std::fs::{self, File};
use std::io::{ErrorKind as Io, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// What is in a file that an operator provides; `what` it is, for messages.
///
/// # Errors
/// [`ErrorKind::Setup`] when it cannot be read, is empty or far too long.
pub(crate) fn read(path: &Path, what: &str) -> Result<Vec<u8>, Error> {
    let path_text = path.display();
    let bytes = read_regular(path).map_err(|error| {
        let fix = match error.kind() {
            Io::NotFound => "there is no such file; check the path",
            Io::PermissionDenied => "this user may not read it; check its owner and mode",
            Io::FileTooLarge => "it has more than 1 MiB; check that it is the right file",
            _ => "check that it is a file and can be read",
        };
        setup(format!("{what} {path_text} cannot be read: {fix}")).because(error)
    })?;
    if bytes.is_empty() {
        return Err(setup(format!(
            "{what} {path_text} is empty; write it again"
        )));
    }
    Ok(bytes)
}

/// What is in a regular file of at most 1 MiB. Anything else is refused at once, where a FIFO would be waited for.
pub(crate) fn read_regular(path: &Path) -> std::io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Io::InvalidInput.into());
    }
    if metadata.len() > LONGEST_FILE {
        return Err(Io::FileTooLarge.into());
    }
    fs::read(path)
}

/// What is wrong when others than the owner may read a private key; `None` when they may not, or it cannot be known
/// (C16).
pub(crate) fn key_exposure(path: &Path) -> Option<String> {
    let mode = permissions(path)?;
    (mode & 0o077 != 0).then(|| {
        let path = path.display();
        format!("others may read the private key {path} (mode {mode:04o}); run chmod 600 {path}")
    })
}

/// Replaces a file as a whole; after a power cut it is either the old one or the new one.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = directory.join(name);
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(directory)?.sync_all()
}

/// Looks at files every so often, for ever. What goes wrong is logged once for every distinct fault.
pub(crate) async fn look_for_ever(
    every: Duration,
    mut take_over: impl FnMut() -> Result<bool, Error>,
) {
    let mut last_fault = None;
    loop {
        tokio::time::sleep(every).await;
        match take_over() {
            Ok(true) => tracing::info!("the identity was renewed"),
            Ok(false) => {}
            Err(error) => {
                let fault = Some(error.to_string());
                if fault != last_fault {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "the identity stays as it was");
                }
                last_fault = fault;
                continue;
            }
        }
        last_fault = None;
    }
}

fn setup(message: String) -> Error {
    Error::new(ErrorKind::Setup, message)
}

#[cfg(unix)]
fn permissions(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn permissions(_: &Path) -> Option<u32> {
    None
}

/// No chain, key or bundle is nearly as long.
const LONGEST_FILE: u64 = 1 << 20;
