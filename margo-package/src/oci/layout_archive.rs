//! OCI image layouts in one tar file, to carry on a stick.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use margo_types::Digest;
use margo_types::oci::Descriptor;
use tempfile::TempDir;
use tokio::io::AsyncWrite;

use super::blob::BlobSource;
use super::error::{OciError, Place};
use super::layout::files::{self, BLOBS, INDEX_FILE, VERSION_FILE};
use super::layout::{Folder, Layout, Members, artifact_store};
use super::manifest::Manifest;
use super::reference::Reference;
use super::store::{ArtifactStore, Pushed};
use super::transfer::{publish, temporary_beside};

/// An uncompressed tar file with an OCI image layout.
///
/// Reading happens in place. What is pushed is collected in a folder beside the file, and
/// [`commit`](ArtifactStore::commit) writes a new file and puts it in the place of the old one in one step;
/// without it nothing changes.
#[derive(Debug)]
pub struct LayoutArchive(Layout, Staging);

#[derive(Debug)]
struct Staging {
    target: PathBuf,
    folder: TempDir,
    is_writable: bool,
}

impl LayoutArchive {
    /// An existing file, to pull from.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OciError> {
        let place = Place::new("layout", path.as_ref().display());
        let staging = tempfile::tempdir();
        let staging = staging.map_err(|error| OciError::file(&place, "temporary folder", error))?;
        Self::with(path.as_ref(), staging, false, &place).await
    }

    /// A file to pull from and push to, made by the first commit if it is not there.
    pub async fn edit(path: impl AsRef<Path>) -> Result<Self, OciError> {
        let path = path.as_ref();
        let place = Place::new("layout", path.display());
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let staging = tempfile::Builder::new()
            .prefix(".layout-")
            .tempdir_in(folder.unwrap_or(Path::new(".")))
            .map_err(|error| OciError::file(&place, path.display(), error))?;
        Self::with(path, staging, true, &place).await
    }

    /// The references of all artefacts in it, signatures among them.
    pub async fn references(&self) -> Result<Vec<Reference>, OciError> {
        self.0.references().await
    }

    async fn with(
        path: &Path,
        staging: TempDir,
        is_writable: bool,
        place: &Place,
    ) -> Result<Self, OciError> {
        let missing_is_empty = is_writable;
        let members = read_members(path, missing_is_empty, place).await?;
        let is_new = members.ranges.is_empty();
        let folder = Folder::new(staging.path());
        if !is_new {
            let version = member(&members, VERSION_FILE, place).await?;
            files::check_version(&version, place)?;
        }
        let index = if is_new {
            None
        } else {
            Some(member(&members, INDEX_FILE, place).await?)
        };
        folder.initialise(index.as_deref(), place).await?;
        let layout = Layout::new(folder, path.display(), Some(members));
        Ok(Self(
            layout,
            Staging {
                target: path.to_owned(),
                folder: staging,
                is_writable,
            },
        ))
    }

    /// Writes the file anew, with what it had and what was pushed.
    async fn write(&self) -> Result<(), OciError> {
        let place = self.0.place("layout");
        if !self.1.is_writable {
            let problem = "it was opened for reading";
            return Err(OciError::misused(
                &place,
                problem,
                "use LayoutArchive::edit",
            ));
        }
        let Some(archive) = &self.0.archive else {
            return Ok(());
        };
        let mut members = archive.write().await;
        let (target, staged, old) = (
            self.1.target.clone(),
            self.1.folder.path().to_owned(),
            members.clone(),
        );
        let written = tokio::task::spawn_blocking(move || rewrite(&target, &staged, &old)).await;
        let failed = |error| OciError::file(&place, self.1.target.display(), error);
        written
            .map_err(|error| failed(io::Error::other(error)))?
            .map_err(failed)?;
        *members = read_members(&self.1.target, false, &place).await?;

        // The archive has them now; what cannot be removed only takes space until we are dropped.
        for name in members.ranges.keys() {
            if name.starts_with(BLOBS) {
                let _ = tokio::fs::remove_file(self.0.folder.path().join(name)).await;
            }
        }
        Ok(())
    }
}

artifact_store!(LayoutArchive, commit: write);

