//! Manifests, bundles and documents of a fleet manager that lies.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use margo_client::state::{Change, State};
use margo_client::sync::{FetchLimits, poll};
use margo_client::{Error, ErrorKind, FleetApi, Poll};
use margo_conformance::corpus::input::{line, parts, replaced};
use margo_package::bundle;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::etag::EntityTag;
use margo_types::id::DeviceId;
use margo_types::manifest::{BundleReference, DeploymentReference, StateManifest};
use margo_types::problem::{Problem, RetryAdvice};
use margo_types::status::DeploymentStatus;
use margo_types::{Digest, Exact, Reader, SpecVersion, read, validate_reference};

use super::answers::{check, runtime};

/// Polls, one after the other, each in these parts: the manifest, the bundle, and documents.
///
/// The first line of a manifest is its entity tag, `-` for none, or `304` for an answer without a manifest. `{1}` in it is
/// the digest of the first document and `{bundle}` that of the bundle, whose text `pack` stands for an archive of all
/// documents. The document delivered for a reference is the one whose number its URL ends in. A last part `next` says
/// that another poll follows.
///
/// Whatever is offered, what is accepted is whole, verified and newer than what was held; all else changes nothing.
pub fn sync(bytes: &[u8]) {
    let runtime = runtime();
    let mut held = State::default();
    let all = parts(bytes);
    for parts in all.split(|part| *part == b"next").take(MOST_POLLS) {
        let fleet = Liar::new(parts);
        let before = held.clone();
        match runtime.block_on(poll(&fleet, &held, &limits())) {
            Err(error) => {
                check(&error);
                assert!(matches!(
                    error.kind(),
                    ErrorKind::Integrity | ErrorKind::Misbehaved | ErrorKind::Refused
                ));
            }
            Ok(None) => assert!(before.accepted.is_some(), "nothing is new to a new device"),
            Ok(Some(update)) => {
                let manifest = fleet.manifest.as_ref().expect("it was accepted");
                let accepted = &update.accepted;
                assert_eq!(accepted.digest, Digest::of(manifest.bytes()));
                assert_eq!(accepted.version, manifest.value().manifest_version);
                if let Some(before) = &before.accepted {
                    assert!(accepted.version > before.version, "an old version");
                }
                assert_eq!(accepted.tag, fleet.tag.as_ref().map(ToString::to_string));
                for (digest, bytes) in &update.documents {
                    assert_eq!(*digest, Digest::of(bytes), "a document is not verified");
                    held.apply(Change::Store(*digest, bytes.clone()));
                }
                held.apply(Change::Accept(accepted.clone()));
                held.check().expect("everything is there");
                whole(manifest.value(), &held);
            }
        }
    }
}

/// That what is held is exactly what the manifest says.
fn whole(manifest: &StateManifest, held: &State) {
    let accepted = &held.accepted.as_ref().expect("a manifest").deployments;
    assert_eq!(accepted.len(), manifest.deployments.len());
    assert_eq!(manifest.bundle.is_none(), accepted.is_empty());
    let mut total = 0;
    for reference in &manifest.deployments {
        assert_eq!(
            accepted.get(&reference.deployment_id),
            Some(&reference.digest)
        );
        let bytes = &held.documents[&reference.digest];
        total += bytes.len();
        let document = read::<ApplicationDeployment>(bytes).expect("it can be applied");
        assert_eq!(document.value().id, reference.deployment_id);
        assert!(validate_reference(document.value(), reference).is_valid());
    }
    assert!(total <= limits().max_total_bytes);
}

/// A fleet manager that says what an input has it say.
#[derive(Debug)]
struct Liar {
    tag: Option<EntityTag>,
    manifest: Option<Exact<StateManifest>>,
    bundle: Vec<u8>,
    documents: Vec<Vec<u8>>,
    is_unchanged: bool,
}

impl Liar {
    fn new(parts: &[&[u8]]) -> Self {
        let documents: Vec<Vec<u8>> = parts.iter().skip(2).map(|part| part.to_vec()).collect();
        let mut bundle = parts.get(1).map(|part| part.to_vec()).unwrap_or_default();
        if bundle == b"pack" {
            bundle = pack(&documents);
        }
        let (tag, text) = line(parts.first().copied().unwrap_or_default());
        let mut text = replaced(text, "{bundle}", Digest::of(&bundle).to_string().as_bytes());
        for (position, document) in documents.iter().enumerate().take(9) {
            let name = format!("{{{}}}", position + 1);
            text = replaced(&text, &name, Digest::of(document).to_string().as_bytes());
        }
        let reader = Reader::new().generation(SpecVersion::Rc3);
        Self {
            is_unchanged: tag == "304",
            tag: EntityTag::parse(tag).ok(),
            manifest: reader.read(&text).ok(),
            bundle,
            documents,
        }
    }
}

fn pack(documents: &[Vec<u8>]) -> Vec<u8> {
    let members: Vec<_> = documents
        .iter()
        .filter_map(|bytes| {
            Some((
                read::<ApplicationDeployment>(bytes).ok()?.value().id,
                &**bytes,
            ))
        })
        .collect();
    bundle::build(&members).map_or_else(|_| Vec::new(), |bundle| bundle.bytes)
}

#[async_trait]
impl FleetApi for Liar {
    fn generation(&self) -> SpecVersion {
        SpecVersion::Rc3
    }

    async fn manifest(&self, _: Option<&EntityTag>) -> Result<Poll, Error> {
        if self.is_unchanged {
            return Ok(Poll::Unchanged);
        }
        let manifest = self.manifest.as_ref().ok_or_else(not_found)?;
        Ok(Poll::Changed {
            manifest: Box::new(manifest.clone()),
            tag: self.tag.clone(),
        })
    }

    async fn deployment(&self, reference: &DeploymentReference) -> Result<Bytes, Error> {
        let number = reference
            .url
            .rsplit('/')
            .next()
            .and_then(|it| it.parse::<usize>().ok());
        let document = number.and_then(|number| self.documents.get(number.checked_sub(1)?));
        let document = document.ok_or_else(not_found)?;
        Ok(Bytes::copy_from_slice(document))
    }

    async fn bundle(&self, _: &BundleReference) -> Result<Bytes, Error> {
        if self.bundle.is_empty() {
            return Err(not_found());
        }
        Ok(Bytes::copy_from_slice(&self.bundle))
    }

    async fn report_capabilities(&self, _: &DeviceCapabilities) -> Result<(), Error> {
        Ok(())
    }

    async fn remove_device(&self, _: &DeviceId) -> Result<(), Error> {
        Ok(())
    }

    async fn report_status(&self, _: &DeploymentStatus) -> Result<(), Error> {
        Ok(())
    }
}

fn not_found() -> Error {
    let problem = Problem::about_blank(404);
    let advice = RetryAdvice::new(Some(&problem), 404, None, Timestamp::UNIX_EPOCH);
    Error::new(ErrorKind::Refused, "not found").with_response(Some(problem), advice)
}

/// So low that inputs of a few kilobytes go beyond them.
fn limits() -> FetchLimits {
    let mut limits = FetchLimits::default();
    limits.max_deployments = 6;
    limits.max_document_bytes = 2048;
    limits.max_total_bytes = 4096;
    limits.bundle.max_unpacked_bytes = 1 << 16;
    limits
}

const MOST_POLLS: usize = 4;
