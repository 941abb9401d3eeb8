//! Compose components in stores (rc3.md section 8).

use margo_types::application::ApplicationDescription;
use margo_types::id::ComponentName;
use margo_types::media_type::{COMPOSE_ARCHIVE, COMPOSE_COMPONENT};
use margo_types::oci::{
    COMPONENT_TYPE_ANNOTATION, COMPONENT_VERSION_ANNOTATION, Descriptor, PackageManifest,
    TITLE_ANNOTATION,
};
use margo_types::scalar::Revision;

use super::{EMPTY, Packed, PublishError, Pushed, push, tagged, write_manifest};
use crate::archive::Limits;
use crate::compose::ComposeArchive;
use crate::oci::{ArtifactStore, Reference};

/// What is said of a component beside its content, in the recommended OCI annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ComponentInfo {
    /// The name of the component.
    pub name: ComponentName,
    /// What it does.
    pub description: Option<String>,
    /// Who made it.
    pub authors: Option<String>,
}

impl ComponentInfo {
    /// A component of the described application.
    pub fn of(name: &ComponentName, description: &ApplicationDescription) -> Self {
        let metadata = &description.metadata;
        let named = |author: &margo_types::application::Author| {
            author.name.clone().or_else(|| author.email.clone())
        };
        let authors: Vec<String> = metadata.catalog.author.iter().filter_map(named).collect();
        Self {
            description: metadata.description.clone(),
            authors: Some(authors.join(", ")).filter(|text| !text.is_empty()),
            ..Self::from(name.clone())
        }
    }
}

impl From<ComponentName> for ComponentInfo {
    fn from(name: ComponentName) -> Self {
        Self {
            name,
            description: None,
            authors: None,
        }
    }
}

/// Pushes a compose archive under the reference's tag, which becomes the version of the component.
///
/// The archive is validated first and pushed as it is. The annotations are on the layer, where the specification
/// wants them (rc3.md ambiguity 62), and the version in them is spelt like the tag (ambiguity 68).
///
/// # Errors
/// [`PublishError::Reference`] when the tag is no revision that a description may have, [`PublishError::Compose`] when the
/// archive breaks a rule, and [`PublishError::Transfer`].
pub async fn push_compose(
    store: &dyn ArtifactStore,
    reference: &Reference,
    archive: impl Into<Packed>,
    info: &ComponentInfo,
) -> Result<Pushed, PublishError> {
    let archive = archive.into();
    let version = version_of(reference)?;
    let target = tagged(reference, &version)?;
    let artefact = target.to_string();
    let (mut layer, ()) = archive
        .examine(COMPOSE_ARCHIVE, |blob| {
            match ComposeArchive::open(blob, Limits::default()) {
                Ok(archive) if archive.source() == crate::compose::ComposeSource::Archive => Ok(()),
                Ok(_) => Err(PublishError::Misfit {
                    artefact,
                    why: "is a compose file alone; pack its directory".to_owned(),
                }),
                Err(source) => Err(PublishError::Compose { artefact, source }),
            }
        })
        .await?;
    layer.annotations = annotations(info, version);
    let manifest =
        PackageManifest::new(COMPOSE_COMPONENT, Descriptor::empty(), vec![layer.clone()]);
    let manifest = write_manifest(&target, &manifest)?;
    push(
        store,
        target,
        &manifest,
        &[(&Descriptor::empty(), &EMPTY), (&layer, &archive)],
    )
    .await
}

fn annotations(
    info: &ComponentInfo,
    version: String,
) -> std::collections::BTreeMap<String, String> {
    let all = [
        (COMPONENT_TYPE_ANNOTATION, Some("compose".to_owned())),
        (COMPONENT_VERSION_ANNOTATION, Some(version.clone())),
        // Clients such as oras write the layer to a file of this name.
        (TITLE_ANNOTATION, Some(format!("{}.tar.gz", info.name))),
        ("org.opencontainers.image.version", Some(version)),
        (
            "org.opencontainers.image.description",
            info.description.clone(),
        ),
        ("org.opencontainers.image.authors", info.authors.clone()),
    ];
    all.into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

fn version_of(reference: &Reference) -> Result<String, PublishError> {
    let tag = reference.tag().unwrap_or_default();
    match Revision::parse(tag) {
        Ok(revision) if revision.is_conformant() => Ok(tag.to_owned()),
        _ => Err(PublishError::Reference {
            artefact: reference.to_string(),
            why: "the version of a component is its tag; add one such as :1.0.0, without v and with _ in place of +"
                .to_owned(),
        }),
    }
}
