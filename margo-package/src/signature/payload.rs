//! What is signed: the "simple signing" payload of cosign.

use margo_types::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::oci::Reference;

/// The payload. The order of members is that of cosign, so that equal content gives equal bytes.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Value,
}

#[derive(Debug, Deserialize, Serialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

const KIND: &str = "cosign container image signature";

impl Payload {
    pub(super) fn new(reference: &Reference, digest: Digest) -> Self {
        Self {
            critical: Critical {
                identity: Identity {
                    reference: reference.name(),
                },
                image: Image {
                    digest: digest.to_string(),
                },
                kind: KIND.to_owned(),
            },
            optional: Value::Null,
        }
    }

    /// Whether this is a payload of the right kind about that digest.
    pub(super) fn is_about(&self, digest: Digest) -> bool {
        self.critical.kind == KIND && self.critical.image.digest == digest.to_string()
    }

    /// The registry and repository that the signer meant, without a tag.
    pub(super) fn name(&self) -> Option<String> {
        let named = Reference::parse(&self.critical.identity.reference).ok()?;
        Some(named.name())
    }
}
