//! Compose components and Helm charts.

use std::fs;

use bytes::Bytes;
use margo_package::compose::ComposeError;
use margo_package::oci::{ArtifactStore, Manifest, Reference};
use margo_package::publish::{
    ComponentInfo, ComponentKind, Packed, PublishError, component_reference, pull_component,
    push_chart, push_compose,
};
use margo_types::oci::Descriptor;
use margo_types::scalar::{Repository, Revision};
use serde_json::{Value, json};

use super::{Store, pack_chart, pack_compose, reference, sample};
use crate::support::{Tar, tree};

const REPOSITORY: &str = "oci://registry.example/kilns/watch";

fn info() -> ComponentInfo {
    ComponentInfo::from("watch".parse::<margo_types::id::ComponentName>().unwrap())
}

fn repository(text: &str) -> Repository {
    Repository::parse(text).unwrap()
}

fn revision(text: &str) -> Revision {
    Revision::parse(text).unwrap()
}

#[tokio::test]
async fn a_compose_component_comes_back_as_it_was() {
    let (store, directory) = (Store::new().await, sample());
    let archive = pack_compose(&directory.path().join("components/watch"));
    let file = directory.path().join("watch.tar.gz");
    fs::write(&file, &archive).unwrap();
    let target = reference("registry.example/kilns/watch:3.0.0_b1");
    let mut info = info();
    info.description = Some("Watches".to_owned());
    let pushed = push_compose(&store, &target, file.as_path(), &info)
        .await
        .unwrap();
    let again = push_compose(&store, &target, archive.clone(), &info)
        .await
        .unwrap();
    assert_eq!(pushed, again, "file or bytes, the digest is the same");
    assert_eq!(store.log().last().unwrap(), "manifest");

    let manifest = store.pull_manifest(&target).await.unwrap();
    let found: Value = serde_json::from_slice(manifest.bytes()).unwrap();
    let layer = Descriptor::of("", &archive);
    let expected = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.org.margo.component.compose+json",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
            "data": "e30=",
        },
        "layers": [{
            "mediaType": "application/vnd.org.margo.component.compose.tar+gzip",
            "digest": layer.digest,
            "size": layer.size,
            "annotations": {
                "org.margo.component.type": "compose",
                "org.margo.component.version": "3.0.0_b1",
                "org.opencontainers.image.title": "watch.tar.gz",
                "org.opencontainers.image.version": "3.0.0_b1",
                "org.opencontainers.image.description": "Watches",
            },
        }],
    });
    assert_eq!(found, expected);

    let to = directory.path().join("pulled.tar.gz");
    let (place, version) = (repository(REPOSITORY), revision("3.0.0_b1"));
    let pulled = pull_component(&store, &place, &version, &to).await.unwrap();
    assert_eq!(pulled.kind, ComponentKind::Compose);
    assert_eq!(pulled.reference.digest(), Some(pushed.digest));
    assert_eq!(fs::read(&to).unwrap(), archive);
    assert_eq!(pulled.compose_archive().unwrap().directory(), "watch");
    assert!(matches!(pulled.chart(), Err(PublishError::Chart { .. })));
}

#[tokio::test]
async fn only_valid_compose_archives_are_pushed() {
    let store = Store::new().await;
    let target = reference("registry.example/kilns/watch:3.0.0");
    let push = |reference: Reference, bytes: Vec<u8>| {
        let store = &store;
        async move {
            push_compose(store, &reference, bytes, &info())
                .await
                .unwrap_err()
        }
    };
    let wrong = Tar::new()
        .file("watch/docker-compose.yml", "services: {}")
        .tar_gz();
    let error = push(target.clone(), wrong).await;
    let is_invalid = |source: &ComposeError| matches!(source, ComposeError::Invalid(_));
    assert!(
        matches!(&error, PublishError::Compose { source, .. } if is_invalid(source)),
        "{error}"
    );
    let bare = push(target.clone(), super::COMPOSE.into()).await;
    assert!(matches!(bare, PublishError::Misfit { .. }), "{bare}");
    for tag in ["latest", "v3.0.0", "3.0"] {
        let error = push(target.with_tag(tag).unwrap(), Vec::new()).await;
        assert!(matches!(error, PublishError::Reference { .. }), "{error}");
    }
    let missing = push_compose(&store, &target, std::path::Path::new("/no/such"), &info()).await;
    let missing = missing.unwrap_err();
    assert!(matches!(&missing, PublishError::File { artefact, .. } if artefact == "/no/such"));
    assert!(store.log().is_empty(), "nothing was pushed");
}

