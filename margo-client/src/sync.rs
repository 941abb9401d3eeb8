//! From a poll to a verified manifest with all its documents, or to nothing at all (rc3.md sections 3.2 to 3.4; D26 to
//! D39; ambiguities 27 to 31).
//!
//! # What is fetched, and how
//!
//! Documents are kept by digest, so only those are fetched that changed. They come one by one or as the bundle, whichever
//! moves fewer bytes: a request costs as much as [`REQUEST_BYTES`], a document without `sizeBytes` counts as
//! [`DOCUMENT_BYTES`], and a bundle without as a quarter of its documents, which is how well YAML packs. `sizeBytes` is
//! advisory and decides nothing else. When one way is not found there, the other is tried: 404 on content is never a
//! deletion, and fleet managers exist that serve only one of the two.
//!
//! # What is refused
//!
//! | what | error |
//! |---|---|
//! | a lower version, or the same version with other bytes (also when only the serialisation differs, ambiguity 28) | [`ErrorKind::Integrity`] |
//! | a digest that does not match, of a document or the bundle | [`ErrorKind::Integrity`] |
//! | a manifest that repeats a deployment, gives two the same digest, or has a bundle without deployments or the reverse | [`ErrorKind::Misbehaved`] |
//! | a document that cannot be read, or is of another deployment than the manifest says | [`ErrorKind::Misbehaved`] |
//! | more than [`FetchLimits`] | [`ErrorKind::Misbehaved`] |
//!
//! One fault refuses the whole manifest: the state before it stays, and the next poll asks again with the old tag.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use margo_package::bundle::{self, BundleError, BundleLimits};
use margo_types::deployment::ApplicationDeployment;
use margo_types::etag::EntityTag;
use margo_types::manifest::{BundleReference, DeploymentReference, StateManifest};
use margo_types::{
    Digest, Exact, Limits, ReadError, Reader, SpecVersion, validate, validate_reference,
};

use crate::state::{Accepted, State};
use crate::{Error, ErrorKind, FleetApi, Poll};

/// Bounds on one manifest and its documents; what is beyond is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchLimits {
    /// The most deployments: 4,096.
    pub max_deployments: usize,
    /// The longest document, in bytes: 1 MiB.
    pub max_document_bytes: usize,
    /// All documents that are kept, in bytes: 64 MiB.
    pub max_total_bytes: usize,
    /// The bundle.
    pub bundle: BundleLimits,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            max_deployments: 4096,
            max_document_bytes: 1 << 20,
            max_total_bytes: 64 << 20,
            bundle: BundleLimits::default(),
        }
    }
}

/// A manifest that may be accepted, because everything it refers to is here.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Update {
    /// The manifest.
    pub accepted: Accepted,
    /// The documents that are not stored yet.
    pub documents: BTreeMap<Digest, Arc<[u8]>>,
    /// What is new or changed in the manifest, as it was read.
    pub deployments: BTreeMap<Digest, Arc<ApplicationDeployment>>,
}

/// Asks for the manifest and fetches what is missing of it. `None` when the one that is held is current.
///
/// # Errors
/// Those of the [`FleetApi`], and those in the table above. Nothing of the manifest may be used then.
pub async fn poll(
    api: &dyn FleetApi,
    held: &State,
    limits: &FetchLimits,
) -> Result<Option<Update>, Error> {
    let tag = held.accepted.as_ref().and_then(|it| it.tag.as_deref());
    let tag = tag.and_then(|tag| EntityTag::parse(tag).ok());
    let (manifest, tag) = match api.manifest(tag.as_ref()).await? {
        Poll::Unchanged if tag.is_some() => return Ok(None),
        Poll::Unchanged => {
            return Err(misbehaved(
                "the fleet manager says that nothing changed, though no entity tag was sent; correct its answers",
            ));
        }
        Poll::Changed { manifest, tag } => (manifest, tag),
    };
    if !is_newer(&manifest, held.accepted.as_ref())? {
        return Ok(None);
    }
    check(manifest.value(), limits)?;
    let documents = fetch(api, manifest.value(), held, limits).await?;
    let read = verify(manifest.value(), held, &documents, api.generation(), limits)?;
    let deployments = manifest.value().deployments.iter();
    Ok(Some(Update {
        accepted: Accepted::new(
            manifest.value().manifest_version,
            manifest.digest(),
            tag.map(|tag| tag.to_string()),
            deployments
                .map(|it| (it.deployment_id, it.digest))
                .collect(),
        ),
        documents,
        deployments: read,
    }))
}

