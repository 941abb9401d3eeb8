//! Bundles, and manifests that refer to them rightly and wrongly.
//!
//! The first line says what the manifest refers to: the numbers of members of the archive that follows, `other` for a deployment that is
//! not in it, `again` for the deployment before under a digest of its own. With `changed` among them the manifest means another archive.

use std::collections::BTreeSet;

use margo_conformance::corpus::input::line;
use margo_package::archive::{ArchiveError, ArchiveReader, Entry, Policy};
use margo_package::bundle::{self, BundleError, BundleLimits};
use margo_types::Digest;
use margo_types::id::DeploymentId;
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};

use super::check::{check_error, limits};
use super::inputs::forms;

/// A bundle gives the documents that its manifest refers to if it holds these and nothing else, and nothing otherwise.
pub fn bundle(data: &[u8]) {
    let (wishes, archive) = line(data);
    for packed in forms(archive) {
        let members = Members::of(&packed);
        let manifest = manifest(wishes, &packed, &members);
        let is_ours = wishes.split(' ').all(|wish| wish != "changed");
        let mut limits = BundleLimits::default();
        limits.max_packed_bytes = 1 << 16;
        limits.max_unpacked_bytes = 1 << 20;
        limits.max_document_bytes = MAX_DOCUMENT as u64;
        match bundle::read(&*packed, &manifest, &limits) {
            Ok(documents) => {
                assert!(is_ours && members.are_documents);
                assert_eq!(documents.len(), manifest.deployments.len());
                assert_eq!(documents.len(), members.content.len());
                for reference in &manifest.deployments {
                    let document = documents.get(&reference.deployment_id);
                    let digest = document.map(|bytes| Digest::of(bytes));
                    assert_eq!(digest, Some(reference.digest));
                }
            }
            Err(error) => {
                check_error(&error);
                let is_right = is_ours && members.are_documents && members.are_all_of(&manifest);
                assert!(!is_right, "{error:?}");
                let is_said = matches!(
                    error,
                    BundleError::Digest { .. }
                        | BundleError::Archive(ArchiveError::OverLimit { .. })
                        | BundleError::RepeatedReference(_)
                        | BundleError::SharedDigest(..)
                        | BundleError::NoDeployments
                );
                assert!(is_ours || is_said, "{error:?}");
            }
        }
    }
}

/// What is in an archive, up to what is wrong with it.
#[derive(Default)]
struct Members {
    content: Vec<Vec<u8>>,
    /// Whether nothing is wrong and all are files at the root of a length that documents may have.
    are_documents: bool,
}

impl Members {
    fn of(packed: &[u8]) -> Self {
        let mut found = Self::default();
        found.are_documents = found.read(packed).unwrap_or(false);
        found
    }

    fn read(&mut self, packed: &[u8]) -> Result<bool, ArchiveError> {
        let mut limits = limits();
        // As many as are allowed with one deployment.
        limits.max_members = 20;
        let mut reader = ArchiveReader::new(packed, Policy::default().limits(limits))?;
        let mut are_documents = true;
        while let Some(mut member) = reader.next_member()? {
            are_documents &= matches!(member.entry(), Entry::File { .. });
            are_documents &= member.path().parent().is_none();
            let content = member.read_to_end()?;
            are_documents &= content.len() <= MAX_DOCUMENT;
            self.content.push(content);
        }
        Ok(are_documents)
    }

    fn are_all_of(&self, manifest: &StateManifest) -> bool {
        let digests = self.content.iter().map(|content| Digest::of(content));
        let digests: BTreeSet<_> = digests.collect();
        let wanted = manifest.deployments.iter();
        let wanted: BTreeSet<_> = wanted.map(|reference| reference.digest).collect();
        let ids = manifest.deployments.iter();
        let ids: BTreeSet<_> = ids.map(|reference| reference.deployment_id).collect();
        let count = manifest.deployments.len();
        let are_distinct = digests.len() == self.content.len() && ids.len() == count;
        count > 0 && are_distinct && wanted.len() == count && digests == wanted
    }
}

fn manifest(wishes: &str, packed: &[u8], members: &Members) -> StateManifest {
    let mut references: Vec<DeploymentReference> = Vec::new();
    let mut digest = Digest::of(packed);
    for (position, wish) in wishes.split(' ').enumerate() {
        let number = position as u128;
        let id = DeploymentId::from_uuid_bytes(number.to_be_bytes());
        let member = wish.parse::<usize>().ok().and_then(|it| it.checked_sub(1));
        let content = member.and_then(|member| members.content.get(member));
        let (id, document) = match (content, wish) {
            (Some(content), _) => (id, Digest::of(content)),
            (None, "other") => (id, Digest::of(wish.as_bytes())),
            (None, "again") => {
                let id = references.last().map_or(id, |last| last.deployment_id);
                (id, Digest::of(wish.as_bytes()))
            }
            (None, "changed") => {
                digest = Digest::of(wish.as_bytes());
                continue;
            }
            _ => continue,
        };
        references.push(DeploymentReference::new(id, document, 0, "/"));
    }
    let archive = BundleReference::new(digest, 0, "/");
    StateManifest::new(ManifestVersion::FIRST, Some(archive), references)
}

/// Little, so that inputs can exceed it.
const MAX_DOCUMENT: usize = 1 << 10;
