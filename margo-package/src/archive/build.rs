//! Building archives: the same input gives the same bytes.
//!
//! Members are sorted by path; every time is 0 (1970), every owner and group is 0 without a name, every mode is 0755 or
//! 0644; the gzip header has no time, no name and no system. Bytes depend on the input and on the compressor that
//! this version of the crate was built with: what is published is to be stored, not built again.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::contents::{Contents, Entry};
use super::error::ArchiveError;
use super::header::{self, BLOCK};
use super::limits::{Limit, Links, Policy};
use super::links;
use super::path::{InvalidPath, MemberPath};
use crate::Blame;

/// Packs the content of a directory, below a directory `top` if one is given.
///
/// Symbolic links stay links and must stay inside; other names of a file are packed as copies. The result obeys
/// the policy, except that its packed size and its ratio are not known before it is packed.
///
/// # Errors
/// [`BuildError`]; what was written by then is no archive.
pub fn pack_directory<W: Write>(
    directory: &Path,
    top: Option<&MemberPath>,
    policy: &Policy,
    writer: W,
) -> Result<Contents, BuildError> {
    let contents = measure_directory(directory, top, policy)?;
    pack_measured(directory, top, &contents, writer)?;
    Ok(contents)
}

/// What [`pack_directory`] would pack.
pub(crate) fn measure_directory(
    directory: &Path,
    top: Option<&MemberPath>,
    policy: &Policy,
) -> Result<Contents, BuildError> {
    let mut contents = Contents::default();
    let mut pending = vec![(directory.to_owned(), top.cloned())];
    if let Some(top) = top {
        contents.entries.insert(top.clone(), Entry::Directory);
    }
    let mut unpacked = END_BYTES;
    while let Some((place, inside)) = pending.pop() {
        for child in fs::read_dir(&place).map_err(unreadable(&place))? {
            let child = child.map_err(unreadable(&place))?;
            let place = child.path();
            let refuse = |why| BuildError::Path {
                path: place.clone(),
                why,
            };
            let name = child.file_name();
            let name = name.to_str().ok_or_else(|| refuse(InvalidPath::NotUtf8))?;
            let path = match &inside {
                Some(parent) => format!("{parent}/{name}"),
                None => name.to_owned(),
            };
            let path = MemberPath::parse_within(&path, &policy.limits)
                .and_then(|path| path.ok_or(InvalidPath::Empty))
                .map_err(refuse)?;
            let entry = measure(&place, policy)?;
            unpacked = unpacked.saturating_add(match &entry {
                Entry::File { bytes, .. } => bytes.saturating_add(HEADER_BYTES),
                _ => HEADER_BYTES,
            });
            if unpacked > policy.limits.max_unpacked_bytes {
                return Err(BuildError::OverLimit(Limit::UnpackedBytes(
                    policy.limits.max_unpacked_bytes,
                )));
            }
            if entry == Entry::Directory {
                pending.push((place, Some(path.clone())));
            }
            contents.entries.insert(path, entry);
            if contents.len() > policy.limits.max_members {
                return Err(BuildError::OverLimit(Limit::Members(
                    policy.limits.max_members,
                )));
            }
        }
    }
    links::check(&contents, top.map_or("", MemberPath::as_str)).map_err(BuildError::Links)?;
    Ok(contents)
}

/// Packs what [`measure_directory`] found.
pub(crate) fn pack_measured<W: Write>(
    directory: &Path,
    top: Option<&MemberPath>,
    contents: &Contents,
    writer: W,
) -> Result<(), BuildError> {
    let mut archive = ArchiveWriter::new(writer);
    for (path, entry) in contents.iter() {
        let inside = match top {
            Some(top) => path.as_str().strip_prefix(top.as_str()).unwrap_or_default(),
            None => path.as_str(),
        };
        let place = directory.join(inside.trim_start_matches('/'));
        match entry {
            Entry::File { bytes, executable } => {
                let mut file = File::open(&place).map_err(unreadable(&place))?;
                archive
                    .file_from(path, *executable, *bytes, &mut file)
                    .map_err(|error| match error {
                        BuildError::Source(source) => unreadable(&place)(source),
                        other => other,
                    })?;
            }
            Entry::Symlink { target } => archive.symlink(path, target)?,
            _ => archive.directory(path)?,
        }
    }
    archive.finish()?;
    Ok(())
}

