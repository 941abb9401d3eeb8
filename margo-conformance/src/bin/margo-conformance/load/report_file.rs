//! The file with the report, which is there whole or as it was before.

use std::fs::{self, File, Permissions};
use std::io::{self, Write, stdout};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Where the report goes.
pub(crate) enum ReportFile {
    /// Standard output, a device, a pipe: a file in its place would be no help.
    Stream(Box<dyn Write>),
    /// A file in the making, beside the one that it replaces.
    Fresh { file: NamedTempFile, path: PathBuf },
}

impl ReportFile {
    /// Sees whether the report can be written there. What is there stays as it is.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stream(Box::new(stdout())));
        }
        let opened = if leads_elsewhere(path) {
            let file = File::options().append(true).open(path);
            file.map(|file| Self::Stream(Box::new(file)))
        } else {
            Self::beside(path)
        };
        opened.map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }

    fn beside(path: &Path) -> io::Result<Self> {
        // The file behind a link is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let permissions = fs::metadata(&path).map(|metadata| metadata.permissions());
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".margo-")
            .permissions(permissions.unwrap_or_else(|_| Permissions::from_mode(0o666)))
            .tempfile_in(directory)?;
        Ok(Self::Fresh { file, path })
    }

    /// Writes all of it.
    pub(crate) fn write(self, report: &[u8]) -> Result<(), String> {
        let written = match self {
            Self::Stream(mut stream) => stream.write_all(report).and_then(|()| stream.flush()),
            Self::Fresh { mut file, path } => file
                .write_all(report)
                .and_then(|()| file.as_file().sync_all())
                .and_then(|()| file.persist(path).map_err(|error| error.error))
                .map(drop),
        };
        written.map_err(|error| format!("the report cannot be written: {error}"))
    }
}

/// Whether there is something that is no file, or, as `/dev/stdout`, a name for what others have opened.
fn leads_elsewhere(path: &Path) -> bool {
    let is_name = ["/dev", "/proc"]
        .iter()
        .any(|place| path.starts_with(place));
    is_name || fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}
