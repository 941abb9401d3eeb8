//! Helm charts in stores, laid out as Helm does it (rc3.md section 8, ambiguity 65).

use bytes::Bytes;
use margo_types::media_type::{HELM_CHART, HELM_CONFIG};
use margo_types::oci::{Descriptor, PackageManifest, TITLE_ANNOTATION};
use serde_json::Value;

use super::{Packed, PublishError, Pushed, push, tagged, write_manifest};
use crate::chart::Chart;
use crate::oci::{ArtifactStore, Reference};

/// Pushes a packaged chart under its version, with `_` in place of `+`; a reference without tag gets it.
///
/// The bytes of the chart are not changed. Config, layer and annotations are those of `helm push`, without the time,
/// so that the same chart always has the same digest.
///
/// # Errors
/// [`PublishError::Chart`] when it is no chart of API version v2, [`PublishError::Tag`] when the reference has another tag, and
/// [`PublishError::Transfer`].
pub async fn push_chart(
    store: &dyn ArtifactStore,
    reference: &Reference,
    archive: impl Into<Packed>,
) -> Result<Pushed, PublishError> {
    let archive = archive.into();
    let artefact = reference.to_string();
    let (layer, chart) = archive
        .examine(HELM_CHART, |blob| {
            Chart::read(blob, Chart::default_limits())
                .map_err(|source| PublishError::Chart { artefact, source })
        })
        .await?;
    let metadata = &chart.metadata;
    let target = tagged(reference, &metadata.revision())?;

    let config = Bytes::from(texts(metadata.document.clone()).to_string());
    let config_descriptor = Descriptor::of(HELM_CONFIG, &config);
    let layers = vec![layer.clone()];
    let mut manifest = PackageManifest::new("", config_descriptor.clone(), layers);
    // Helm tells a chart by its config, and writes no artefact type.
    manifest.artifact_type = None;
    let description = metadata.document.get("description").and_then(Value::as_str);
    let annotations = [
        (TITLE_ANNOTATION, Some(metadata.name.as_str())),
        ("org.opencontainers.image.version", Some(&metadata.version)),
        ("org.opencontainers.image.description", description),
    ];
    for (key, value) in annotations {
        if let Some(value) = value {
            manifest
                .annotations
                .insert(key.to_owned(), value.to_owned());
        }
    }
    let manifest = write_manifest(&target, &manifest)?;
    push(
        store,
        target,
        &manifest,
        &[(&config_descriptor, &config), (&layer, &archive)],
    )
    .await
}

/// `Chart.yaml` with every number as a text: nothing in it is a number to Helm, which reads `appVersion: 1.16` as a text.
fn texts(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(elements) => elements.into_iter().map(texts).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name, texts(member)))
            .collect(),
        other => other,
    }
}