/// Whether the manifest comes after the one that is held; false when it is the same one again.
fn is_newer(manifest: &Exact<StateManifest>, held: Option<&Accepted>) -> Result<bool, Error> {
    let Some(held) = held else {
        // Nothing is stored, so any version is accepted (rc3.md ambiguity 29).
        return Ok(true);
    };
    let (offered, stored) = (manifest.value().manifest_version, held.version);
    if offered > stored {
        return Ok(true);
    }
    if offered == stored && manifest.digest() == held.digest {
        return Ok(false);
    }
    let how = if offered == stored {
        "again with other content"
    } else {
        "which is older"
    };
    Err(Error::new(
        ErrorKind::Integrity,
        format!(
            "the fleet manager offers manifest version {offered}, {how}, while {stored} is held; it was refused: if the \
             fleet manager was restored from a backup, let it publish a version above {stored}"
        ),
    ))
}

fn check(manifest: &StateManifest, limits: &FetchLimits) -> Result<(), Error> {
    let count = manifest.deployments.len();
    if count > limits.max_deployments {
        return Err(misbehaved(format!(
            "the manifest has {count} deployments, more than the limit of {}; assign fewer to this client",
            limits.max_deployments
        )));
    }
    // Rules on URLs are left out: requests are made from ids and digests, never from URLs.
    let report = validate(manifest, SpecVersion::NEWEST);
    let fatal = report.errors().find(|finding| {
        [
            "manifest.bundle",
            "manifest.repeated-deployment",
            "manifest.shared-digest",
        ]
        .contains(&finding.rule.name)
    });
    match fatal {
        None => Ok(()),
        Some(finding) => Err(misbehaved(format!("the manifest is invalid: {finding}"))),
    }
}

/// How documents are fetched.
#[derive(Clone, Debug, PartialEq)]
enum Way<'a> {
    Nothing,
    Singly(Vec<&'a DeploymentReference>),
    Bundle(&'a BundleReference, Vec<&'a DeploymentReference>),
}

/// What one request costs beside its body, in bytes: headers, and the time of a round trip on a slow line.
pub const REQUEST_BYTES: u64 = 4 << 10;
/// What a document without `sizeBytes` is taken to have.
pub const DOCUMENT_BYTES: u64 = 8 << 10;

fn choose<'a>(manifest: &'a StateManifest, stored: &BTreeSet<Digest>) -> Way<'a> {
    let size = |it: &DeploymentReference| it.size_bytes.unwrap_or(DOCUMENT_BYTES);
    let sum = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(0, u64::saturating_add);
    let missing: Vec<_> = manifest
        .deployments
        .iter()
        .filter(|it| !stored.contains(&it.digest))
        .collect();
    let Some(bundle) = &manifest.bundle else {
        return Way::Nothing;
    };
    if missing.is_empty() {
        return Way::Nothing;
    }
    let singly = sum(&mut missing
        .iter()
        .map(|it| size(it).saturating_add(REQUEST_BYTES)));
    let packed = bundle
        .size_bytes
        .unwrap_or_else(|| sum(&mut manifest.deployments.iter().map(size)) / 4);
    if packed.saturating_add(REQUEST_BYTES) < singly {
        Way::Bundle(bundle, missing)
    } else {
        Way::Singly(missing)
    }
}