fn measure(place: &Path, policy: &Policy) -> Result<Entry, BuildError> {
    let metadata = place.symlink_metadata().map_err(unreadable(place))?;
    let unsupported = |what| BuildError::Unsupported {
        path: place.to_owned(),
        what,
    };
    if metadata.is_dir() {
        Ok(Entry::Directory)
    } else if metadata.is_file() {
        if metadata.len() > policy.limits.max_file_bytes {
            return Err(BuildError::OverLimit(Limit::FileBytes(
                policy.limits.max_file_bytes,
            )));
        }
        Ok(Entry::File {
            bytes: metadata.len(),
            executable: is_executable(&metadata),
        })
    } else if !metadata.is_symlink() {
        Err(unsupported("no file, directory or link"))
    } else if policy.links == Links::Refused {
        Err(unsupported("a link"))
    } else {
        let target = fs::read_link(place).map_err(unreadable(place))?;
        let target = target
            .to_str()
            .ok_or_else(|| unsupported("a link whose target is not UTF-8"))?;
        links::check_target(target, policy.limits.max_path_bytes).map_err(|why| {
            BuildError::Links(ArchiveError::refused(place.to_string_lossy(), why))
        })?;
        Ok(Entry::Symlink {
            target: target.to_owned(),
        })
    }
}

/// Writes a tar.gz archive, member by member in ascending order of their paths.
#[derive(Debug)]
pub struct ArchiveWriter<W: Write> {
    output: GzEncoder<W>,
    last: Option<MemberPath>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Writes to `writer`, which needs no buffer.
    pub fn new(writer: W) -> Self {
        let output = GzBuilder::new()
            .mtime(0)
            .operating_system(UNKNOWN_SYSTEM)
            .write(writer, Compression::new(LEVEL));
        Self { output, last: None }
    }

    /// Adds a file.
    ///
    /// # Errors
    /// [`BuildError::Order`] and [`BuildError::Write`].
    pub fn file(
        &mut self,
        path: &MemberPath,
        executable: bool,
        content: &[u8],
    ) -> Result<(), BuildError> {
        let size = content.len() as u64;
        self.file_from(path, executable, size, &mut &*content)
    }

    /// Adds a file of `size` bytes that are read from `content`.
    ///
    /// # Errors
    /// [`BuildError::Changed`] when there are more or fewer bytes, [`BuildError::Source`] when they cannot be read,
    /// [`BuildError::Order`] and [`BuildError::Write`].
    pub fn file_from<R: Read>(
        &mut self,
        path: &MemberPath,
        executable: bool,
        size: u64,
        content: &mut R,
    ) -> Result<(), BuildError> {
        let mode = if executable { 0o755 } else { 0o644 };
        self.header(b'0', path, None, size, mode)?;
        let mut buffer = [0; COPY_BUFFER];
        let mut left = size;
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(BuildError::Source(error)),
            };
            left = left
                .checked_sub(count as u64)
                .ok_or_else(|| BuildError::Changed(path.to_string()))?;
            self.write(buffer.get(..count).unwrap_or_default())?;
        }
        if left != 0 {
            return Err(BuildError::Changed(path.to_string()));
        }
        self.pad(size)
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// [`BuildError::Order`] and [`BuildError::Write`].
    pub fn directory(&mut self, path: &MemberPath) -> Result<(), BuildError> {
        self.header(b'5', path, None, 0, 0o755)
    }

    /// Adds a symbolic link. Whether it stays inside is for the caller to see to; readers refuse it otherwise.
    ///
    /// # Errors
    /// [`BuildError::Order`] and [`BuildError::Write`].
    pub fn symlink(&mut self, path: &MemberPath, target: &str) -> Result<(), BuildError> {
        self.header(b'2', path, Some(target), 0, 0o777)
    }

    /// Ends the archive and gives the writer back.
    ///
    /// # Errors
    /// [`BuildError::Write`].
    pub fn finish(mut self) -> Result<W, BuildError> {
        self.write(&[0; 2 * BLOCK])?;
        self.output.finish().map_err(BuildError::Write)
    }

    fn header(
        &mut self,
        kind: u8,
        path: &MemberPath,
        target: Option<&str>,
        size: u64,
        mode: u32,
    ) -> Result<(), BuildError> {
        if self.last.as_ref().is_some_and(|last| last >= path) {
            return Err(BuildError::Order(path.to_string()));
        }
        self.last = Some(path.clone());

        // A directory's name ends in a slash for readers older than POSIX.
        let slash = if kind == b'5' { "/" } else { "" };
        let name = format!("{path}{slash}");
        let target = target.unwrap_or_default();
        let mut records = String::new();
        let split = header::split_name(&name).unwrap_or_else(|| {
            records.push_str(&header::record("path", &name));
            ("", LONG_NAME)
        });
        let target = if target.len() > header::MAX_LINK {
            records.push_str(&header::record("linkpath", target));
            ""
        } else {
            target
        };
        if !records.is_empty() {
            let size = records.len() as u64;
            self.write(&header::write(b'x', ("", RECORDS_NAME), "", size, 0o644))?;
            self.write(records.as_bytes())?;
            self.pad(size)?;
        }
        self.write(&header::write(kind, split, target, size, mode))
    }

    fn pad(&mut self, size: u64) -> Result<(), BuildError> {
        let used = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        let zeros = (BLOCK - used) % BLOCK;
        self.write([0; BLOCK].get(..zeros).unwrap_or_default())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        self.output.write_all(bytes).map_err(BuildError::Write)
    }
}

