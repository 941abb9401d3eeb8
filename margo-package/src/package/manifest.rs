//! Packages as OCI artefacts (rc3.md section 8).

use std::collections::BTreeMap;

use margo_types::oci::{Descriptor, PackageManifest, RESOURCE_ANNOTATION, TITLE_ANNOTATION};
use margo_types::{Digest, SpecVersion, media_type};

use super::directory::read_description;
use super::{
    ApplicationPackage, DESCRIPTION_FILE, FileBytes, PackageError, PackageLimits, ResourceRole,
};

/// An artefact ready to be pushed: a manifest and the blobs it lists.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Artifact {
    /// The manifest, as it is pushed.
    pub manifest: Vec<u8>,
    /// The blobs, the config among them.
    pub blobs: Vec<Blob>,
}

/// The content of a blob.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Blob {
    /// Its descriptor in the manifest.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: FileBytes,
}

impl ApplicationPackage {
    /// The package as an OCI artefact; the same package always gives the same bytes.
    ///
    /// # Errors
    /// [`PackageError::Manifest`] when the manifest cannot be written.
    pub fn to_artifact(&self) -> Result<Artifact, PackageError> {
        let mut description =
            Descriptor::of(media_type::PACKAGE_DESCRIPTION, self.description.bytes());
        description
            .annotations
            .insert(TITLE_ANNOTATION.to_owned(), DESCRIPTION_FILE.to_owned());
        let mut blobs = vec![
            Blob {
                descriptor: Descriptor::empty(),
                bytes: b"{}".as_slice().into(),
            },
            Blob {
                descriptor: description,
                bytes: self.description.bytes().clone(),
            },
        ];
        for (role, resource) in &self.resources {
            let mut layer = Descriptor::of(role.media_type(&resource.path), &resource.bytes);
            layer
                .annotations
                .insert(TITLE_ANNOTATION.to_owned(), resource.path.to_string());
            layer
                .annotations
                .insert(RESOURCE_ANNOTATION.to_owned(), role.as_str().to_owned());
            blobs.push(Blob {
                descriptor: layer,
                bytes: resource.bytes.clone(),
            });
        }
        let layers = blobs[1..]
            .iter()
            .map(|blob| blob.descriptor.clone())
            .collect();
        let manifest = PackageManifest::new(media_type::PACKAGE, Descriptor::empty(), layers);
        let manifest = margo_types::write(&manifest, SpecVersion::NEWEST).map_err(|error| {
            PackageError::Manifest {
                place: "the package".to_owned(),
                why: error.to_string(),
            }
        })?;
        Ok(Artifact { manifest, blobs })
    }

    /// The blobs that must be fetched to read the package of this manifest, after checking that it is one
    /// and that nothing in it is too long.
    ///
    /// # Errors
    /// [`PackageError::Manifest`] naming `place` when the manifest is not that of an application package.
    pub fn wanted_blobs<'m>(
        place: &str,
        manifest: &'m PackageManifest,
        limits: &PackageLimits,
    ) -> Result<Vec<&'m Descriptor>, PackageError> {
        let wrong = |why: String| PackageError::Manifest {
            place: place.to_owned(),
            why,
        };
        if manifest.artifact_type.as_deref() != Some(media_type::PACKAGE) {
            let found = manifest
                .artifact_type
                .as_deref()
                .unwrap_or(&manifest.config.media_type);
            return Err(wrong(format!(
                "its type is {found:?}, not {:?}",
                media_type::PACKAGE
            )));
        }
        let descriptions = manifest
            .layers
            .iter()
            .filter(|layer| layer.media_type == media_type::PACKAGE_DESCRIPTION);
        match descriptions.count() {
            0 => {
                return Err(PackageError::NoDescription {
                    place: place.to_owned(),
                });
            }
            1 => {}
            several => return Err(wrong(format!("it has {several} descriptions; keep one"))),
        }
        let mut wanted = Vec::new();
        for layer in &manifest.layers {
            let limit = match ResourceRole::of_media_type(&layer.media_type) {
                Some(_) => limits.resource,
                None if layer.media_type == media_type::PACKAGE_DESCRIPTION => limits.description,
                None => continue,
            };
            if layer.size > limit as u64 {
                return Err(wrong(format!(
                    "{} has {} bytes, more than {limit}",
                    layer.digest, layer.size
                )));
            }
            wanted.push(layer);
        }
        Ok(wanted)
    }

    /// The package of a manifest and its fetched blobs.
    ///
    /// # Errors
    /// [`PackageError`] naming `place` when the manifest is not that of an application package, a blob is
    /// missing or the description cannot be read.
    pub fn from_blobs(
        place: &str,
        manifest: &PackageManifest,
        blobs: &BTreeMap<Digest, FileBytes>,
        limits: &PackageLimits,
    ) -> Result<Self, PackageError> {
        let wrong = |why: String| PackageError::Manifest {
            place: place.to_owned(),
            why,
        };
        let wanted = Self::wanted_blobs(place, manifest, limits)?;
        let blob = |layer: &Descriptor| {
            blobs
                .get(&layer.digest)
                .ok_or_else(|| wrong(format!("the blob {} was not fetched", layer.digest)))
        };
        let description = wanted
            .iter()
            .find(|layer| layer.media_type == media_type::PACKAGE_DESCRIPTION);
        let description = description.ok_or_else(|| PackageError::NoDescription {
            place: place.to_owned(),
        })?;
        let description = read_description(
            blob(description)?,
            format!("{place}, {DESCRIPTION_FILE}"),
            limits,
        )?;
        Self::assemble(description, |role, path| {
            let title = |layer: &Descriptor| {
                layer
                    .annotations
                    .get(TITLE_ANNOTATION)
                    .map(|title| title.strip_prefix("./").unwrap_or(title).to_owned())
            };
            let of_role =
                |layer: &&&Descriptor| ResourceRole::of_media_type(&layer.media_type) == Some(role);
            let same_path = |layer: &&&Descriptor| title(layer).as_deref() == Some(path.as_str());
            let layer = wanted.iter().filter(of_role).find(same_path);
            // A package without titles, or with other ones, still says which layer has which role.
            let layer = layer
                .or_else(|| wanted.iter().find(of_role))
                .or_else(|| wanted.iter().find(same_path));
            let missing = "is not among the layers; push the package again with the file";
            let layer = layer.ok_or_else(|| PackageError::resource(role, path, missing))?;
            Ok(blob(layer)?.to_vec())
        })
    }
}
