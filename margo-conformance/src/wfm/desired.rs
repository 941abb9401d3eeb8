//! Manifests, bundles and documents, true and false (rc3.md section 3; rc1-and-pre-draft.md section 7).

use std::collections::BTreeMap;

use bytes::Bytes;
use margo_types::endpoint::{PathCaller, Route};
use margo_types::id::DeploymentId;
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};
use margo_types::{Digest, SpecVersion};

/// A way in which what the fleet manager serves is wrong, while every single answer looks right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    /// Bundle and deployments have other bytes than their digests say.
    WrongDigest,
    /// The manifest is empty and has a version one below the true one; publish twice at least before.
    LowerVersion,
    /// The manifest has the true version, and is empty although there are deployments.
    SameVersion,
    /// Bundle and deployments that the manifest refers to are not found.
    MissingContent,
    /// The bundle has its digest, and lacks the first deployment of the manifest.
    IncompleteBundle,
    /// Answers have no `ETag`.
    NoEntityTag,
}

/// What is desired, and everything that ever was.
#[derive(Debug)]
pub(super) struct Desired {
    version: ManifestVersion,
    deployments: BTreeMap<DeploymentId, Bytes>,
    /// Every document that was ever published.
    documents: BTreeMap<(DeploymentId, Digest), Bytes>,
    bundles: BTreeMap<Digest, Bytes>,
    pub(super) lie: Option<Lie>,
}

impl Desired {
    pub(super) const fn version(&self) -> ManifestVersion {
        self.version
    }

    pub(super) fn assign(&mut self, id: DeploymentId, document: Bytes) {
        self.documents
            .insert((id, Digest::of(&document)), document.clone());
        self.deployments.insert(id, document);
        self.publish_next();
    }

    pub(super) fn withdraw(&mut self, id: &DeploymentId) {
        self.deployments.remove(id);
        self.publish_next();
    }

    pub(super) fn publish_as(&mut self, version: ManifestVersion) {
        self.version = version;
    }

    /// The manifest as it is served now to this caller.
    pub(super) fn manifest(
        &mut self,
        generation: SpecVersion,
        caller: &PathCaller,
    ) -> StateManifest {
        let url = |route: Route| {
            let path = route.path(generation, caller);
            path.expect("a generation has paths for its own callers")
        };
        let all = self
            .deployments
            .iter()
            .map(|(id, bytes)| (*id, bytes.clone()));
        let all: Vec<(DeploymentId, Bytes)> = all.collect();
        match self.lie {
            Some(Lie::LowerVersion) => {
                let lower = ManifestVersion::new(self.version.get() - 1);
                StateManifest::new(lower.unwrap_or(self.version), None, Vec::new())
            }
            Some(Lie::SameVersion) => StateManifest::new(self.version, None, Vec::new()),
            Some(Lie::IncompleteBundle) => {
                let bundle = self.bundle(all.get(1..).unwrap_or_default(), url);
                StateManifest::new(self.version, bundle, references(&all, url))
            }
            _ => {
                let bundle = self.bundle(&all, url);
                StateManifest::new(self.version, bundle, references(&all, url))
            }
        }
    }

    /// The document of a deployment that was published some time.
    pub(super) fn document(&self, id: DeploymentId, digest: Digest) -> Option<Bytes> {
        self.as_served(self.documents.get(&(id, digest))?)
    }

    /// A bundle that a served manifest referred to.
    pub(super) fn bundle_bytes(&self, digest: &Digest) -> Option<Bytes> {
        self.as_served(self.bundles.get(digest)?)
    }

    /// Forgets all bundles but that of this manifest.
    pub(super) fn forget_other_bundles(&mut self, manifest: &StateManifest) {
        let kept = manifest.bundle.as_ref().map(|bundle| bundle.digest);
        self.bundles.retain(|digest, _| Some(*digest) == kept);
    }

    fn as_served(&self, bytes: &Bytes) -> Option<Bytes> {
        match self.lie {
            Some(Lie::MissingContent) => None,
            // Still a document, or an archive that many programs read.
            Some(Lie::WrongDigest) => Some([bytes.as_ref(), b"\n"].concat().into()),
            _ => Some(bytes.clone()),
        }
    }

    fn publish_next(&mut self) {
        self.version = self
            .version
            .next()
            .expect("no test publishes 2^64 manifests");
    }

    /// Keeps the bundle of these deployments and refers to it; there is none of none.
    fn bundle(
        &mut self,
        deployments: &[(DeploymentId, Bytes)],
        url: impl Fn(Route) -> String,
    ) -> Option<BundleReference> {
        let members: Vec<(DeploymentId, &[u8])> = deployments
            .iter()
            .map(|(id, bytes)| (*id, bytes.as_ref()))
            .collect();
        let bundle = margo_package::bundle::build(&members).ok()?;
        let (digest, length) = (bundle.digest, bundle.bytes.len() as u64);
        self.bundles.insert(digest, bundle.bytes.into());
        let url = url(Route::Bundle { digest });
        Some(BundleReference::new(digest, length, url))
    }
}

impl Default for Desired {
    fn default() -> Self {
        Self {
            version: ManifestVersion::FIRST,
            deployments: BTreeMap::new(),
            documents: BTreeMap::new(),
            bundles: BTreeMap::new(),
            lie: None,
        }
    }
}

fn references(
    deployments: &[(DeploymentId, Bytes)],
    url: impl Fn(Route) -> String,
) -> Vec<DeploymentReference> {
    let reference = |(id, bytes): &(DeploymentId, Bytes)| {
        let (deployment_id, digest) = (*id, Digest::of(bytes));
        let url = url(Route::Deployment {
            deployment_id,
            digest,
        });
        DeploymentReference::new(deployment_id, digest, bytes.len() as u64, url)
    };
    deployments.iter().map(reference).collect()
}
