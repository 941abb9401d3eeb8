//! Components that lie beside a package, in its directory `components/`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use margo_types::application::{ApplicationDescription, Component, DeploymentType};
use margo_types::id::ComponentName;
use tempfile::NamedTempFile;

use super::{
    ComponentInfo, ComponentKind, Packed, PublishError, Pushed, blocking, component_reference,
    push_chart, push_compose,
};
use crate::archive::{ArchiveReader, Policy};
use crate::chart::{self, Chart, ChartMetadata, METADATA_FILE};
use crate::compose::{self, COMPOSE_FILE};
use crate::oci::{ArtifactStore, Reference};

/// A component of a description, and where its content is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FoundComponent {
    /// The component as the description has it.
    pub component: Component,
    /// The type of its profile.
    pub deployment_type: DeploymentType,
    /// Where its content is.
    pub place: ComponentPlace,
}

impl FoundComponent {
    /// What is at its place; `None` when nothing is, or the type is custom.
    pub fn kind(&self) -> Option<ComponentKind> {
        kind_of(&self.deployment_type).filter(|_| self.place != ComponentPlace::Elsewhere)
    }

    /// Where the description says that it is published.
    ///
    /// # Errors
    /// [`PublishError::Reference`] when it has no usable repository and revision.
    pub fn reference(&self) -> Result<Reference, PublishError> {
        let properties = &self.component.properties;
        match (&properties.repository, &properties.revision) {
            (Some(repository), Some(revision)) => component_reference(repository, revision),
            _ => Err(PublishError::Reference {
                artefact: self.component.name.to_string(),
                why: "the description gives it no repository and revision; add both".to_owned(),
            }),
        }
    }
}

/// Where the content of a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ComponentPlace {
    /// In this directory, not packed.
    Directory(PathBuf),
    /// In this archive.
    Archive(PathBuf),
    /// Not beside the package.
    Elsewhere,
}

/// The components of a description, each with what `components/` in the package's directory has for it:
/// a directory called like the component with `compose.yaml` or `Chart.yaml` in it, or `<name>.tar.gz` or `<name>.tgz`.
///
/// Components that are the same in several profiles are listed once; those without content are listed too.
///
/// # Errors
/// [`PublishError::Misfit`] for content that the description does not name, of another type than its profile, or of another
/// version than its revision; [`PublishError::Chart`] for a chart that cannot be read, and [`PublishError::File`].
pub fn find_components(
    directory: &Path,
    description: &ApplicationDescription,
) -> Result<Vec<FoundComponent>, PublishError> {
    let folder = directory.join(COMPONENTS);
    let mut content = contents(&folder)?;
    let mut found: Vec<FoundComponent> = Vec::new();
    for profile in &description.deployment_profiles {
        for component in &profile.components {
            let is_same = |other: &FoundComponent| {
                other.deployment_type == profile.deployment_type
                    && other.component.name == component.name
                    && other.component.properties.repository == component.properties.repository
                    && other.component.properties.revision == component.properties.revision
            };
            if !found.iter().any(is_same) {
                found.push(FoundComponent {
                    component: component.clone(),
                    deployment_type: profile.deployment_type.clone(),
                    place: ComponentPlace::Elsewhere,
                });
            }
        }
    }
    let mut by_name: BTreeMap<ComponentName, Vec<&mut FoundComponent>> = BTreeMap::new();
    for found in &mut found {
        by_name
            .entry(found.component.name.clone())
            .or_default()
            .push(found);
    }
    for (name, mut components) in by_name {
        let forms = content.remove(name.as_str()).unwrap_or_default();
        if let Some(surplus) = forms.get(components.len()) {
            return Err(surplus.twice());
        }
        // Components of several profiles may share a name: each takes the content of its kind.
        for form in forms {
            form.assign(&mut components)?;
        }
    }
    if let Some(stranger) = content.into_values().flatten().next() {
        return Err(stranger
            .misfit("is no component of the description; name it there, rename it or remove it"));
    }
    Ok(found)
}

