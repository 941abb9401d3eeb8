//! Rules of what a registry holds: package manifests and tags (rc3.md section 8, requirements P12 to P18).

use std::collections::BTreeMap;

use super::Validate;
use super::place::{Place, repeated};
use super::rule::rule_table;
use crate::media_type;
use crate::oci::{
    COMPONENT_TYPE_ANNOTATION, COMPONENT_VERSION_ANNOTATION, Descriptor, PackageManifest,
    RESOURCE_ANNOTATION, TITLE_ANNOTATION, TagList,
};
use crate::scalar::Revision;
use crate::text::shorten;

impl Validate for PackageManifest {
    fn check(&self, at: &Place<'_>) {
        if self.schema_version != 2 {
            at.key("schemaVersion").report(
                &SCHEMA_VERSION,
                format!(
                    "{} is no schema version of an image manifest",
                    self.schema_version
                ),
                "write 2",
            );
        }
        if let Some(found) = &self.media_type
            && found != media_type::OCI_MANIFEST
        {
            at.key("mediaType").report(
                &MEDIA_TYPE,
                format!(
                    "{:?} is not the media type of an image manifest",
                    shorten(found)
                ),
                format!("write {}", media_type::OCI_MANIFEST),
            );
        }
        match self.artifact_type.as_deref() {
            Some(media_type::PACKAGE) => package(at, self),
            Some(media_type::COMPOSE_COMPONENT) => compose_component(at, self),
            _ => at.key("artifactType").report(
                &ARTIFACT_TYPE,
                "this is neither an application package nor a Compose component",
                format!(
                    "write {} or {}",
                    media_type::PACKAGE,
                    media_type::COMPOSE_COMPONENT
                ),
            ),
        }
    }
}

fn package(at: &Place<'_>, manifest: &PackageManifest) {
    let empty = Descriptor::empty();
    let config = &manifest.config;
    let has_data = config
        .data
        .as_ref()
        .is_none_or(|data| Some(data) == empty.data.as_ref());
    if (&config.media_type, config.digest, config.size)
        != (&empty.media_type, empty.digest, empty.size)
        || !has_data
    {
        at.key("config").report(
            &CONFIG,
            "the config of a package is not the empty descriptor",
            format!(
                "write the media type {}, the size 2 and the digest {}",
                empty.media_type, empty.digest
            ),
        );
    }
    let layers = at.key("layers");
    let is_description = |layer: &&Descriptor| layer.media_type == media_type::PACKAGE_DESCRIPTION;
    let descriptions = manifest.layers.iter().filter(is_description).count();
    if descriptions != 1 {
        layers.report(
            &DESCRIPTION,
            format!("there are {descriptions} layers with an application description"),
            format!(
                "write one layer of the media type {}",
                media_type::PACKAGE_DESCRIPTION
            ),
        );
    }
    layers.each(&manifest.layers, package_layer);
    let title = |layer: &'_ Descriptor| layer.annotations.get(TITLE_ANNOTATION).cloned();
    for (position, title) in repeated(manifest.layers.iter().filter_map(title)) {
        layers.index(position).report(
            &TITLE_REPEATED,
            format!("another layer is the file {:?} too", shorten(&title)),
            "give every file a path of its own",
        );
    }
}

