//! Extraction: all of an archive at its destination, or nothing anywhere.
//!
//! **Why nothing is written outside.** Members go into a directory that is created for this one extraction next to
//! the destination, with mode 0700, so no other user can put anything there. Paths are relative and without `..`
//! ([`MemberPath`]), and [`ArchiveReader`] lets a path go through nothing but directories. Files and directories
//! are made with calls that fail when something is there, and symbolic links are made last, when no file is written any
//! more: at no time is there a link that a write could follow. Hard links name files made here, and linking
//! does not follow links.
//!
//! **Why nothing is left behind.** The private directory is removed on every error and when a [`Staged`] is dropped.
//! Only [`Staged::commit`] moves the result to the destination, in one step. A process that is killed leaves a directory
//! called `.margo-*` beside the destination, never half a destination.
//!
//! **What is normalised.** Files get mode 0644, or 0755 when executable; directories get 0755; owner and group are those
//! of the process, times are those of the extraction; extended attributes are dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::contents::{Contents, Entry};
use super::error::ArchiveError;
use super::limits::Policy;
use super::path::MemberPath;
use super::reader::{ArchiveReader, Member};

/// Extracts archives that obey a policy.
///
/// Symbolic links need a Unix system; elsewhere an archive with one is refused by the file system.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Extractor {
    policy: Policy,
    durability: Durability,
}

/// What survives a loss of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// A destination that is there is complete, whatever happens after [`Staged::commit`] returned.
    ///
    /// On Linux one `syncfs` before and one directory `fsync` after the move, elsewhere an `fsync` for every file.
    #[default]
    Durable,
    /// The operating system writes when it likes: after a loss of power files may be empty. For what can be made again.
    Cached,
}

impl Extractor {
    /// An extractor of durable files.
    pub const fn new(policy: Policy) -> Self {
        Self {
            policy,
            durability: Durability::Durable,
        }
    }

    /// The same extractor with this durability.
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Extracts an archive into a new directory at `destination`, whose parent must exist.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing is at the destination then.
    pub fn extract<R: Read>(
        &self,
        source: R,
        destination: &Path,
    ) -> Result<Contents, ArchiveError> {
        self.stage(source, destination)?.commit()
    }

    /// Extracts an archive beside `destination`, to be looked at before it is moved there.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing is left behind then.
    pub fn stage<R: Read>(&self, source: R, destination: &Path) -> Result<Staged, ArchiveError> {
        let mut staged = Staged::create(destination, self.durability)?;
        let mut reader = ArchiveReader::new(source, self.policy)?;
        while let Some(mut member) = reader.next_member()? {
            staged.write(&mut member)?;
        }
        staged.contents = reader.contents().clone();
        staged.write_links()?;
        Ok(staged)
    }
}

/// An extracted archive that is not at its destination yet. Dropping it removes it.
#[derive(Debug)]
#[must_use = "dropping it removes what was extracted"]
pub struct Staged {
    /// Removed on drop, with all that is in it.
    private: TempDir,
    root: PathBuf,
    destination: PathBuf,
    durability: Durability,
    contents: Contents,
}

impl Staged {
    /// The directory that holds the members. Only this user can open it, and only until it is dropped or moved.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The index of the archive.
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Moves the directory to its destination.
    ///
    /// # Errors
    /// [`ArchiveError::DestinationExists`] when there is something by now, [`ArchiveError::Destination`] when the file
    /// system refuses.
    pub fn commit(self) -> Result<Contents, ArchiveError> {
        self.synchronise()?;
        // A rename would replace an empty directory. Should one appear between this look and the rename,
        // that is all that is lost.
        check_vacant(&self.destination)?;
        fs::rename(&self.root, &self.destination).map_err(at(&self.destination))?;
        if self.durability == Durability::Durable {
            synchronise_directory(parent_of(&self.destination))?;
        }
        // Empty by now. Should it stay, nothing that matters is left behind.
        let _ = self.private.close();
        Ok(self.contents)
    }

    fn create(destination: &Path, durability: Durability) -> Result<Self, ArchiveError> {
        check_vacant(destination)?;
        let parent = parent_of(destination);
        let private = private_directory(parent).map_err(at(parent))?;
        let root = private.path().join("root");
        create_directory(&root)?;
        Ok(Self {
            private,
            root,
            destination: destination.to_owned(),
            durability,
            contents: Contents::default(),
        })
    }

