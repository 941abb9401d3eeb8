//! What can go wrong while an archive is read or extracted.

use std::io;
use std::path::PathBuf;

use super::limits::Limit;
use super::path::InvalidPath;
use crate::Blame;

/// Why an archive was not read or extracted; nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive's fault: it is no tar or gzip stream, or a broken one.
    #[error("the archive is damaged: {0}; fetch or build it again")]
    Damaged(String),
    /// The archive's fault: a member is not allowed.
    #[error("member {member:?} is refused: {why}")]
    Refused {
        /// The path as the archive gives it, shortened when long.
        member: String,
        /// The reason.
        #[source]
        why: Refusal,
    },
    /// The archive's fault: it is larger than the reader is willing to read.
    #[error("the archive has more than {limit}{}", .member.as_ref().map(|member| format!(" at member {member:?}")).unwrap_or_default())]
    OverLimit {
        /// The limit.
        limit: Limit,
        /// The member that exceeds it, where it is one.
        member: Option<String>,
    },
    /// The archive's fault: it must have exactly one directory at its root.
    #[error("the archive has {} at its root instead of one directory; put everything below one", describe(.0))]
    TopLevel(Vec<String>),
    /// The caller's fault: there is something at the destination.
    #[error("{0:?} exists already; remove it or choose another destination")]
    DestinationExists(PathBuf),
    /// The environment's fault: the archive could not be read.
    #[error("the archive could not be read; check where it comes from and try again")]
    Source(#[source] io::Error),
    /// The environment's fault: the file system refused to take what was extracted.
    #[error("{path:?} could not be written; check space and permissions and try again")]
    Destination {
        /// The path.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: io::Error,
    },
}

impl ArchiveError {
    /// Whose fault it is.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Damaged(_)
            | Self::Refused { .. }
            | Self::OverLimit { .. }
            | Self::TopLevel(_) => Blame::Content,
            Self::DestinationExists(_) => Blame::Caller,
            Self::Source(_) | Self::Destination { .. } => Blame::Environment,
        }
    }

    pub(crate) fn refused(member: impl AsRef<str>, why: Refusal) -> Self {
        Self::Refused {
            member: shorten(member.as_ref()),
            why,
        }
    }

    pub(crate) fn over(limit: Limit, member: Option<&str>) -> Self {
        Self::OverLimit {
            limit,
            member: member.map(shorten),
        }
    }
}

/// Why a member is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The path is none that a member may have.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// Another member has the same path.
    #[error("there is another member with this path; keep one")]
    Duplicate,
    /// The path goes through a file or link.
    #[error("the path goes through {0:?}, which is not a directory")]
    ThroughNonDirectory(String),
    /// A device, FIFO, sparse file or a type nobody knows.
    #[error("it is {0}; only files, directories and links are allowed")]
    Kind(&'static str),
    /// A directory or link that claims to have content.
    #[error("it is a directory or link with content, which programs read differently")]
    UnexpectedContent,
    /// A file whose name ends in `/`.
    #[error("it is a file but its name ends in a slash")]
    FileNamedDirectory,
    /// A link, where none is allowed.
    #[error("it is a link; replace it by a copy of the file")]
    Link,
    /// A link to an absolute path.
    #[error("it links to the absolute path {0:?}; link relative to the link")]
    AbsoluteLink(String),
    /// A link whose target cannot be read.
    #[error("the target of the link is refused: {0}")]
    LinkTarget(#[source] InvalidPath),
    /// A symbolic link that leaves the archive, alone or by way of others.
    #[error("it links to {0:?}, which is outside; keep links inside")]
    LinkOutside(String),
    /// A symbolic link that leads back to itself.
    #[error("it links to {0:?}, which leads in a circle or through too many links")]
    LinkLoop(String),
    /// A hard link to something that is no file earlier in the archive.
    #[error("it is a hard link to {0:?}, which is no file earlier in the archive")]
    HardLink(String),
    /// A header that names or sizes the member twice, or whose records are malformed.
    #[error("its extended header {0}")]
    Header(&'static str),
}

/// At most 120 characters of a peer's text, for messages.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(120) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn describe(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [name] => format!("the non-directory {name:?}"),
        [first, second, ..] => format!("{} entries ({first:?}, {second:?}, …)", names.len()),
    }
}
