//! Why something was not published or fetched.

use std::io;

use crate::Blame;
use crate::chart::ChartError;
use crate::compose::ComposeError;
use crate::oci::OciError;
use crate::package::PackageError;

/// Why a package or component was not pushed, pulled or found. Nothing half done is visible then.
///
/// The text names the artefact and what to do; the error underneath is the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The registry or layout did not give or take it: see the source.
    #[error("{artefact} was not transferred")]
    Transfer {
        /// The reference or URL.
        artefact: String,
        /// The reason.
        #[source]
        source: OciError,
    },
    /// The content is no application package: see the source.
    #[error("{artefact} is no usable application package")]
    Package {
        /// The reference.
        artefact: String,
        /// The reason.
        #[source]
        source: Box<PackageError>,
    },
    /// The content is no Compose component: see the source.
    #[error("{artefact} is no usable Compose component")]
    Compose {
        /// The reference or file.
        artefact: String,
        /// The reason.
        #[source]
        source: ComposeError,
    },
    /// The content is no Helm chart: see the source.
    #[error("{artefact} is no usable Helm chart")]
    Chart {
        /// The reference or file.
        artefact: String,
        /// The reason.
        #[source]
        source: ChartError,
    },
    /// The caller's fault: the tag of an artefact must be its version (rc3.md sections 1.4 and 8).
    #[error(
        "{artefact} has the version {version:?}, which must be its tag; push it as {version:?} or change the version"
    )]
    Tag {
        /// The reference.
        artefact: String,
        /// The version.
        version: String,
    },
    /// The caller's fault: the reference cannot be used for this.
    #[error("{artefact} cannot be used: {why}")]
    Reference {
        /// The reference.
        artefact: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// The artefact is one of another type.
    #[error(
        "{artefact} has the type {found:?}, but {expected} was expected; check the name and the tag"
    )]
    Type {
        /// The reference.
        artefact: String,
        /// The type it has.
        found: String,
        /// The type it should have.
        expected: &'static str,
    },
    /// The publisher's fault: the manifest breaks a rule of its type.
    #[error("the manifest of {artefact} cannot be used: {why}; have it published again")]
    Manifest {
        /// The reference.
        artefact: String,
        /// What is wrong.
        why: String,
    },
    /// The author's fault: what is beside a package does not fit its description.
    #[error("{artefact} {why}")]
    Misfit {
        /// The file or directory.
        artefact: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// The environment's fault: a file could not be read or written.
    #[error(
        "{artefact} could not be read or written; check the path, the rights and the free space"
    )]
    File {
        /// The file.
        artefact: String,
        /// The refusal.
        #[source]
        source: io::Error,
    },
}

impl PublishError {
    /// The reference, URL, file or directory it is about.
    pub fn artefact(&self) -> &str {
        match self {
            Self::Transfer { artefact, .. }
            | Self::Package { artefact, .. }
            | Self::Compose { artefact, .. }
            | Self::Chart { artefact, .. }
            | Self::Tag { artefact, .. }
            | Self::Reference { artefact, .. }
            | Self::Type { artefact, .. }
            | Self::Manifest { artefact, .. }
            | Self::Misfit { artefact, .. }
            | Self::File { artefact, .. } => artefact,
        }
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Transfer { source, .. } => match source {
                OciError::PeerMisbehaved { .. } => Blame::Content,
                OciError::Misused { .. } => Blame::Caller,
                OciError::PeerRefused { .. } | OciError::Environment { .. } => Blame::Environment,
            },
            Self::Package { source, .. } => match **source {
                PackageError::Io { .. } => Blame::Environment,
                _ => Blame::Content,
            },
            Self::Compose { source, .. } => source.blame(),
            Self::Chart { source, .. } => source.blame(),
            Self::Tag { .. } | Self::Reference { .. } => Blame::Caller,
            Self::Type { .. } | Self::Manifest { .. } | Self::Misfit { .. } => Blame::Content,
            Self::File { .. } => Blame::Environment,
        }
    }

    /// Whether the artefact does not exist, or may not be seen.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Transfer { source, .. } if source.is_not_found())
    }
}
