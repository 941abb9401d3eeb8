//! What is in an archive: the index of its members.

use std::collections::BTreeMap;

use super::links::{self, Resolved};
use super::path::MemberPath;

/// The members of an archive by path, with the directories that their paths imply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub(crate) entries: BTreeMap<MemberPath, Entry>,
}

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Its length.
        bytes: u64,
        /// Whether its owner may execute it; all that is kept of its permissions.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, relative to its own directory.
        target: String,
    },
    /// Another name for a file.
    HardLink {
        /// The file.
        file: MemberPath,
    },
}

impl Contents {
    /// The member at this path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// All members, each directory before what is in it.
    pub fn iter(&self) -> impl Iterator<Item = (&MemberPath, &Entry)> {
        self.entries.iter()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names at the root, in order.
    pub fn top_level(&self) -> Vec<&str> {
        let names = self.entries.keys().map(MemberPath::as_str);
        names.filter(|path| !path.contains('/')).collect()
    }

    /// The one directory at the root that holds everything, if it is so.
    pub fn top_directory(&self) -> Option<&str> {
        match self.top_level()[..] {
            [top] if self.get(top) == Some(&Entry::Directory) => Some(top),
            _ => None,
        }
    }

    /// What a program finds that opens `path` in the root of the archive, following links.
    pub(crate) fn resolve(&self, path: &str) -> Resolved {
        links::resolve(self, "", path)
    }
}
