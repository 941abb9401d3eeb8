//! Components out of stores: Compose archives and Helm charts (rc3.md sections 1.4 and 8).

use std::fs::File;
use std::path::{Path, PathBuf};

use margo_types::application::DeploymentType;
use margo_types::media_type::{HELM_CHART, HELM_CONFIG};
use margo_types::oci::{COMPONENT_TYPE_ANNOTATION, COMPONENT_VERSION_ANNOTATION, Descriptor};
use margo_types::scalar::{Repository, Revision};

use super::PublishError;
use crate::archive::Limits;
use crate::chart::Chart;
use crate::compose::{ComposeArchive, is_archive_media_type, is_component_artifact_type};
use crate::oci::{ArtifactStore, Manifest, Reference, transfer};

/// What a component is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ComponentKind {
    /// A compose archive.
    Compose,
    /// A packaged Helm chart.
    Helm,
}

impl ComponentKind {
    /// The type of the profiles that have such components.
    pub const fn deployment_type(self) -> DeploymentType {
        match self {
            Self::Compose => DeploymentType::Compose,
            Self::Helm => DeploymentType::Helm,
        }
    }

    /// The kind of a manifest: by its artefact type for Compose, by the type of its config for Helm.
    pub fn of_manifest(manifest: &Manifest) -> Option<Self> {
        let artifact_type = manifest.artifact_type().unwrap_or_default();
        if is_component_artifact_type(artifact_type) {
            Some(Self::Compose)
        } else if manifest.content().config.media_type == HELM_CONFIG {
            Some(Self::Helm)
        } else {
            None
        }
    }

    fn limits(self) -> Limits {
        match self {
            Self::Compose => Limits::default(),
            Self::Helm => Chart::default_limits(),
        }
    }

    fn is_content(self, layer: &Descriptor) -> bool {
        match self {
            Self::Compose => is_archive_media_type(&layer.media_type),
            Self::Helm => layer.media_type == HELM_CHART,
        }
    }
}

/// A component in a file, whose digest was checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PulledComponent {
    /// What it is.
    pub kind: ComponentKind,
    /// Where it came from, with the digest of its manifest.
    pub reference: Reference,
    /// Its manifest.
    pub manifest: Manifest,
    /// The layer that the file holds.
    pub layer: Descriptor,
    /// The file.
    pub path: PathBuf,
}

impl PulledComponent {
    /// Validates the file as a compose archive.
    ///
    /// # Errors
    /// [`PublishError::Compose`] and [`PublishError::File`].
    pub fn compose_archive(&self) -> Result<ComposeArchive<File>, PublishError> {
        ComposeArchive::open(self.file()?, Limits::default()).map_err(|source| {
            PublishError::Compose {
                artefact: self.reference.to_string(),
                source,
            }
        })
    }

    /// Reads the file as a Helm chart.
    ///
    /// # Errors
    /// [`PublishError::Chart`] and [`PublishError::File`].
    pub fn chart(&self) -> Result<Chart, PublishError> {
        Chart::read(self.file()?, Chart::default_limits()).map_err(|source| PublishError::Chart {
            artefact: self.reference.to_string(),
            source,
        })
    }

    fn file(&self) -> Result<File, PublishError> {
        File::open(&self.path).map_err(|source| PublishError::file(&self.path, source))
    }
}

