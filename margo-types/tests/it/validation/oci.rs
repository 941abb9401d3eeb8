//! Package manifests, Compose components and tags (rc3.md 8).

use serde_json::{Value, json};

use super::case::{Case, case, check, remove, report_on, set};

fn layer(media_type: &str, title: &str, digit: char) -> Value {
    let mut annotations = json!({ "org.opencontainers.image.title": title });
    if title != "margo.yaml" {
        annotations["org.margo.app.resource"] = json!("icon");
    }
    json!({
        "mediaType": media_type,
        "digest": format!("sha256:{}", digit.to_string().repeat(64)),
        "size": 700,
        "annotations": annotations,
    })
}

fn config() -> Value {
    json!({
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
        "data": "e30=",
    })
}

pub(super) fn package() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.margo.app.v1+json",
        "config": config(),
        "layers": [
            layer("application/vnd.margo.app.description.v1+yaml", "margo.yaml", 'a'),
            layer("application/vnd.margo.app.icon.v1+png", "resources/press.png", 'b'),
        ],
    })
}

const TITLE: &str = "/layers/1/annotations/org.opencontainers.image.title";

pub(super) const PACKAGE: &[Case] = &[
    case(
        "P13: schema version",
        |d| set(d, "/schemaVersion", 1),
        "package.schema-version",
        "schemaVersion",
    ),
    case(
        "P13: media type",
        |d| set(d, "/mediaType", "application/vnd.oci.image.index.v1+json"),
        "package.media-type",
        "mediaType",
    ),
    case(
        "P14: artifact type",
        |d| set(d, "/artifactType", "application/vnd.example.v1+json"),
        "package.artifact-type",
        "artifactType",
    ),
    case(
        "P14: no artifact type",
        |d| remove(d, "/artifactType"),
        "package.artifact-type",
        "artifactType",
    ),
    case(
        "P14: config of another size",
        |d| set(d, "/config/size", 3),
        "package.config",
        "config",
    ),
    case(
        "P14: config with other data",
        |d| set(d, "/config/data", "e31="),
        "package.config",
        "config",
    ),
    case(
        "P13: no description",
        |d| {
            set(
                d,
                "/layers/0/mediaType",
                "application/vnd.margo.app.icon.v1+png",
            );
        },
        "package.description",
        "layers",
    ),
    case(
        "P13: two descriptions",
        |d| {
            set(
                d,
                "/layers/2",
                layer(
                    "application/vnd.margo.app.description.v1+yaml",
                    "margo.yml",
                    'c',
                ),
            );
        },
        "package.description",
        "layers",
    ),
    case(
        "8: name of the description",
        |d| {
            set(
                d,
                "/layers/0/annotations/org.opencontainers.image.title",
                "app.yaml",
            );
        },
        "package.description-title",
        "layers[0].annotations[\"org.opencontainers.image.title\"]",
    ),
    case(
        "P14: media type of a layer",
        |d| {
            set(
                d,
                "/layers/1/mediaType",
                "application/vnd.margo.app.video.v1+mp4",
            );
        },
        "package.layer-media-type",
        "layers[1].mediaType",
    ),
    case(
        "P14: media type of a layer without a format",
        |d| {
            set(
                d,
                "/layers/1/mediaType",
                "application/vnd.margo.app.icon.v1+",
            );
        },
        "package.layer-media-type",
        "layers[1].mediaType",
    ),
    case(
        "P22: absolute path",
        |d| set(d, TITLE, "/etc/press.png"),
        "package.title",
        "layers[1].annotations[\"org.opencontainers.image.title\"]",
    ),
    case(
        "P22: path to the outside",
        |d| set(d, TITLE, "resources/../../press.png"),
        "package.title",
        "layers[1].annotations[\"org.opencontainers.image.title\"]",
    ),
    case(
        "P22: path of another operating system",
        |d| set(d, TITLE, "C:\\press.png"),
        "package.title",
        "layers[1].annotations[\"org.opencontainers.image.title\"]",
    ),
    case(
        "8: no path",
        |d| remove(d, TITLE),
        "package.title-missing",
        "layers[1].annotations",
    ),
    case(
        "8: two files with one path",
        |d| {
            set(
                d,
                "/layers/2",
                layer(
                    "application/vnd.margo.app.icon.v1+png",
                    "resources/press.png",
                    'c',
                ),
            );
        },
        "package.title-repeated",
        "layers[2]",
    ),
    case(
        "P16: resource that is not marked",
        |d| remove(d, "/layers/1/annotations/org.margo.app.resource"),
        "package.resource",
        "layers[1].annotations",
    ),
];