#[tokio::test]
async fn a_chart_is_laid_out_as_helm_does_it() {
    let (store, directory) = (Store::new().await, sample());
    let chart = pack_chart(&directory.path().join("components/watch-chart"));
    let target = reference("registry.example/kilns/charts/watch-chart");
    let pushed = push_chart(&store, &target, Packed::Bytes(Bytes::from(chart.clone())))
        .await
        .unwrap();
    assert_eq!(
        pushed.reference.tag(),
        Some("3.0.0_b1"),
        "with _ in place of +"
    );

    let manifest = store.pull_manifest(&pushed.reference).await.unwrap();
    let found: Value = serde_json::from_slice(manifest.bytes()).unwrap();
    assert_eq!(found.get("artifactType"), None);
    assert_eq!(
        found["config"]["mediaType"],
        "application/vnd.cncf.helm.config.v1+json"
    );
    assert_eq!(
        found["layers"][0]["mediaType"],
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    );
    assert_eq!(
        found["annotations"]["org.opencontainers.image.title"],
        "watch-chart"
    );
    assert_eq!(
        found["annotations"]["org.opencontainers.image.version"],
        "3.0.0+b1"
    );
    let mut config = Vec::new();
    let blob = &manifest.content().config;
    store
        .pull_blob(&pushed.reference, blob, &mut config)
        .await
        .unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["appVersion"], "1.16", "a text, as Helm reads it");

    let to = directory.path().join("pulled.tgz");
    let charts = repository("oci://registry.example/kilns/charts/watch-chart");
    let pulled = pull_component(&store, &charts, &revision("3.0.0_b1"), &to)
        .await
        .unwrap();
    assert_eq!(pulled.kind, ComponentKind::Helm);
    assert_eq!(fs::read(&to).unwrap(), chart, "not a byte is changed");
    assert_eq!(pulled.chart().unwrap().metadata.name, "watch-chart");

    let wrong = target.with_tag("3.0.0").unwrap();
    let error = push_chart(&store, &wrong, chart).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::Tag { version, .. } if version == "3.0.0_b1"),
        "{error}"
    );
}

/// Pushes one layer under a manifest of one's own.
async fn push_by_hand(
    store: &Store,
    manifest: impl FnOnce(Value) -> Value,
) -> Result<(), PublishError> {
    let directory = sample();
    let archive = pack_compose(&directory.path().join("components/watch"));
    let target = reference("registry.example/kilns/watch:3.0.0_b1");
    let layer = Descriptor::of(
        "application/vnd.org.margo.component.compose.tar+gzip",
        &archive,
    );
    let start = json!({
        "schemaVersion": 2,
        "artifactType": "application/vnd.org.margo.component.compose+json",
        "config": Descriptor::empty(),
        "layers": [layer],
    });
    let manifest = Manifest::read(manifest(start).to_string().as_bytes(), None).unwrap();
    let empty = Bytes::from_static(b"{}");
    store
        .push_blob(&target, &Descriptor::empty(), &empty)
        .await
        .unwrap();
    store
        .push_blob(&target, &layer, &Bytes::from(archive))
        .await
        .unwrap();
    store.push_manifest(&target, &manifest).await.unwrap();
    let to = directory.path().join("to");
    let pulled = pull_component(store, &repository(REPOSITORY), &revision("3.0.0_b1"), &to).await;
    if pulled.is_err() {
        assert!(
            !tree(directory.path()).contains_key("to"),
            "nothing is left"
        );
    }
    pulled.map(drop)
}

#[tokio::test]
async fn documented_readings_are_accepted() {
    let store = Store::new().await;
    // rc3.md ambiguity 61: the other root of the media types.
    let other_root = |mut manifest: Value| {
        manifest["artifactType"] = json!("application/vnd.margo.component.compose+json");
        manifest["layers"][0]["mediaType"] =
            json!("application/vnd.margo.component.compose.tar+gzip");
        manifest
    };
    push_by_hand(&store, other_root).await.unwrap();
    // Ambiguities 62 and 68: annotations on the manifest, `+` in the version.
    for version in ["3.0.0_b1", "3.0.0+b1"] {
        let on_manifest = |mut manifest: Value| {
            manifest["annotations"] = json!({
                "org.margo.component.type": "compose",
                "org.margo.component.version": version,
            });
            manifest
        };
        push_by_hand(&store, on_manifest).await.unwrap();
    }
}

/// Changes a manifest.
type Change = fn(&mut Value);

#[tokio::test]
async fn manifests_that_break_the_rules_are_refused() {
    let store = Store::new().await;
    let cases: [(Change, &str); 5] = [
        (
            |m| m["annotations"] = json!({"org.margo.component.version": "3.0.0"}),
            "version \"3.0.0\"",
        ),
        (
            |m| m["layers"][0]["annotations"] = json!({"org.margo.component.type": "helm"}),
            "type \"helm\"",
        ),
        (
            |m| m["layers"][0]["size"] = json!(1_u64 << 40),
            "more than 268435456",
        ),
        (|m| m["layers"] = json!([]), "0 layers"),
        (
            |m| m["layers"] = json!([m["layers"][0], m["config"]]),
            "2 layers",
        ),
    ];
    for (change, expected) in cases {
        let changed = |mut manifest: Value| {
            change(&mut manifest);
            manifest
        };
        let error = push_by_hand(&store, changed).await.unwrap_err();
        assert!(matches!(error, PublishError::Manifest { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let other = |mut manifest: Value| {
        manifest["artifactType"] = json!("application/vnd.margo.app.v1+json");
        manifest
    };
    let error = push_by_hand(&store, other).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::Type { found, .. } if found.contains("app.v1")),
        "{error}"
    );
}

#[test]
fn where_components_are() {
    let of = |text: &str| component_reference(&repository(text), &revision("1.0.0"));
    assert_eq!(
        of(REPOSITORY).unwrap(),
        reference("registry.example/kilns/watch:1.0.0")
    );
    assert_eq!(
        of(&format!("{REPOSITORY}:1.0.0")).unwrap().tag(),
        Some("1.0.0")
    );
    for wrong in [
        "https://registry.example/kilns/watch",
        "oci://registry.example",
        "oci://registry.example/kilns/watch:2.0.0",
    ] {
        let error = of(wrong).unwrap_err();
        assert!(matches!(error, PublishError::Reference { .. }), "{error}");
    }
}