/// Pushes a component from beside a package to where the description says it is, packing it if it is not packed.
///
/// `None` when it is elsewhere and nothing was done.
///
/// # Errors
/// Those of [`FoundComponent::reference`], [`push_compose`] and [`push_chart`].
pub async fn push_component(
    store: &dyn ArtifactStore,
    found: &FoundComponent,
    description: &ApplicationDescription,
) -> Result<Option<Pushed>, PublishError> {
    let Some(kind) = found.kind() else {
        return Ok(None);
    };
    let reference = found.reference()?;
    let name = found.component.name.clone();
    // Lives until everything is pushed.
    let packed = match &found.place {
        ComponentPlace::Elsewhere => return Ok(None),
        ComponentPlace::Archive(path) => PackedOrMade::Packed(path.clone()),
        ComponentPlace::Directory(path) => {
            let (path, name) = (path.clone(), name.clone());
            PackedOrMade::Made(blocking(move || pack(kind, &path, &name)).await?)
        }
    };
    let archive = Packed::from(packed.path());
    let pushed = match kind {
        ComponentKind::Compose => {
            let info = ComponentInfo::of(&name, description);
            push_compose(store, &reference, archive, &info).await?
        }
        ComponentKind::Helm => push_chart(store, &reference, archive).await?,
    };
    Ok(Some(pushed))
}

enum PackedOrMade {
    Packed(PathBuf),
    Made(NamedTempFile),
}

impl PackedOrMade {
    fn path(&self) -> &Path {
        match self {
            Self::Packed(path) => path,
            Self::Made(file) => file.path(),
        }
    }
}

fn pack(
    kind: ComponentKind,
    directory: &Path,
    name: &ComponentName,
) -> Result<NamedTempFile, PublishError> {
    let artefact = directory.display().to_string();
    let mut file =
        NamedTempFile::new().map_err(|source| PublishError::file(&std::env::temp_dir(), source))?;
    match kind {
        ComponentKind::Compose => compose::pack(directory, name, &mut file)
            .map_err(|source| PublishError::Compose { artefact, source })?,
        ComponentKind::Helm => chart::pack(directory, &mut file)
            .map_err(|source| PublishError::Chart { artefact, source })?,
    };
    Ok(file)
}

/// What lies in `components/` under one name.
struct Content {
    path: PathBuf,
    is_packed: bool,
}

impl Content {
    /// Gives every component the content that fits it; one of them must take it.
    fn assign(self, components: &mut [&mut FoundComponent]) -> Result<(), PublishError> {
        let kind = self.kind(components)?;
        let version = match kind {
            ComponentKind::Compose => None,
            ComponentKind::Helm => Some(self.chart()?),
        };
        let revisions: Vec<String> = components
            .iter()
            .filter_map(|found| Some(found.component.properties.revision.as_ref()?.to_string()))
            .collect();
        let mut is_taken = false;
        for found in components {
            let revision = found.component.properties.revision.as_ref();
            let fits = version
                .as_ref()
                .is_none_or(|chart| revision.is_some_and(|text| text.as_str() == chart.revision()));
            if kind_of(&found.deployment_type) == Some(kind) && fits {
                if found.place != ComponentPlace::Elsewhere {
                    return Err(self.twice());
                }
                is_taken = true;
                found.place = self.place();
            }
        }
        match version {
            Some(chart) if !is_taken => Err(self.misfit(format!(
                "is a chart of version {:?}, but the description wants revision {}; make them the same",
                chart.version,
                revisions.join(" or ")
            ))),
            _ => Ok(()),
        }
    }