async fn fetch(
    api: &dyn FleetApi,
    manifest: &StateManifest,
    held: &State,
    limits: &FetchLimits,
) -> Result<Documents, Error> {
    let stored: BTreeSet<Digest> = held.documents.keys().copied().collect();
    match (choose(manifest, &stored), &manifest.bundle) {
        (Way::Nothing, _) => Ok(Documents::new()),
        (Way::Bundle(reference, missing), _) => {
            match unpack(api, manifest, reference, stored, limits).await {
                Err(error) if error.is_not_found() => {
                    tracing::warn!(%error, "there is no bundle; fetching the documents one by one");
                    singly(api, &missing, limits).await
                }
                outcome => outcome,
            }
        }
        (Way::Singly(missing), bundle) => match (singly(api, &missing, limits).await, bundle) {
            (Err(error), Some(reference)) if error.is_not_found() => {
                tracing::warn!(%error, "a document is not there; fetching the bundle");
                unpack(api, manifest, reference, stored, limits).await
            }
            (outcome, _) => outcome,
        },
    }
}

async fn singly(
    api: &dyn FleetApi,
    references: &[&DeploymentReference],
    limits: &FetchLimits,
) -> Result<Documents, Error> {
    let one = |reference: DeploymentReference| async move {
        let bytes: Bytes = api.deployment(&reference).await?;
        let found = Digest::of(&bytes);
        if found == reference.digest {
            return Ok((reference.digest, Arc::<[u8]>::from(&*bytes)));
        }
        let DeploymentReference {
            deployment_id,
            digest,
            ..
        } = reference;
        Err(Error::new(
            ErrorKind::Integrity,
            format!(
                "deployment {deployment_id} has the digest {found} instead of {digest}; the update was given up and the \
                 previous state kept"
            ),
        ))
    };
    let references: Vec<DeploymentReference> = references.iter().copied().cloned().collect();
    let mut arriving = stream::iter(references).map(one).buffer_unordered(AT_ONCE);
    let (mut documents, mut total) = (Documents::new(), 0);
    while let Some((digest, bytes)) = arriving.try_next().await? {
        // `sizeBytes` is advisory, so what has arrived is counted.
        add_up(&mut total, bytes.len(), limits)?;
        documents.insert(digest, bytes);
    }
    Ok(documents)
}

fn add_up(total: &mut usize, more: usize, limits: &FetchLimits) -> Result<(), Error> {
    *total = total.saturating_add(more);
    if *total <= limits.max_total_bytes {
        return Ok(());
    }
    Err(misbehaved(format!(
        "the deployments have more than {} bytes together; assign fewer to this client",
        limits.max_total_bytes
    )))
}

async fn unpack(
    api: &dyn FleetApi,
    manifest: &StateManifest,
    reference: &BundleReference,
    stored: BTreeSet<Digest>,
    limits: &FetchLimits,
) -> Result<Documents, Error> {
    let archive = api.bundle(reference).await?;
    let (manifest, limits) = (manifest.clone(), limits.bundle);
    let work = move || {
        let documents = bundle::read(&*archive, &manifest, &limits).map_err(broken_bundle)?;
        let named = documents.into_iter().filter_map(|(id, bytes)| {
            let digest = manifest.deployment(&id)?.digest;
            (!stored.contains(&digest)).then(|| (digest, Arc::from(bytes)))
        });
        Ok(named.collect())
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|ended| {
            let message = "the bundle was not read, because the program ends";
            Err(Error::new(ErrorKind::Setup, message).because(ended))
        })
}

fn broken_bundle(error: BundleError) -> Error {
    let kind = match &error {
        BundleError::Digest { .. } => ErrorKind::Integrity,
        _ => ErrorKind::Misbehaved,
    };
    let message = "the bundle was refused and the previous state kept; let the fleet manager publish it again";
    Error::new(kind, message).because(error)
}