/// Pulls the Compose archive or Helm chart of a component into the file `to`.
///
/// The file appears when it is complete and its digest is right; an existing one is replaced. What is in it is for
/// [`PulledComponent::compose_archive`] and [`PulledComponent::chart`] to check.
///
/// # Errors
/// [`PublishError::Type`] when the artefact is neither, [`PublishError::Manifest`] when it breaks the rules of its type,
/// [`PublishError::Reference`] as [`component_reference`], and [`PublishError::Transfer`].
pub async fn pull_component(
    store: &dyn ArtifactStore,
    repository: &Repository,
    revision: &Revision,
    to: &Path,
) -> Result<PulledComponent, PublishError> {
    let reference = component_reference(repository, revision)?;
    let failed = |source| PublishError::transfer(&reference, source);
    let manifest = store.pull_manifest(&reference).await.map_err(failed)?;
    let kind = ComponentKind::of_manifest(&manifest).ok_or_else(|| PublishError::Type {
        artefact: reference.to_string(),
        found: manifest.artifact_type().unwrap_or_default().to_owned(),
        expected: EXPECTED,
    })?;
    let layer = content_layer(kind, &manifest, &reference, revision)?.clone();
    // From here on the digest counts, whatever becomes of the tag.
    let pinned = reference.with_digest(manifest.digest());
    transfer::blob_to_file(store, &pinned, &layer, to)
        .await
        .map_err(failed)?;
    Ok(PulledComponent {
        kind,
        reference: pinned,
        manifest,
        layer,
        path: to.to_owned(),
    })
}

/// Where a component is: its repository with its revision as the tag.
///
/// # Errors
/// [`PublishError::Reference`] when the repository is none of an OCI registry, or has a tag or digest of its own.
pub fn component_reference(
    repository: &Repository,
    revision: &Revision,
) -> Result<Reference, PublishError> {
    let unusable = |why: String| PublishError::Reference {
        artefact: repository.to_string(),
        why,
    };
    let name = repository.oci_name().ok_or_else(|| {
        unusable(
            "it is no OCI reference; write oci:// and the registry with the repository".to_owned(),
        )
    })?;
    let reference = Reference::parse(name).map_err(|error| unusable(error.to_string()))?;
    let has_other_tag = reference.tag().is_some_and(|tag| tag != revision.as_str());
    if has_other_tag || reference.digest().is_some() {
        return Err(unusable(
            "a repository has no tag and no digest; write the version as revision".to_owned(),
        ));
    }
    reference
        .with_tag(revision.as_str())
        .map_err(|error| unusable(error.to_string()))
}

/// The one layer with the component, after checking what its annotations say.
fn content_layer<'m>(
    kind: ComponentKind,
    manifest: &'m Manifest,
    reference: &Reference,
    revision: &Revision,
) -> Result<&'m Descriptor, PublishError> {
    let wrong = |why: String| PublishError::manifest(reference, why);
    let content = manifest.content();
    let layers: Vec<_> = content
        .layers
        .iter()
        .filter(|layer| kind.is_content(layer))
        .collect();
    let [layer] = layers[..] else {
        let count = layers.len();
        return Err(wrong(format!(
            "it has {count} layers with a component, not one"
        )));
    };
    let limit = kind.limits().max_packed_bytes;
    if layer.size > limit {
        return Err(wrong(format!(
            "its layer has {} bytes, more than {limit}",
            layer.size
        )));
    }
    if kind == ComponentKind::Helm {
        return Ok(layer);
    }
    if content.layers.len() > 1 {
        return Err(wrong(format!(
            "it has {} layers, not one",
            content.layers.len()
        )));
    }
    // Published examples have the annotations on the manifest (rc3.md ambiguity 62).
    let annotation = |key: &str| {
        let on_layer = layer.annotations.get(key);
        on_layer.or_else(|| content.annotations.get(key))
    };
    if let Some(other) = annotation(COMPONENT_TYPE_ANNOTATION).filter(|text| *text != "compose") {
        return Err(wrong(format!(
            "its annotations call it a component of type {other:?}"
        )));
    }
    // Build metadata is spelt either way (rc3.md ambiguity 68).
    let differs = |version: &&String| version.replace('+', "_") != revision.as_str();
    if let Some(other) = annotation(COMPONENT_VERSION_ANNOTATION).filter(differs) {
        return Err(wrong(format!("its annotations call it version {other:?}")));
    }
    Ok(layer)
}

const EXPECTED: &str =
    "a Compose component (application/vnd.org.margo.component.compose+json) or a Helm chart";