fn package_layer(at: &Place<'_>, layer: &Descriptor) {
    let is_description = layer.media_type == media_type::PACKAGE_DESCRIPTION;
    if !is_description && !is_resource(&layer.media_type) {
        at.key("mediaType").report(
            &LAYER_MEDIA_TYPE,
            format!("{:?} is not the media type of a file of a package", shorten(&layer.media_type)),
            "write that of the description, or of an icon, description file, licence file or release notes",
        );
    }
    let annotations = at.key("annotations");
    let title_at = annotations.key(TITLE_ANNOTATION);
    match layer.annotations.get(TITLE_ANNOTATION).map(String::as_str) {
        None => annotations.report(
            &TITLE_MISSING,
            "nothing says which file of the package the layer is",
            format!("write {TITLE_ANNOTATION} with its path in the package"),
        ),
        Some(title) if !is_inside(title) => title_at.report(
            &TITLE,
            format!("{:?} is not a path inside the package", shorten(title)),
            "write a relative path without .., such as resources/icon.png",
        ),
        Some(title) if is_description && title != DESCRIPTION_FILE => title_at.report(
            &DESCRIPTION_TITLE,
            format!("the description is called {:?}", shorten(title)),
            format!("call it {DESCRIPTION_FILE}"),
        ),
        Some(_) => {}
    }
    // The published example omits it (rc3.md ambiguity 63).
    if !is_description && !layer.annotations.contains_key(RESOURCE_ANNOTATION) {
        annotations.report(
            &RESOURCE,
            "the layer is not marked as a resource",
            format!("write the annotation {RESOURCE_ANNOTATION}"),
        );
    }
}

fn is_resource(found: &str) -> bool {
    let prefixes = [
        media_type::PACKAGE_ICON_PREFIX,
        media_type::PACKAGE_DESCRIPTION_FILE_PREFIX,
        media_type::PACKAGE_LICENSE_FILE_PREFIX,
        media_type::PACKAGE_RELEASE_NOTES_PREFIX,
    ];
    let format = prefixes
        .iter()
        .find_map(|prefix| found.strip_prefix(prefix));
    format.is_some_and(|format| !format.is_empty())
}

/// Whether a path is relative and stays inside, on every operating system.
fn is_inside(path: &str) -> bool {
    let is_plain = |segment: &str| !segment.is_empty() && segment != "..";
    path.split('/').all(is_plain) && !path.contains(['\\', ':', '\0'])
}

fn compose_component(at: &Place<'_>, manifest: &PackageManifest) {
    let layers = at.key("layers");
    let [layer] = manifest.layers.as_slice() else {
        return layers.report(
            &COMPOSE_LAYER,
            format!(
                "a Compose component has one layer, not {}",
                manifest.layers.len()
            ),
            "write one layer with the archive",
        );
    };
    let at = layers.index(0);
    if layer.media_type != media_type::COMPOSE_ARCHIVE {
        at.key("mediaType").report(
            &COMPOSE_LAYER,
            format!(
                "{:?} is not the media type of a Compose archive",
                shorten(&layer.media_type)
            ),
            format!("write {}", media_type::COMPOSE_ARCHIVE),
        );
    }
    compose_annotations(
        &at.key("annotations"),
        &layer.annotations,
        &manifest.annotations,
    );
}

/// The annotations belong to the layer; the published command puts them on the manifest (rc3.md ambiguity 62).
fn compose_annotations(
    at: &Place<'_>,
    on_layer: &BTreeMap<String, String>,
    on_manifest: &BTreeMap<String, String>,
) {
    let annotation = |key: &str| on_layer.get(key).or_else(|| on_manifest.get(key));
    if annotation(COMPONENT_TYPE_ANNOTATION).is_none_or(|value| value != "compose") {
        at.report(
            &COMPOSE_TYPE,
            format!("{COMPONENT_TYPE_ANNOTATION} is not compose"),
            format!("write the annotation {COMPONENT_TYPE_ANNOTATION} with the value compose"),
        );
    }
    let version = annotation(COMPONENT_VERSION_ANNOTATION);
    // Whether build metadata follows + or _ is not said (rc3.md ambiguity 68).
    if version.is_none_or(|version| !is_semver(&version.replacen('+', "_", 1))) {
        at.report(
            &COMPOSE_VERSION,
            format!("{COMPONENT_VERSION_ANNOTATION} is not a SemVer version"),
            "write the version, which is the tag too, such as 1.0.9",
        );
    }
    let image_version = annotation("org.opencontainers.image.version");
    if image_version.is_some() && version.is_some() && image_version != version {
        at.report(
            &COMPOSE_IMAGE_VERSION,
            "org.opencontainers.image.version is another version",
            format!("write the version of {COMPONENT_VERSION_ANNOTATION}, or remove it"),
        );
    }
    let recommended = ["title", "authors", "description", "version"];
    let is_missing =
        |name: &&&str| annotation(&format!("org.opencontainers.image.{name}")).is_none();
    let missing: Vec<_> = recommended.iter().filter(is_missing).copied().collect();
    if !missing.is_empty() {
        at.report(
            &COMPOSE_ANNOTATIONS,
            format!(
                "recommended annotations are missing: {}",
                missing.join(", ")
            ),
            "write them as org.opencontainers.image.<name>",
        );
    }
}