    fn write<R: Read>(&mut self, member: &mut Member<'_, R>) -> Result<(), ArchiveError> {
        let path = member.path().below(&self.root);
        match member.entry().clone() {
            Entry::Directory => self.ensure_directory(member.path()),
            Entry::File { executable, .. } => {
                self.ensure_parent(member.path())?;
                let mut file = create_file(&path, executable).map_err(at(&path))?;
                while let Some(chunk) = member.next_chunk()? {
                    file.write_all(chunk).map_err(at(&path))?;
                }
                self.synchronise_file(&file).map_err(at(&path))
            }
            Entry::HardLink { file } => {
                self.ensure_parent(member.path())?;
                fs::hard_link(file.below(&self.root), &path).map_err(at(&path))
            }
            // Made last, see the head of this file.
            Entry::Symlink { .. } => Ok(()),
        }
    }

    fn write_links(&self) -> Result<(), ArchiveError> {
        for (path, entry) in self.contents.iter() {
            if let Entry::Symlink { target } = entry {
                self.ensure_parent(path)?;
                let path = path.below(&self.root);
                create_symlink(target, &path).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    fn ensure_parent(&self, path: &MemberPath) -> Result<(), ArchiveError> {
        path.parent()
            .map_or(Ok(()), |parent| self.ensure_directory(&parent))
    }

    /// Makes a directory and those around it, unless an earlier member did.
    ///
    /// That something there is a directory follows from the reader's index: nothing else was made with that path.
    fn ensure_directory(&self, path: &MemberPath) -> Result<(), ArchiveError> {
        let directory = path.below(&self.root);
        if directory.symlink_metadata().is_ok() {
            return Ok(());
        }
        self.ensure_parent(path)?;
        create_directory(&directory)
    }

    #[cfg(target_os = "linux")]
    #[allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "other systems need both"
    )]
    fn synchronise_file(&self, _: &File) -> io::Result<()> {
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn synchronise_file(&self, file: &File) -> io::Result<()> {
        match self.durability {
            Durability::Durable => file.sync_all(),
            Durability::Cached => Ok(()),
        }
    }

    /// One call for the whole file system instead of one for each file: thousands of files become durable in one commit.
    #[cfg(target_os = "linux")]
    fn synchronise(&self) -> Result<(), ArchiveError> {
        if self.durability == Durability::Cached {
            return Ok(());
        }
        let directory = File::open(&self.root).map_err(at(&self.root))?;
        rustix::fs::syncfs(&directory).map_err(|error| at(&self.root)(error.into()))
    }

    #[cfg(not(target_os = "linux"))]
    fn synchronise(&self) -> Result<(), ArchiveError> {
        if self.durability == Durability::Durable {
            for (path, entry) in self.contents.iter() {
                if *entry == Entry::Directory {
                    synchronise_directory(&path.below(&self.root))?;
                }
            }
            synchronise_directory(&self.root)?;
        }
        Ok(())
    }
}

fn check_vacant(destination: &Path) -> Result<(), ArchiveError> {
    match destination.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(destination)(error)),
        Ok(_) => Err(ArchiveError::DestinationExists(destination.to_owned())),
    }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn private_directory(parent: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".margo-");
    #[cfg(unix)]
    let mode: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    #[cfg(unix)]
    builder.permissions(mode);
    builder.tempdir_in(parent)
}

fn create_directory(path: &Path) -> Result<(), ArchiveError> {
    fs::create_dir(path)
        .and_then(|()| set_mode(path, 0o755))
        .map_err(at(path))
}

fn create_file(path: &Path, executable: bool) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    // Explicit, for the mode given to `open` would be cut by the umask.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(
        if executable { 0o755 } else { 0o644 },
    ))?;
    #[cfg(not(unix))]
    let _ = executable;
    Ok(file)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn create_symlink(target: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn create_symlink(_: &str, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes the names in a directory durable.
fn synchronise_directory(path: &Path) -> Result<(), ArchiveError> {
    #[cfg(unix)]
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(at(path))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Destination { path, source }
}