pub(super) fn compose() -> Value {
    json!({
        "schemaVersion": 2,
        "artifactType": "application/vnd.org.margo.component.compose+json",
        "config": config(),
        "layers": [{
            "mediaType": "application/vnd.org.margo.component.compose.tar+gzip",
            "digest": format!("sha256:{}", "d".repeat(64)),
            "size": 4096,
            "annotations": {
                "org.margo.component.type": "compose",
                "org.margo.component.version": "1.4.0+b.7",
                "org.opencontainers.image.title": "monitor.tar.gz",
                "org.opencontainers.image.authors": "Ada",
                "org.opencontainers.image.description": "Monitors presses",
                "org.opencontainers.image.version": "1.4.0+b.7",
            },
        }],
    })
}

pub(super) const COMPOSE: &[Case] = &[
    case(
        "P17: no layer",
        |d| set(d, "/layers", json!([])),
        "compose.layer",
        "layers",
    ),
    case(
        "P17: two layers",
        |d| {
            let layer = d["layers"][0].clone();
            set(d, "/layers/1", layer);
        },
        "compose.layer",
        "layers",
    ),
    case(
        "P17: media type of the layer",
        |d| set(d, "/layers/0/mediaType", "application/gzip"),
        "compose.layer",
        "layers[0].mediaType",
    ),
    case(
        "P18: other type",
        |d| set(d, "/layers/0/annotations/org.margo.component.type", "helm"),
        "compose.component-type",
        "layers[0].annotations",
    ),
    case(
        "P18: no version",
        |d| remove(d, "/layers/0/annotations/org.margo.component.version"),
        "compose.component-version",
        "layers[0].annotations",
    ),
    case(
        "P18: version with a leading v",
        |d| {
            set(
                d,
                "/layers/0/annotations/org.margo.component.version",
                "v1.4.0",
            );
            set(
                d,
                "/layers/0/annotations/org.opencontainers.image.version",
                "v1.4.0",
            );
        },
        "compose.component-version",
        "layers[0].annotations",
    ),
    case(
        "P18: another version of the image",
        |d| {
            set(
                d,
                "/layers/0/annotations/org.opencontainers.image.version",
                "1.4.1",
            );
        },
        "compose.image-version",
        "layers[0].annotations",
    ),
    case(
        "P18: no authors",
        |d| remove(d, "/layers/0/annotations/org.opencontainers.image.authors"),
        "compose.annotations",
        "layers[0].annotations",
    ),
];

pub(super) fn tags() -> Value {
    json!({ "name": "example/press-monitor", "tags": ["3.1", "v3.0.2-rc.1"] })
}

pub(super) const TAGS: &[Case] = &[
    case(
        "P15: no OCI tag",
        |d| set(d, "/tags/0", "3.1+b"),
        "tags.form",
        "tags[0]",
    ),
    case(
        "P15: latest",
        |d| set(d, "/tags/1", "latest"),
        "tags.version",
        "tags[1]",
    ),
];

#[test]
fn packages() {
    check(&package(), PACKAGE);
}

#[test]
fn compose_components() {
    check(&compose(), COMPOSE);
}

#[test]
fn tag_lists() {
    check(&tags(), TAGS);
}

/// rc3.md ambiguity 62: the published command annotates the manifest, the text wants the layer.
#[test]
fn annotations_of_a_component_may_be_on_the_manifest() {
    let mut document = compose();
    let annotations = document["layers"][0]["annotations"].take();
    remove(&mut document, "/layers/0/annotations");
    set(&mut document, "/annotations", annotations);
    let report = report_on(&document);
    assert!(report.findings().is_empty(), "{report}");
}
