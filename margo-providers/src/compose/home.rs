//! The files of a deployment on the device.
//!
//! ```text
//! STATE/DEPLOYMENT/record.json            what is, or may be, on the device
//! STATE/DEPLOYMENT/COMPONENT/archive-HEX  the archive by its digest, so that no registry is needed again
//! STATE/DEPLOYMENT/COMPONENT/project/     the archive's files, and what relative bind mounts of the containers hold
//! STATE/DEPLOYMENT/COMPONENT/margo.json   what is laid over the compose file
//! STATE/DEPLOYMENT/COMPONENT/work/        what is not ready; anything there is left from a process that was killed
//! ```
//!
//! The project directory stays through updates: the data of a bind mount such as `./data:/data` lives in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use margo_package::DigestReader;
use margo_types::Digest;
use margo_types::id::{ComponentName, DeploymentId};
use serde::{Deserialize, Serialize};

use super::container::Tally;

/// What is remembered of a deployment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// Whether it was complete once. From then on its data is never removed by a failure.
    pub(super) keep: bool,
    /// The components of which there may be something on the device.
    pub(super) components: BTreeMap<ComponentName, Kept>,
}

/// What is remembered of a component.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) repository: String,
    pub(super) revision: String,
    /// What the revision was when it was first pulled. A revision is a version and stays what it is.
    pub(super) archive: Digest,
    /// The files in the project directory that came from archives.
    pub(super) members: BTreeSet<String>,
    /// Whether it was complete once.
    pub(super) keep: bool,
    /// What was last complete.
    pub(super) complete: Option<Complete>,
}

/// A component as it was when it was complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Complete {
    /// The digest of all that went into it.
    pub(super) inputs: Digest,
    /// How many containers each service had.
    pub(super) services: BTreeMap<String, Tally>,
}

/// The directory of a deployment.
#[derive(Clone, Debug)]
pub(super) struct Home(PathBuf);

impl Home {
    pub(super) fn of(state: &Path, deployment: &DeploymentId) -> Self {
        Self(state.join(deployment.to_string()))
    }

    /// The deployments that have a directory.
    pub(super) fn all(state: &Path) -> io::Result<BTreeSet<DeploymentId>> {
        let entries = match fs::read_dir(state) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries?,
        };
        let mut found = BTreeSet::new();
        for entry in entries {
            let name = entry?.file_name();
            found.extend(
                name.to_str()
                    .and_then(|name| DeploymentId::parse(name).ok()),
            );
        }
        Ok(found)
    }

    pub(super) fn create(&self) -> io::Result<()> {
        if let Some(state) = self.0.parent() {
            create_private(state)?;
        }
        create_private(&self.0)
    }

    /// What is remembered; `None` when nothing is. A damaged record is said and counts as one of a deployment with data.
    pub(super) fn load(&self) -> io::Result<Option<Record>> {
        let path = self.record();
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), %error, "the record is damaged; it is written anew and all data is kept");
            Record {
                keep: true,
                ..Record::default()
            }
        })))
    }

    /// Remembers this, in one step and for good.
    pub(super) fn store(&self, record: &Record) -> io::Result<()> {
        write_durably(&self.record(), &serde_json::to_vec_pretty(record)?)
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.0)
    }

    pub(super) fn place(&self, component: &ComponentName) -> Place {
        Place(self.0.join(component.as_str()))
    }

    fn record(&self) -> PathBuf {
        self.0.join("record.json")
    }
}

