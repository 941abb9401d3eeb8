//! Checking signatures.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_types::Digest;
use margo_types::oci::Descriptor;

use super::key::VerifyingKey;
use super::payload::Payload;
use super::policy::Requirement;
use super::{PAYLOAD_MEDIA_TYPE, SIGNATURE_ANNOTATION, SIGNATURE_ARTIFACT};
use crate::oci::transfer::{blob_to_memory, misspelt, signature_tag};
use crate::oci::{ArtifactStore, Manifest, OciError, Reference};

/// The keys that may sign, and the name that they must have signed for.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Vec<VerifyingKey>,
    identity: Identity,
}

/// The registry and repository that a signature must name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// The repository that the artefact is pulled from.
    #[default]
    Same,
    /// Another one, such as the supplier's when this store is a mirror: `registry.example/apps/web`.
    Named(String),
    /// Any: the keys alone decide.
    Any,
}

impl Verifier {
    /// One of these keys must have signed for the repository that the artefact is pulled from.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            identity: Identity::Same,
        }
    }

    /// The same keys, having signed for this name.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Tries all signatures of this manifest: the fingerprint of the key that signed it, or why none did.
    pub(super) async fn verify(
        &self,
        store: &dyn ArtifactStore,
        reference: &Reference,
        digest: Digest,
    ) -> Result<Result<Digest, Unverified>, OciError> {
        let mut reasons = Vec::new();
        let mut seen = BTreeSet::new();
        let mut tried = 0;
        for manifest in self
            .candidates(store, reference, digest, &mut reasons)
            .await?
        {
            for layer in &manifest.content().layers {
                // A later manifest repeats the signatures of the one before it.
                let signature = layer.annotations.get(SIGNATURE_ANNOTATION).cloned();
                if layer.media_type != PAYLOAD_MEDIA_TYPE || !seen.insert((layer.digest, signature))
                {
                    continue;
                }
                if tried == MAX_SIGNATURES {
                    reasons.push("there are more signatures than are tried".to_owned());
                    return Ok(Err(Unverified::NoneValid { tried, reasons }));
                }
                tried += 1;
                match self.try_layer(store, reference, digest, layer).await? {
                    Ok(key) => return Ok(Ok(key)),
                    Err(reason) => reasons.push(reason),
                }
            }
        }
        Ok(Err(if tried == 0 && reasons.is_empty() {
            Unverified::Unsigned
        } else {
            Unverified::NoneValid { tried, reasons }
        }))
    }

    /// The manifests that may hold signatures: under the tag, and among the referrers.
    async fn candidates(
        &self,
        store: &dyn ArtifactStore,
        reference: &Reference,
        digest: Digest,
        reasons: &mut Vec<String>,
    ) -> Result<Vec<Manifest>, OciError> {
        let misspelt =
            |error: crate::oci::InvalidReference| misspelt(reference, &error.to_string());
        let mut places = vec![
            reference
                .with_tag(&signature_tag(digest))
                .map_err(misspelt)?,
        ];
        let referrers = store
            .referrers(reference, digest, Some(SIGNATURE_ARTIFACT))
            .await?;
        for referrer in referrers.iter().take(MAX_MANIFESTS) {
            places.push(reference.with_digest(referrer.digest));
        }
        let mut manifests = Vec::new();
        let mut seen = BTreeSet::new();
        for place in places {
            match store.pull_manifest(&place).await {
                Ok(manifest) if seen.insert(manifest.digest()) => manifests.push(manifest),
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                // Whoever may push can leave broken manifests here; the good ones still count.
                Err(error @ OciError::PeerMisbehaved { .. }) => reasons.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(manifests)
    }

    async fn try_layer(
        &self,
        store: &dyn ArtifactStore,
        reference: &Reference,
        digest: Digest,
        layer: &Descriptor,
    ) -> Result<Result<Digest, String>, OciError> {
        let signature = layer.annotations.get(SIGNATURE_ANNOTATION);
        let Some(signature) = signature.and_then(|text| STANDARD.decode(text).ok()) else {
            return Ok(Err("a layer has no signature in base64".to_owned()));
        };
        let payload = match blob_to_memory(store, reference, layer, MAX_PAYLOAD).await {
            Ok(payload) => payload,
            Err(error @ OciError::PeerMisbehaved { .. }) => return Ok(Err(error.to_string())),
            Err(error) if error.is_not_found() => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        };
        let Some(key) = self
            .keys
            .iter()
            .find(|key| key.accepts(&payload, &signature))
        else {
            return Ok(Err(
                "a signature is not by a trusted key, or not of this payload".to_owned(),
            ));
        };
        // Only now is the payload worth reading.
        let Ok(payload) = serde_json::from_slice::<Payload>(&payload) else {
            return Ok(Err("a signed payload is not the expected JSON".to_owned()));
        };
        if !payload.is_about(digest) {
            return Ok(Err(
                "a trusted key signed another artefact, not this one".to_owned()
            ));
        }
        let wanted = match &self.identity {
            Identity::Any => return Ok(Ok(key.fingerprint())),
            Identity::Same => reference.name(),
            Identity::Named(name) => name.clone(),
        };
        match payload.name() {
            Some(name) if name == wanted => Ok(Ok(key.fingerprint())),
            name => Ok(Err(format!(
                "a trusted key signed for {}, not for {wanted}",
                name.as_deref().unwrap_or("a name that cannot be read")
            ))),
        }
    }
}

/// What a policy says of one artefact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    pub(super) digest: Digest,
    pub(super) requirement: Requirement,
    pub(super) outcome: Option<Result<Digest, Unverified>>,
}

impl Verdict {
    /// The manifest that the verdict is about: pull this digest, not the tag, which may have moved.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What the policy asks for.
    pub fn requirement(&self) -> Requirement {
        self.requirement
    }

    /// Whether the policy allows to use the artefact.
    pub fn is_acceptable(&self) -> bool {
        self.requirement != Requirement::Required || self.signed_by().is_some()
    }

    /// The fingerprint of the trusted key that signed the artefact.
    pub fn signed_by(&self) -> Option<Digest> {
        self.outcome.as_ref()?.as_ref().ok().copied()
    }

    /// Why no trusted signature was found; `None` also when none was looked for.
    pub fn unverified(&self) -> Option<&Unverified> {
        self.outcome.as_ref()?.as_ref().err()
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self {
            digest,
            requirement,
            outcome,
        } = self;
        match outcome {
            None => write!(formatter, "{digest}: signatures are not looked at"),
            Some(Ok(key)) => write!(formatter, "{digest}: signed by the key {key}"),
            Some(Err(why)) if *requirement == Requirement::Required => {
                write!(formatter, "{digest}: rejected, {why}")
            }
            Some(Err(why)) => write!(formatter, "{digest}: allowed although {why}"),
        }
    }
}

/// Why an artefact does not count as signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unverified {
    /// There is no signature.
    #[error("there is no signature; ask the supplier to sign it, or allow unsigned artefacts here")]
    Unsigned,
    /// There are signatures, but none that counts.
    #[error("none of {tried} signatures counts ({}); check the keys and the name it was signed for", reasons.join("; "))]
    NoneValid {
        /// How many were tried.
        tried: usize,
        /// What was wrong with each.
        reasons: Vec<String>,
    },
}

const MAX_MANIFESTS: usize = 16;
const MAX_SIGNATURES: usize = 64;
/// In bytes.
const MAX_PAYLOAD: u64 = 64 << 10;
