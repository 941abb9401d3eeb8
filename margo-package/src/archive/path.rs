//! Paths of members: relative, inside, and written in one way only.

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};

use super::limits::Limits;

/// The path of a member, from the root of the archive: names joined by `/`, such as `shop/conf/web.env`.
///
/// Never empty, absolute or longer than the limits; no name is empty, `.` or `..`, has a backslash (a separator
/// to some systems) or a control character, or is longer than 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberPath(String);

impl MemberPath {
    /// Reads a path, within the default [`Limits`]. Leading `./` and repeated or trailing `/` are dropped.
    ///
    /// # Errors
    /// [`InvalidPath`] when the path is none that a member may have.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        Self::parse_within(text, &Limits::default())?.ok_or(InvalidPath::Empty)
    }

    /// Reads a path within limits; `None` is the root itself.
    pub(crate) fn parse_within(text: &str, limits: &Limits) -> Result<Option<Self>, InvalidPath> {
        if text.is_empty() {
            return Err(InvalidPath::Empty);
        }
        if text.starts_with('/') {
            return Err(InvalidPath::Absolute);
        }
        if let Some(bad) = text.chars().find(|c| *c == '\\' || c.is_control()) {
            return Err(InvalidPath::Character(bad));
        }
        let mut path = String::new();
        let mut depth = 0;
        for name in text.split('/').filter(|name| !matches!(*name, "" | ".")) {
            if name == ".." {
                return Err(InvalidPath::Parent);
            }
            if name.len() > MAX_NAME {
                return Err(InvalidPath::LongName);
            }
            depth += 1;
            if depth > limits.max_depth {
                return Err(InvalidPath::TooDeep(limits.max_depth));
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
            if path.len() > limits.max_path_bytes {
                return Err(InvalidPath::TooLong(limits.max_path_bytes));
            }
        }
        Ok((!path.is_empty()).then_some(Self(path)))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names, outermost first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The outermost name.
    pub fn top(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The innermost name.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The directory the member is in; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once('/')?;
        Some(Self(parent.to_owned()))
    }

    /// This path below a directory of the file system.
    pub fn below(&self, directory: &Path) -> PathBuf {
        directory.join(&self.0)
    }
}

/// The longest name in bytes: what the usual file systems take.
const MAX_NAME: usize = 255;

impl Borrow<str> for MemberPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for MemberPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Why a text is no path of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPath {
    /// There is no name.
    #[error("the path is empty")]
    Empty,
    /// It starts with `/`.
    #[error("the path is absolute; write it relative to the root of the archive")]
    Absolute,
    /// A name is `..`.
    #[error("the path has a \"..\"; write it without")]
    Parent,
    /// It has a control character or a backslash.
    #[error("the path has the character {0:?}; rename the file")]
    Character(char),
    /// It is not UTF-8.
    #[error("the path is not UTF-8; rename the file")]
    NotUtf8,
    /// It is longer than the limit.
    #[error("the path is longer than {0} bytes; shorten it")]
    TooLong(usize),
    /// A name is longer than file systems take.
    #[error("a name in the path is longer than 255 bytes; shorten it")]
    LongName,
    /// It has more names than the limit.
    #[error("the path has more than {0} names; flatten the directories")]
    TooDeep(usize),
}