/// Why an archive was not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The caller's fault: a file has a path that no member may have.
    #[error("{path:?} cannot be packed: {why}")]
    Path {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        why: InvalidPath,
    },
    /// The caller's fault: something is no file or directory, or a link where none may be.
    #[error("{path:?} cannot be packed: it is {what}; remove it")]
    Unsupported {
        /// The place.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The caller's fault: a link leads outside.
    #[error("a link cannot be packed")]
    Links(#[source] ArchiveError),
    /// The caller's fault: there is more than the policy allows.
    #[error("there are more than {0}; pack less or raise the limit")]
    OverLimit(Limit),
    /// The caller's fault: a member was added after one that comes later.
    #[error("member {0:?} is not in ascending order; sort the members and keep one of each path")]
    Order(String),
    /// The environment's fault: a file changed while it was read.
    #[error("{0:?} has another length than a moment ago; try again when nothing writes to it")]
    Changed(String),
    /// The environment's fault: something could not be read.
    #[error("{path:?} could not be read; check its permissions and try again")]
    Unreadable {
        /// The place.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: io::Error,
    },
    /// The environment's fault: the content given could not be read.
    #[error("the content could not be read; try again")]
    Source(#[source] io::Error),
    /// The environment's fault: the archive could not be written.
    #[error("the archive could not be written; check space and try again")]
    Write(#[source] io::Error),
}

impl BuildError {
    /// Whose fault it is.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Path { .. }
            | Self::Unsupported { .. }
            | Self::Links(_)
            | Self::OverLimit(_)
            | Self::Order(_) => Blame::Caller,
            Self::Changed(_) | Self::Unreadable { .. } | Self::Source(_) | Self::Write(_) => {
                Blame::Environment
            }
        }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::Unreadable { path, source }
}

/// By the owner's bit, which no usual umask takes away.
#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}

/// The value of RFC 1952 for "unknown", the same wherever the archive is built.
const UNKNOWN_SYSTEM: u8 = 255;
/// The usual compromise of deflate.
const LEVEL: u32 = 6;
const COPY_BUFFER: usize = 16 << 10;
/// The most that a member takes beside its content: two headers, records for the longest names, padding.
const HEADER_BYTES: u64 = 6 * BLOCK as u64;
/// The end mark.
const END_BYTES: u64 = 2 * BLOCK as u64;
/// Names for readers that do not know pax records.
const RECORDS_NAME: &str = "PaxHeaders/records";
const LONG_NAME: &str = "PaxHeaders/long-name";