    /// The kind that it is, which must be that of one of the components.
    fn kind(&self, components: &[&mut FoundComponent]) -> Result<ComponentKind, PublishError> {
        let kinds = self.kinds()?;
        let wanted = |kind: &&ComponentKind| {
            let wants =
                |found: &&mut FoundComponent| kind_of(&found.deployment_type) == Some(**kind);
            components.iter().any(wants)
        };
        if let Some(kind) = kinds.iter().find(wanted) {
            return Ok(*kind);
        }
        let types: Vec<&str> = components
            .iter()
            .map(|found| found.deployment_type.as_str())
            .collect();
        let types = types.join(" or ");
        Err(match kinds[..] {
            [] => self.misfit(format!("has neither {COMPOSE_FILE} nor {METADATA_FILE}; add one, or remove it")),
            [kind, ..] => self.misfit(format!(
                "is of type {}, but its profile of type {types}; move the component to another profile or replace it",
                kind.deployment_type().as_str()
            )),
        })
    }

    /// The kinds whose main file is there.
    fn kinds(&self) -> Result<Vec<ComponentKind>, PublishError> {
        let marks = [
            (ComponentKind::Compose, COMPOSE_FILE),
            (ComponentKind::Helm, METADATA_FILE),
        ];
        let has: Box<dyn Fn(&str) -> bool> = if self.is_packed {
            let file =
                File::open(&self.path).map_err(|source| PublishError::file(&self.path, source))?;
            let policy = Policy::default().one_top_directory();
            let contents = ArchiveReader::new(file, policy).and_then(ArchiveReader::into_contents);
            let contents = contents.map_err(|source| PublishError::Compose {
                artefact: self.path.display().to_string(),
                source: source.into(),
            })?;
            let top = contents.top_directory().unwrap_or_default().to_owned();
            Box::new(move |name| contents.get(&format!("{top}/{name}")).is_some())
        } else {
            Box::new(|name| self.path.join(name).is_file())
        };
        Ok(marks
            .into_iter()
            .filter(|(_, name)| has(name))
            .map(|(kind, _)| kind)
            .collect())
    }

    fn chart(&self) -> Result<ChartMetadata, PublishError> {
        let metadata = if self.is_packed {
            let file =
                File::open(&self.path).map_err(|source| PublishError::file(&self.path, source))?;
            Chart::read(file, Chart::default_limits()).map(|chart| chart.metadata)
        } else {
            ChartMetadata::of_directory(&self.path)
        };
        metadata.map_err(|source| PublishError::Chart {
            artefact: self.path.display().to_string(),
            source,
        })
    }

    fn place(&self) -> ComponentPlace {
        if self.is_packed {
            ComponentPlace::Archive(self.path.clone())
        } else {
            ComponentPlace::Directory(self.path.clone())
        }
    }

    fn twice(&self) -> PublishError {
        self.misfit("is there twice, in two forms; keep one of them")
    }

    fn misfit(&self, why: impl Into<String>) -> PublishError {
        PublishError::Misfit {
            artefact: self.path.display().to_string(),
            why: why.into(),
        }
    }
}

/// Directories and archives in `components/` by the name of their component. Other files are no business of ours.
fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<Content>>, PublishError> {
    let failed = |source| PublishError::file(folder, source);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut contents: BTreeMap<String, Vec<Content>> = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let Some(file_name) = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
        else {
            continue;
        };
        let is_packed = !path.is_dir();
        let name = if is_packed {
            let stem = file_name.strip_suffix(".tar.gz");
            stem.or_else(|| file_name.strip_suffix(".tgz"))
        } else {
            Some(file_name.as_str())
        };
        let Some(name) = name.filter(|_| !file_name.starts_with('.')) else {
            continue;
        };
        let content = Content { path, is_packed };
        contents.entry(name.to_owned()).or_default().push(content);
    }
    Ok(contents)
}

fn kind_of(deployment_type: &DeploymentType) -> Option<ComponentKind> {
    match deployment_type {
        DeploymentType::Compose => Some(ComponentKind::Compose),
        DeploymentType::Helm => Some(ComponentKind::Helm),
        _ => None,
    }
}

/// The directory beside `margo.yaml` with the components.
const COMPONENTS: &str = "components";
