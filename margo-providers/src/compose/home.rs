//! What Compose deployments keep on the device, besides what every deployment does (see [`crate::home`]).
//!
//! ```text
//! STATE/DEPLOYMENT/COMPONENT/project/     the archive's files, and what relative bind mounts of the containers hold
//! STATE/DEPLOYMENT/COMPONENT/margo.json   what is laid over the compose file
//! ```
//!
//! The project directory stays through updates: the data of a bind mount such as `./data:/data` lives in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use margo_package::archive::MemberPath;
use margo_types::Digest;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::container::Tally;
use crate::files::{at, is_directory};
use crate::home::Place;
use crate::source::Pin;

/// What is remembered of a deployment.
pub(super) type Record = crate::home::Record<Kept>;

/// What is remembered of a component.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) pin: Pin,
    /// The files in the project directory that came from archives.
    #[serde(deserialize_with = "paths")]
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

impl Place {
    pub(super) fn project(&self) -> PathBuf {
        self.join("project")
    }

    /// Whether there is a project directory, and so perhaps data.
    pub(super) fn has_project(&self) -> bool {
        fs::symlink_metadata(self.project()).is_ok()
    }

    pub(super) fn additions(&self) -> PathBuf {
        self.join("margo.json")
    }
}

/// Paths that lead elsewhere came from no archive: who remembers them is damaged.
fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    let paths = BTreeSet::<String>::deserialize(deserializer)?;
    match paths.iter().find(|path| MemberPath::parse(path).is_err()) {
        None => Ok(paths),
        Some(path) => Err(D::Error::custom(format!(
            "{path:?} is no file of an archive"
        ))),
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
            let path = parent.join(name);
            fs::remove_file(&path).map_err(at(&path))
        }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
    }
    for member in new {
        let parent = parent_within(project, member)?;
        let name = Path::new(member).file_name().unwrap_or_default();
        let path = parent.join(name);
        fs::rename(source.join(member), &path).map_err(at(&path))?;
    }
    Ok(())
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
    if is_directory(path)? {
        return Ok(());
    }
    fs::create_dir(path).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::remove_tree;

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
}