/// The directory of a component.
#[derive(Clone, Debug)]
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn archive(&self, digest: Digest) -> PathBuf {
        self.0.join(format!("archive-{}", digest.to_hex()))
    }

    /// Whether the archive with this digest is there, undamaged.
    pub(super) fn has_archive(&self, digest: Digest) -> bool {
        let file = File::open(self.archive(digest));
        let found = file.and_then(|file| DigestReader::new(file).finish(u64::MAX));
        found.is_ok_and(|found| found == Some(digest))
    }

    /// Makes a pulled file the archive with this digest, and drops those of other digests.
    pub(super) fn keep_archive(&self, pulled: &Path, digest: Digest) -> io::Result<()> {
        let archive = self.archive(digest);
        fs::rename(pulled, &archive)?;
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("archive-") && path != archive {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    pub(super) fn project(&self) -> PathBuf {
        self.0.join("project")
    }

    pub(super) fn additions(&self) -> PathBuf {
        self.0.join("margo.json")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// An empty work directory, whatever was left there.
    pub(super) fn fresh_work(&self) -> io::Result<PathBuf> {
        create_private(&self.0)?;
        self.drop_work()?;
        let work = self.work();
        create_private(&work)?;
        Ok(work)
    }

    pub(super) fn drop_work(&self) -> io::Result<()> {
        remove_tree(&self.work())
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.0)
    }
}

/// The files below a directory, as paths relative to it.
pub(super) fn members_of(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut members = BTreeSet::new();
    let mut pending = vec![String::new()];
    while let Some(inner) = pending.pop() {
        for entry in fs::read_dir(directory.join(&inner))? {
            let entry = entry?;
            let name = entry.file_name();
            // Paths in archives are UTF-8.
            let path = format!("{inner}{}", name.to_string_lossy());
            if entry.file_type()?.is_dir() {
                pending.push(format!("{path}/"));
            } else {
                members.insert(path);
            }
        }
    }
    Ok(members)
}

/// Moves the members of a new archive into the project directory, and removes those of older ones that it does not have.
/// Everything else there is data and stays.
pub(super) fn place_members(
    source: &Path,
    project: &Path,
    new: &BTreeSet<String>,
    old: &BTreeSet<String>,
) -> io::Result<()> {
    create_directory(project)?;
    for gone in old.difference(new) {
        match parent_within(project, gone).and_then(|parent| {
            let name = Path::new(gone).file_name().unwrap_or_default();
            fs::remove_file(parent.join(name))
        }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
    }
    for member in new {
        let parent = parent_within(project, member)?;
        let name = Path::new(member).file_name().unwrap_or_default();
        fs::rename(source.join(member), parent.join(name))?;
    }
    Ok(())
}

/// Writes a file in one step, unless it has this content already; it is durable on return.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// The directory that a member lies in, made where it is missing. A container may have put links into its bind mounts: they
/// are not followed.
fn parent_within(project: &Path, member: &str) -> io::Result<PathBuf> {
    let mut directory = project.to_owned();
    let names: Vec<&str> = member.split('/').collect();
    let (_, parents) = names.split_last().unwrap_or((&"", &[]));
    for name in parents {
        directory.push(name);
        create_directory(&directory)?;
    }
    Ok(directory)
}

fn create_directory(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is in the way", path.display()),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(path),
        Err(error) => Err(error),
    }
}

/// A directory for this user alone: variables may be secrets.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn place(
        folder: &Path,
        files: &[&str],
        old: &BTreeSet<String>,
    ) -> io::Result<BTreeSet<String>> {
        let source = folder.join("source");
        remove_tree(&source)?;
        for file in files {
            write(&source, file, "new");
        }
        let new = members_of(&source)?;
        place_members(&source, &folder.join("project"), &new, old)?;
        Ok(new)
    }

    #[test]
    fn an_update_changes_the_archives_files_and_keeps_data() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        let first = place(
            folder.path(),
            &["compose.yaml", "conf/a", "conf/b"],
            &BTreeSet::new(),
        );
        let first = first.unwrap();
        write(&project, "data/db", "rows");
        write(&project, "conf/made-by-container", "x");
        let second = place(folder.path(), &["compose.yaml", "conf/b", "c"], &first).unwrap();
        let expected = ["compose.yaml", "conf/b", "c"].map(str::to_owned);
        assert_eq!(second, BTreeSet::from(expected));
        let all = members_of(&project).unwrap();
        let expected = [
            "c",
            "compose.yaml",
            "conf/b",
            "conf/made-by-container",
            "data/db",
        ];
        assert_eq!(all, BTreeSet::from(expected.map(str::to_owned)));
    }

    #[cfg(unix)]
    #[test]
    fn links_that_a_container_left_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        write(&outside, "a", "precious");
        let project = folder.path().join("project");
        fs::create_dir(&project).unwrap();
        std::os::unix::fs::symlink(&outside, project.join("conf")).unwrap();
        let error = place(folder.path(), &["conf/a"], &BTreeSet::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        let old = BTreeSet::from(["conf/a".to_owned()]);
        place(folder.path(), &["b"], &old).unwrap_err();
        assert_eq!(fs::read_to_string(outside.join("a")).unwrap(), "precious");
    }

    #[test]
    fn a_damaged_record_keeps_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let id = DeploymentId::parse("ad9b614e-8912-45f4-a523-372358765def").unwrap();
        let home = Home::of(folder.path(), &id);
        home.create().unwrap();
        assert!(home.load().unwrap().is_none());
        home.store(&Record::default()).unwrap();
        assert!(!home.load().unwrap().unwrap().keep);
        fs::write(home.record(), b"{\"keep\": fal").unwrap();
        assert!(home.load().unwrap().unwrap().keep);
        assert_eq!(Home::all(folder.path()).unwrap(), BTreeSet::from([id]));
        home.remove().unwrap();
        home.remove().unwrap();
    }

    #[test]
    fn a_damaged_archive_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place(folder.path().join("web"));
        let work = place.fresh_work().unwrap();
        let digest = Digest::of(b"archive");
        write(&work, "pulled", "archive");
        place.keep_archive(&work.join("pulled"), digest).unwrap();
        assert!(place.has_archive(digest));
        fs::write(place.archive(digest), b"archivx").unwrap();
        assert!(!place.has_archive(digest));
    }
}