async fn member(members: &Members, name: &'static str, place: &Place) -> Result<Vec<u8>, OciError> {
    let opened = members
        .open(name)
        .await
        .map_err(|error| OciError::file(place, name, error))?;
    let opened = opened
        .ok_or_else(|| OciError::malformed(place, "layout", format!("there is no {name} in it")))?;
    opened.all(name, place).await
}

async fn read_members(
    path: &Path,
    missing_is_empty: bool,
    place: &Place,
) -> Result<Members, OciError> {
    let file = path.to_owned();
    let scanned = tokio::task::spawn_blocking(move || scan(&file)).await;
    match scanned.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(ranges) => Ok(Members {
            file: path.to_owned(),
            ranges,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && missing_is_empty => {
            Ok(Members::default())
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(OciError::malformed(place, "archive", error.to_string()))
        }
        Err(error) => Err(OciError::file(place, path.display(), error)),
    }
}

/// Finds the members of a layout in a tar file, without reading their bytes.
fn scan(path: &Path) -> io::Result<BTreeMap<String, (u64, u64)>> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut archive = tar::Archive::new(file);
    let mut ranges = BTreeMap::new();
    let unreadable =
        |error: io::Error| invalid(&format!("it is no uncompressed tar file ({error})"));
    for (count, entry) in archive.entries_with_seek().map_err(unreadable)?.enumerate() {
        let entry = entry.map_err(unreadable)?;
        if count >= MAX_MEMBERS {
            return Err(invalid("it has more than 100,000 members"));
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path_bytes();
        let Ok(name) = std::str::from_utf8(&path) else {
            continue;
        };
        let name = name.trim_start_matches("./");
        let (start, size) = (entry.raw_file_position(), entry.size());
        if start.checked_add(size).is_none_or(|end| end > length) {
            return Err(invalid("it ends in the middle of a member"));
        }
        if is_of_layout(name) {
            ranges.insert(name.to_owned(), (start, size));
        }
    }
    if ranges.is_empty() {
        return Err(invalid("there is no layout in it"));
    }
    Ok(ranges)
}

fn is_of_layout(name: &str) -> bool {
    let digest = name
        .strip_prefix(BLOBS)
        .and_then(|name| name.strip_prefix('/'));
    name == VERSION_FILE
        || name == INDEX_FILE
        || digest.is_some_and(|hex| Digest::parse(&format!("sha256:{hex}")).is_ok())
}

/// Writes a new archive beside the old one and renames it. The same content gives the same bytes.
fn rewrite(target: &Path, staged: &Path, old: &Members) -> io::Result<()> {
    let temporary = temporary_beside(target)?;
    let mut writer = tar::Builder::new(BufWriter::with_capacity(1 << 18, temporary.as_file()));
    for name in [VERSION_FILE, INDEX_FILE] {
        append_file(&mut writer, name, &staged.join(name))?;
    }
    let mut blobs: BTreeSet<String> = old
        .ranges
        .keys()
        .filter(|name| name.starts_with(BLOBS))
        .cloned()
        .collect();
    for entry in staged.join(BLOBS).read_dir()? {
        let name = format!("{BLOBS}/{}", entry?.file_name().to_string_lossy());
        if is_of_layout(&name) {
            blobs.insert(name);
        }
    }
    for name in &blobs {
        let path = staged.join(name);
        match old.ranges.get(name) {
            Some(&(start, length)) if !path.exists() => {
                let mut source = File::open(&old.file)?;
                source.seek(io::SeekFrom::Start(start))?;
                append(&mut writer, name, length, source.take(length))?;
            }
            _ => append_file(&mut writer, name, &path)?,
        }
    }
    writer.into_inner()?.flush()?;
    temporary.as_file().sync_all()?;
    publish(temporary, target)
}

fn append_file<W: Write>(writer: &mut tar::Builder<W>, name: &str, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    append(writer, name, length, file)
}

fn append<W: Write>(
    writer: &mut tar::Builder<W>,
    name: &str,
    length: u64,
    bytes: impl io::Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(length);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular);
    writer.append_data(&mut header, name, bytes)
}

const MAX_MEMBERS: usize = 100_000;
