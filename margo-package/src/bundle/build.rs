//! Building a bundle.

use std::collections::BTreeMap;

use margo_types::Digest;
use margo_types::id::DeploymentId;

use crate::Blame;
use crate::archive::{ArchiveWriter, BuildError, MemberPath};

/// A bundle, ready to be stored and served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bundle {
    /// The archive.
    pub bytes: Vec<u8>,
    /// The digest of the archive, as the manifest refers to it.
    pub digest: Digest,
}

/// Builds the bundle of these deployments, each with the exact bytes of its document.
///
/// The same deployments give the same bytes, in whatever order they come.
///
/// # Errors
/// [`BundleBuildError`] when there is no deployment or two have the same id.
pub fn build(deployments: &[(DeploymentId, &[u8])]) -> Result<Bundle, BundleBuildError> {
    if deployments.is_empty() {
        return Err(BundleBuildError::Empty);
    }
    let mut sorted = BTreeMap::new();
    for (id, document) in deployments {
        if sorted.insert(id.to_string(), *document).is_some() {
            return Err(BundleBuildError::Repeated(*id));
        }
    }
    let mut archive = ArchiveWriter::new(Vec::new());
    for (id, document) in sorted {
        // A UUID with a suffix is always a path; the error says so should that ever change.
        let path = MemberPath::parse(&format!("{id}.yaml")).map_err(|why| BuildError::Path {
            path: id.into(),
            why,
        })?;
        archive.file(&path, false, document)?;
    }
    let bytes = archive.finish()?;
    let digest = Digest::of(&bytes);
    Ok(Bundle { bytes, digest })
}

/// Why a bundle was not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleBuildError {
    /// The caller's fault: empty bundles are never served.
    #[error("there is no deployment; a manifest without deployments has the bundle null")]
    Empty,
    /// The caller's fault: two deployments have the same id.
    #[error("deployment {0} is there twice; keep one")]
    Repeated(DeploymentId),
    /// The archive could not be written.
    #[error("the bundle could not be written")]
    Archive(#[from] BuildError),
}

impl BundleBuildError {
    /// Whose fault it is.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Empty | Self::Repeated(_) => Blame::Caller,
            Self::Archive(error) => error.blame(),
        }
    }
}
