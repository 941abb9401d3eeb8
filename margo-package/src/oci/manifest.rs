//! A manifest with its exact bytes.

use margo_types::oci::{Descriptor, PackageManifest};
use margo_types::{Digest, Exact, Format, Limits, Reader, media_type};
use serde::Deserialize;

/// An image manifest: what it says and the exact bytes that its digest is of.
#[derive(Clone, Debug)]
pub struct Manifest {
    document: Exact<PackageManifest>,
    media_type: String,
}

impl Manifest {
    /// Reads a manifest. `media_type` is what came with the bytes, if anything did.
    ///
    /// # Errors
    /// Says why the bytes are no manifest; an index of several manifests is refused as such.
    pub fn read(bytes: &[u8], media_type: Option<&str>) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MAX_MANIFEST {
            return Err(ManifestError::TooLarge);
        }
        let outline: Outline = serde_json::from_slice(bytes)
            .map_err(|error| ManifestError::Malformed(format!("it is not JSON ({error})")))?;
        if let Some(inside) = &outline.media_type
            && !is_media_type(inside)
        {
            let why = "its mediaType is not written as one (RFC 6838)".to_owned();
            return Err(ManifestError::Malformed(why));
        }
        let announced = media_type
            .map(essence)
            .filter(|text| is_manifest(text) || is_index(text));
        let media_type = match (announced, outline.media_type.as_deref()) {
            // Two readers that believe different sides would see different artefacts.
            (Some(outside), Some(inside)) if outside != inside => {
                let why = format!("it calls itself {inside} and was sent as {outside}");
                return Err(ManifestError::Malformed(why));
            }
            (Some(text), _) | (None, Some(text)) => text.to_owned(),
            (None, None) if outline.manifests.is_some() => OCI_INDEX.to_owned(),
            (None, None) => media_type::OCI_MANIFEST.to_owned(),
        };
        match (outline.manifests.is_some(), outline.layers.is_some()) {
            (true, true) => {
                let why = "it has both layers and manifests".to_owned();
                return Err(ManifestError::Malformed(why));
            }
            (true, false) => return Err(ManifestError::Index { media_type }),
            (false, _) if is_index(&media_type) => return Err(ManifestError::Index { media_type }),
            (false, _) => {}
        }

        let mut limits = Limits::default();
        limits.max_bytes = usize::try_from(MAX_MANIFEST).unwrap_or(usize::MAX);
        let document = Reader::new()
            .limits(limits)
            .read::<PackageManifest>(bytes)
            .map_err(|error| ManifestError::Malformed(error.to_string()))?;
        if document.format() != Format::Json {
            return Err(ManifestError::Malformed("it is not JSON".to_owned()));
        }
        Ok(Self {
            document,
            media_type,
        })
    }

    /// What the manifest says.
    pub fn content(&self) -> &PackageManifest {
        self.document.value()
    }

    /// The exact bytes.
    pub fn bytes(&self) -> &[u8] {
        self.document.bytes()
    }

    /// The digest of the exact bytes.
    pub fn digest(&self) -> Digest {
        self.document.digest()
    }

    /// The media type under which a registry keeps it.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The descriptor of the manifest itself.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(self.media_type.as_str(), self.bytes())
    }

    /// The configuration and the layers: the blobs the manifest needs, each digest once.
    pub fn blobs(&self) -> Vec<&Descriptor> {
        let mut seen = std::collections::BTreeSet::new();
        let content = self.content();
        let all = std::iter::once(&content.config).chain(&content.layers);
        all.filter(|blob| seen.insert(blob.digest)).collect()
    }

    /// What kind of artefact this is: `artifactType`, or else the media type of the configuration.
    pub fn artifact_type(&self) -> Option<&str> {
        let content = self.content();
        let named = content.artifact_type.as_deref();
        Some(named.unwrap_or(&content.config.media_type)).filter(|text| !text.is_empty())
    }

    /// The digest of the manifest that this one is about, such as what a signature signs.
    pub fn subject(&self) -> Option<Digest> {
        let subject = self.content().extra.0.get("subject")?;
        Digest::parse(subject.get("digest")?.as_str()?).ok()
    }
}

/// Why bytes are no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is larger than 4 MiB.
    #[error("the manifest is larger than 4 MiB; split the artefact")]
    TooLarge,
    /// It is an index of several manifests.
    #[error("this is an index ({media_type}) of several manifests; name one of them by its digest")]
    Index {
        /// The media type of the index.
        media_type: String,
    },
    /// It is not what the OCI image specification describes.
    #[error("the manifest cannot be used: {0}; repair the artefact")]
    Malformed(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    media_type: Option<String>,
    layers: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
}

/// What OCI distribution lets a registry refuse, in bytes.
pub(crate) const MAX_MANIFEST: u64 = 4 << 20;
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Indexes are asked for too, so that a registry names them instead of saying "not found".
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// Whether this is a type and a subtype of the characters and lengths of RFC 6838, section 4.2.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        (1..=127).contains(&name.len())
            && name.bytes().all(is_allowed)
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
    };
    text.split_once('/')
        .is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

fn is_manifest(media_type: &str) -> bool {
    media_type == media_type::OCI_MANIFEST || media_type == DOCKER_MANIFEST
}

fn is_index(media_type: &str) -> bool {
    media_type == OCI_INDEX || media_type == DOCKER_INDEX
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}