fn is_semver(text: &str) -> bool {
    Revision::parse(text).is_ok_and(|revision| revision.is_conformant())
}

impl Validate for TagList {
    fn check(&self, at: &Place<'_>) {
        at.key("tags").each(&self.tags, |at, tag| {
            if Revision::parse(tag).is_err() {
                at.report(
                    &TAG,
                    format!("{:?} is no OCI tag", shorten(tag)),
                    "write 1 to 128 letters, digits, '.', '_' and '-'",
                );
            } else if !tag.contains(|c: char| c.is_ascii_digit()) {
                at.report(
                    &TAG_VERSION,
                    format!("{:?} is hardly the version of an application", shorten(tag)),
                    "tag packages with metadata.version only",
                );
            }
        });
    }
}

const DESCRIPTION_FILE: &str = "margo.yaml";

rule_table! {
    SCHEMA_VERSION: Error in schema, "package.schema-version", "rc3.md 8, P13",
        "the schema version of an image manifest is 2";
    MEDIA_TYPE: Error, "package.media-type", "rc3.md 8, P13",
        "the media type is that of an OCI image manifest";
    ARTIFACT_TYPE: Error, "package.artifact-type", "rc3.md 8, P14, P17",
        "the artifact type is that of an application package or a Compose component";
    CONFIG: Error, "package.config", "rc3.md 8, P14",
        "the config of a package is the empty descriptor";
    DESCRIPTION: Error, "package.description", "rc3.md 8, P13, P14",
        "a package has exactly one description";
    DESCRIPTION_TITLE: Warning, "package.description-title", "rc3.md 8",
        "the file of the description is called margo.yaml";
    LAYER_MEDIA_TYPE: Error, "package.layer-media-type", "rc3.md 8, P14",
        "the media type of a layer is one of the five";
    TITLE: Error, "package.title", "rc3.md 8, P22",
        "the path of a file is relative and stays inside the package";
    TITLE_MISSING: Warning, "package.title-missing", "rc3.md 8, ambiguity 63",
        "a layer says which file it is";
    TITLE_REPEATED: Error, "package.title-repeated", "rc3.md 8",
        "the paths of the files differ";
    RESOURCE: Warning, "package.resource", "rc3.md 8, P16, ambiguity 63",
        "the layer of a resource is marked by an annotation";
    COMPOSE_LAYER: Error, "compose.layer", "rc3.md 8, P17",
        "a Compose component has exactly one layer, a Compose archive";
    COMPOSE_TYPE: Error, "compose.component-type", "rc3.md 8, P18, ambiguity 62",
        "the annotation for the type of a component is compose";
    COMPOSE_VERSION: Error, "compose.component-version", "rc3.md 8, P18, ambiguities 62, 68",
        "the annotation for the version of a component is SemVer";
    COMPOSE_IMAGE_VERSION: Error, "compose.image-version", "rc3.md 8, P18",
        "the two annotations for the version are equal";
    COMPOSE_ANNOTATIONS: Warning, "compose.annotations", "rc3.md 8, P18",
        "the four recommended annotations are there";
    TAG: Error, "tags.form", "rc3.md 8, P15",
        "every tag is an OCI tag";
    TAG_VERSION: Warning, "tags.version", "rc3.md 8, P15, ambiguity 64",
        "every tag is the version of an application";
}