/// Checks that every document is there, can be read, and is the deployment that the manifest says, and that all of them
/// together are within bounds. Gives what was read of them: those that were not accepted before.
fn verify(
    manifest: &StateManifest,
    held: &State,
    fetched: &Documents,
    generation: SpecVersion,
    limits: &FetchLimits,
) -> Result<BTreeMap<Digest, Arc<ApplicationDeployment>>, Error> {
    let (mut total, mut read) = (0_usize, BTreeMap::new());
    for reference in &manifest.deployments {
        let id = reference.deployment_id;
        let bytes = fetched.get(&reference.digest);
        let bytes = bytes.or_else(|| held.documents.get(&reference.digest));
        let bytes =
            bytes.ok_or_else(|| misbehaved(format!("deployment {id} was not delivered")))?;
        add_up(&mut total, bytes.len(), limits)?;
        let accepted = held.accepted.as_ref();
        if accepted.and_then(|it| it.deployments.get(&id)) == Some(&reference.digest) {
            // It was verified when it was accepted.
            continue;
        }
        let document = read_document(bytes, generation, limits).map_err(|error| {
            misbehaved(format!("deployment {id} cannot be read")).because(error)
        })?;
        let report = validate_reference(&document, reference);
        if let Some(finding) = report.errors().next() {
            return Err(misbehaved(format!("deployment {id} is invalid: {finding}")));
        }
        read.insert(reference.digest, Arc::new(document));
    }
    Ok(read)
}

/// Reads a deployment document as the device's generation has it.
pub(crate) fn read_document(
    bytes: &[u8],
    generation: SpecVersion,
    limits: &FetchLimits,
) -> Result<ApplicationDeployment, ReadError> {
    let mut bounds = Limits::default();
    bounds.max_bytes = limits.max_document_bytes;
    let reader = Reader::new().limits(bounds).generation(generation);
    reader.read(bytes).map(Exact::into_value)
}

fn misbehaved(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misbehaved, message)
}

/// Documents by digest.
type Documents = BTreeMap<Digest, Arc<[u8]>>;

/// Single documents that are fetched at the same time.
const AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use margo_types::id::DeploymentId;
    use margo_types::manifest::ManifestVersion;

    use super::*;

    fn manifest(sizes: &[u64], bundle: Option<u64>) -> StateManifest {
        let reference = |(index, size): (usize, &u64)| {
            let byte = u8::try_from(index).unwrap();
            DeploymentReference::new(
                DeploymentId::from_uuid_bytes([byte; 16]),
                Digest::of(&[byte]),
                *size,
                "",
            )
        };
        let mut archive = BundleReference::new(Digest::of(b"bundle"), 0, "");
        archive.size_bytes = bundle;
        let deployments = sizes.iter().enumerate().map(reference).collect();
        StateManifest::new(ManifestVersion::FIRST, Some(archive), deployments)
    }

    #[test]
    fn the_cheaper_way_is_chosen() {
        let way = |sizes: &[u64], bundle, stored: &[u8]| {
            let stored = stored.iter().map(|byte| Digest::of(&[*byte])).collect();
            match choose(&manifest(sizes, bundle), &stored) {
                Way::Nothing => "nothing".to_owned(),
                Way::Singly(missing) => format!("{} singly", missing.len()),
                Way::Bundle(..) => "bundle".to_owned(),
            }
        };
        assert_eq!(way(&[2000; 10], Some(5000), &[]), "bundle", "a first fetch");
        assert_eq!(
            way(&[2000; 3], Some(5000), &[0, 1]),
            "1 singly",
            "one changed"
        );
        assert_eq!(way(&[2000; 3], Some(5000), &[0, 1, 2]), "nothing");
        assert_eq!(way(&[900], Some(900), &[]), "1 singly", "a tie");
        assert_eq!(way(&[2000; 40], Some(u64::MAX), &[]), "40 singly");
        assert_eq!(
            way(&[2000; 40], None, &[]),
            "bundle",
            "a bundle of unknown size"
        );
    }
}
