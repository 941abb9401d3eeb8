//! What can be wrong with a compose archive.

use std::fmt;
use std::io;
use std::path::PathBuf;

use margo_types::DocumentPath;

use super::yaml::YamlError;
use crate::Blame;
use crate::archive::{ArchiveError, BuildError};

/// Why a compose archive was not opened, unpacked or built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// The author's fault: the content breaks rules. All of them are here, the first ten in the text.
    #[error("the compose archive is not valid: {}", list(.0))]
    Invalid(Vec<ComposeFault>),
    /// The archive is damaged, hostile or too large, or it could not be read or extracted: see the source.
    #[error("the compose archive was not read")]
    Archive(#[from] ArchiveError),
    /// The directory could not be packed: see the source.
    #[error("the compose archive was not built")]
    Build(#[from] BuildError),
    /// The environment's fault: a file to be packed could not be read.
    #[error("{path:?} could not be read; check its permissions and try again")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: io::Error,
    },
    /// The environment's fault: the archive is not the one that was opened.
    #[error("the archive changed after it was opened; open it again")]
    Changed,
}

impl ComposeError {
    /// Whose fault it is.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Invalid(_) => Blame::Content,
            Self::Archive(error) => error.blame(),
            Self::Build(error) => error.blame(),
            Self::Unreadable { .. } | Self::Changed => Blame::Environment,
        }
    }

    /// What breaks rules; empty when something else is wrong.
    pub fn faults(&self) -> &[ComposeFault] {
        match self {
            Self::Invalid(faults) => faults,
            _ => &[],
        }
    }
}

/// One rule that a compose archive breaks. `file` is the member, `place` the path in its document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeFault {
    /// There is no `compose.yaml` in the top-level directory.
    #[error("there is no {directory}/compose.yaml{}", rename_hint(.found.as_deref()))]
    NoComposeFile {
        /// The top-level directory.
        directory: String,
        /// A file that looks like one, under another name or in another place.
        found: Option<String>,
    },
    /// A file cannot be read as YAML.
    #[error("{file} is not readable: {why}")]
    Yaml {
        /// The member.
        file: String,
        /// The reason.
        #[source]
        why: YamlError,
    },
    /// A value has another shape than the Compose Specification gives it.
    #[error("{file}: {place} must be {expected}")]
    Shape {
        /// The member.
        file: String,
        /// The value.
        place: DocumentPath,
        /// What it must be.
        expected: &'static str,
    },
    /// The compose file has no service.
    #[error("{file} has no services; list at least one under services")]
    NoServices {
        /// The member.
        file: String,
    },
    /// The path of a file that must be packed has a variable without a default.
    #[error("{file}: {place}: the path {path:?} of {role} depends on a variable; write it out")]
    Variable {
        /// The member.
        file: String,
        /// The value.
        place: DocumentPath,
        /// What the file is for.
        role: Role,
        /// The path.
        path: String,
    },
    /// A file that must be packed lies outside of the top-level directory.
    #[error(
        "{file}: {place}: {role} {path:?} is outside of the directory; pack it and refer to it by a relative path"
    )]
    Outside {
        /// The member.
        file: String,
        /// The value.
        place: DocumentPath,
        /// What the file is for.
        role: Role,
        /// The path.
        path: String,
    },
    /// A file that must be packed is not.
    #[error("{file}: {place}: {role} {path:?} is not a file in the archive; pack it")]
    NotPacked {
        /// The member.
        file: String,
        /// The value.
        place: DocumentPath,
        /// What the file is for.
        role: Role,
        /// The path.
        path: String,
    },
    /// A file that must not be packed is.
    #[error(
        "{file}: {place}: {role} {path:?} must not be in the archive; remove it and create it on the device"
    )]
    Packed {
        /// The member.
        file: String,
        /// The value.
        place: DocumentPath,
        /// What the file is for.
        role: Role,
        /// The path.
        path: String,
    },
    /// `include` and `extends` lead to more files, or deeper, than is checked.
    #[error("include and extends lead to more than {limit} files; merge some")]
    TooManyFiles {
        /// The most files.
        limit: usize,
    },
}

/// What a compose file wants with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// `env_file` of a service or an include.
    EnvFile,
    /// `label_file` of a service.
    LabelFile,
    /// `file` of a config.
    Config,
    /// An `include`.
    Include,
    /// `extends.file` of a service.
    Extends,
    /// `file` of a secret.
    Secret,
    /// The source of a bind mount.
    BindMount,
}

impl Role {
    /// Whether the file has to be in the archive; secrets and bind mounts must not be.
    pub const fn must_be_packed(self) -> bool {
        !matches!(self, Self::Secret | Self::BindMount)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(match self {
            Self::EnvFile => "the env_file",
            Self::LabelFile => "the label_file",
            Self::Config => "the config file",
            Self::Include => "the included file",
            Self::Extends => "the extended file",
            Self::Secret => "the secret file",
            Self::BindMount => "the bind mount",
        })
    }
}

fn list(faults: &[ComposeFault]) -> String {
    let first = faults.iter().take(MAX_LISTED).map(ToString::to_string);
    let mut texts: Vec<String> = first.collect();
    if let Some(more @ 1..) = faults.len().checked_sub(MAX_LISTED) {
        texts.push(format!("{more} more"));
    }
    texts.join("; ")
}

fn rename_hint(found: Option<&str>) -> String {
    found.map_or_else(
        || "; write one".to_owned(),
        |found| format!(", but {found:?}; rename it to compose.yaml in the top-level directory"),
    )
}

/// More than that nobody reads in one line.
const MAX_LISTED: usize = 10;
