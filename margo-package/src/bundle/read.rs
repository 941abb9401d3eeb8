//! Reading a bundle against the manifest that refers to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use margo_types::Digest;
use margo_types::id::DeploymentId;
use margo_types::manifest::StateManifest;

use crate::archive::{ArchiveError, ArchiveReader, Entry, Limit, Limits, Policy};
use crate::{Blame, DigestReader};

/// Bounds on one bundle. `sizeBytes` of the manifest is advisory and bounds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleLimits {
    /// The longest archive, in bytes: 64 MiB.
    pub max_packed_bytes: u64,
    /// The longest archive after decompression, in bytes: 256 MiB. This much memory may be taken.
    pub max_unpacked_bytes: u64,
    /// The longest deployment document, in bytes: 1 MiB.
    pub max_document_bytes: u64,
}

impl Default for BundleLimits {
    fn default() -> Self {
        Self {
            max_packed_bytes: 64 << 20,
            max_unpacked_bytes: 256 << 20,
            max_document_bytes: 1 << 20,
        }
    }
}

/// Reads the bundle of a manifest: the exact bytes of every deployment that the manifest refers to, no more and no less.
///
/// The digest of the archive and of every member is checked. An archive that is not the one the manifest means
/// is reported as [`BundleError::Digest`], whatever else is wrong with it.
///
/// # Errors
/// [`BundleError`]; the update must be given up then and the previous state kept (rc3.md section 3.3).
pub fn read<R: Read>(
    source: R,
    manifest: &StateManifest,
    limits: &BundleLimits,
) -> Result<BTreeMap<DeploymentId, Vec<u8>>, BundleError> {
    let reference = manifest.bundle.as_ref().ok_or(BundleError::NoBundle)?;
    let mut wanted = wanted(manifest)?;
    let mut source = DigestReader::new(source);
    let outcome = members(&mut source, &mut wanted, limits);
    if matches!(&outcome, Err(error) if !error.may_come_from_wrong_bytes()) {
        return outcome;
    }
    let digest = source
        .finish(limits.max_packed_bytes)
        .map_err(|error| BundleError::Archive(ArchiveError::Source(error)))?;
    match digest {
        Some(found) if found != reference.digest => Err(BundleError::Digest {
            expected: reference.digest,
            found,
        }),
        Some(_) => outcome,
        // Without a digest there is no success, whatever was read so far.
        None => outcome.and(Err(ArchiveError::OverLimit {
            limit: Limit::PackedBytes(limits.max_packed_bytes),
            member: None,
        }
        .into())),
    }
}

/// The deployments of the manifest by digest.
fn wanted(manifest: &StateManifest) -> Result<HashMap<Digest, Wanted>, BundleError> {
    let mut ids = BTreeSet::new();
    let mut wanted = HashMap::new();
    for reference in &manifest.deployments {
        let id = reference.deployment_id;
        if !ids.insert(id) {
            return Err(BundleError::RepeatedReference(id));
        }
        let slot = Wanted { id, found: None };
        if let Some(other) = wanted.insert(reference.digest, slot) {
            return Err(BundleError::SharedDigest(other.id, id));
        }
    }
    if wanted.is_empty() {
        return Err(BundleError::NoDeployments);
    }
    Ok(wanted)
}

struct Wanted {
    id: DeploymentId,
    found: Option<Vec<u8>>,
}

