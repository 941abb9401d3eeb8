//! Making signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use margo_types::Digest;
use margo_types::media_type::{OCI_EMPTY, OCI_MANIFEST};
use margo_types::oci::Descriptor;
use serde_json::json;

use super::key::SigningKey;
use super::payload::Payload;
use super::{PAYLOAD_MEDIA_TYPE, SIGNATURE_ANNOTATION, SIGNATURE_ARTIFACT};
use crate::oci::transfer::{misspelt, signature_tag};
use crate::oci::{ArtifactStore, Failure, Manifest, OciError, Place, Reference};

/// Signs the artefact that the reference names now, stores the signature beside it, and says the digest
/// that was signed.
///
/// Signatures that are there stay. Two signers at the same moment may lose one of the new signatures:
/// the protocol of registries has no way to prevent that.
pub async fn sign(
    store: &dyn ArtifactStore,
    reference: &Reference,
    key: &SigningKey,
) -> Result<Digest, OciError> {
    let artefact = store.pull_manifest(reference).await?;
    let digest = artefact.digest();
    let place = Place::new(reference, "signing");
    let tagged = reference.with_tag(&signature_tag(digest));
    let tagged = tagged.map_err(|error| misspelt(reference, &error.to_string()))?;

    let payload = encode(&Payload::new(reference, digest), &place)?;
    let signature = key
        .sign(&payload)
        .map_err(|error| unusable(&place, error))?;
    let mut layer = Descriptor::of(PAYLOAD_MEDIA_TYPE, &payload);
    layer
        .annotations
        .insert(SIGNATURE_ANNOTATION.to_owned(), STANDARD.encode(signature));

    let mut layers = match store.pull_manifest(&tagged).await {
        Ok(existing) => existing.content().layers.clone(),
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error),
    };
    layers.push(layer.clone());
    let subject = artefact.descriptor();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": SIGNATURE_ARTIFACT,
        "config": Descriptor::empty(),
        "layers": layers,
        "subject": { "mediaType": subject.media_type, "digest": subject.digest, "size": subject.size },
    });
    let manifest = Manifest::read(&encode(&manifest, &place)?, None)
        .map_err(|error| misspelt(reference, &error.to_string()))?;

    let empty = Descriptor::of(OCI_EMPTY, EMPTY);
    store
        .push_blob(&tagged, &empty, &Bytes::from_static(EMPTY))
        .await?;
    store
        .push_blob(&tagged, &layer, &Bytes::from(payload))
        .await?;
    store.push_manifest(&tagged, &manifest).await?;
    Ok(digest)
}

fn encode(value: &impl serde::Serialize, place: &Place) -> Result<Vec<u8>, OciError> {
    serde_json::to_vec(value).map_err(|error| unusable(place, error))
}

fn unusable(place: &Place, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OciError {
    OciError::environment(
        place,
        Failure::Setup {
            what: "the signature",
        },
        error,
    )
}

const EMPTY: &[u8] = b"{}";