fn members<R: Read>(
    source: R,
    wanted: &mut HashMap<Digest, Wanted>,
    limits: &BundleLimits,
) -> Result<BTreeMap<DeploymentId, Vec<u8>>, BundleError> {
    let mut reader = ArchiveReader::new(source, policy(wanted.len(), limits))?;
    while let Some(mut member) = reader.next_member()? {
        let name = member.path().to_string();
        if !matches!(member.entry(), Entry::File { .. }) || name.contains('/') {
            return Err(BundleError::NotAtRoot(name));
        }
        let document = member.read_to_end()?;
        match wanted.get_mut(&Digest::of(&document)) {
            None => return Err(BundleError::Unreferenced(name)),
            Some(Wanted { id, found: Some(_) }) => return Err(BundleError::Repeated(*id, name)),
            Some(slot) => slot.found = Some(document),
        }
    }
    let mut documents = BTreeMap::new();
    let mut missing = Vec::new();
    for (_, slot) in wanted.drain() {
        match slot.found {
            Some(document) => {
                documents.insert(slot.id, document);
            }
            None => missing.push(slot.id),
        }
    }
    missing.sort_unstable();
    match missing.first() {
        Some(first) => Err(BundleError::Missing {
            first: *first,
            count: missing.len(),
        }),
        None => Ok(documents),
    }
}

fn policy(deployments: usize, limits: &BundleLimits) -> Policy {
    let mut policy = Policy::default().without_links();
    // Every document may have header members of its own; far more than that is no bundle of this manifest.
    let max_members = deployments.saturating_mul(4).saturating_add(16);
    policy.limits = Limits {
        max_packed_bytes: limits.max_packed_bytes,
        max_unpacked_bytes: limits.max_unpacked_bytes,
        max_file_bytes: limits.max_document_bytes,
        max_members,
        ..policy.limits
    };
    policy
}

/// Why a bundle was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The fleet manager's fault, or that of the way: these are not the bytes that the manifest refers to.
    #[error("the bundle has the digest {found} instead of {expected}; fetch it again")]
    Digest {
        /// What the manifest says.
        expected: Digest,
        /// What the bytes have.
        found: Digest,
    },
    /// The fleet manager's fault: the archive is damaged, hostile or too large. Or it could not be read: see the source.
    #[error("the archive of the bundle was not read")]
    Archive(#[from] ArchiveError),
    /// The fleet manager's fault: a bundle holds files at its root and nothing else.
    #[error("member {0:?} is no file at the root of the bundle; pack the deployments alone")]
    NotAtRoot(String),
    /// The fleet manager's fault: a member that no reference has the digest of.
    #[error(
        "member {0:?} has the digest of no deployment in the manifest; pack what the manifest refers to"
    )]
    Unreferenced(String),
    /// The fleet manager's fault: a deployment is there twice.
    #[error("deployment {0} is there again as member {1:?}; pack it once")]
    Repeated(DeploymentId, String),
    /// The fleet manager's fault: deployments of the manifest are not there.
    #[error(
        "{count} deployments of the manifest are missing, the first is {first}; pack all of them"
    )]
    Missing {
        /// One that is missing.
        first: DeploymentId,
        /// How many are.
        count: usize,
    },
    /// The fleet manager's fault: the manifest refers to a deployment twice.
    #[error("the manifest refers to deployment {0} twice; keep one reference")]
    RepeatedReference(DeploymentId),
    /// The fleet manager's fault: documents with different ids cannot have the same bytes (rc3.md ambiguity 30).
    #[error("the manifest gives deployments {0} and {1} the same digest; correct one")]
    SharedDigest(DeploymentId, DeploymentId),
    /// The fleet manager's fault: the manifest has a bundle but no deployments.
    #[error("the manifest has a bundle but no deployments; write null for the bundle")]
    NoDeployments,
    /// The caller's fault: the manifest has no bundle.
    #[error("the manifest has no bundle; fetch nothing for it")]
    NoBundle,
}

impl BundleError {
    /// Whose fault it is.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Archive(error) => error.blame(),
            Self::NoBundle => Blame::Caller,
            _ => Blame::Content,
        }
    }

    /// Whether other bytes might not have caused it, so that the digest decides what is reported.
    fn may_come_from_wrong_bytes(&self) -> bool {
        !matches!(
            self,
            Self::Archive(ArchiveError::Source(_) | ArchiveError::OverLimit { .. })
        )
    }
}
