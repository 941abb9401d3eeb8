//! Layouts in folders and archives.

use bytes::Bytes;
use margo_package::oci::{
    ArtifactStore, LayoutArchive, LayoutDirectory, Manifest, OciError, Reference, transfer,
};
use margo_types::Digest;

use super::memory::{self, Behaviour};
use super::{blob_of, client_for, empty_config, manifest_of, reference, some_bytes};

async fn push(store: &dyn ArtifactStore, name: &str, layer: &[u8]) -> (Reference, Manifest) {
    let reference = Reference::parse(name).expect("a reference");
    let manifest = manifest_of(layer);
    store
        .push_blob(&reference, &empty_config(), &Bytes::from_static(b"{}"))
        .await
        .expect("config");
    let bytes = Bytes::from(layer.to_vec());
    store
        .push_blob(&reference, &blob_of(layer), &bytes)
        .await
        .expect("layer");
    store
        .push_manifest(&reference, &manifest)
        .await
        .expect("manifest");
    (reference, manifest)
}

async fn layer_of(store: &dyn ArtifactStore, reference: &Reference) -> Vec<u8> {
    let manifest = store.pull_manifest(reference).await.expect("a manifest");
    let mut sink = Vec::new();
    let layer = &manifest.content().layers[0];
    store
        .pull_blob(reference, layer, &mut sink)
        .await
        .expect("a layer");
    sink
}

#[tokio::test]
async fn a_folder_keeps_equal_tags_of_several_repositories_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = LayoutDirectory::create(folder.path())
        .await
        .expect("a layout");
    let (web, _) = push(&layout, "registry.example/web:1.0.0", b"web").await;
    let (api, _) = push(&layout, "registry.example/api:1.0.0", b"api").await;
    push(&layout, "registry.example/web:1.0.0", b"web, again").await;

    let layout = LayoutDirectory::open(folder.path())
        .await
        .expect("the layout");
    assert_eq!(layer_of(&layout, &web).await, b"web, again");
    assert_eq!(layer_of(&layout, &api).await, b"api");
    assert_eq!(layout.tags(&web).await.expect("tags"), ["1.0.0"]);
    let missing = web.with_tag("2.0.0").expect("a reference");
    assert!(
        layout
            .pull_manifest(&missing)
            .await
            .expect_err("nothing")
            .is_not_found()
    );
}

#[tokio::test]
async fn what_lies_in_a_folder_is_not_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = LayoutDirectory::create(folder.path())
        .await
        .expect("a layout");
    let (web, manifest) = push(&layout, "registry.example/web:1", b"content").await;
    let layer = &manifest.content().layers[0];
    let path = folder
        .path()
        .join("blobs/sha256")
        .join(layer.digest.to_hex());
    for content in [&b"changed"[..], b"more content", b"less"] {
        std::fs::write(&path, content).expect("a change");
        let mut sink = Vec::new();
        let error = layout
            .pull_blob(&web, layer, &mut sink)
            .await
            .expect_err("changed");
        assert!(error.is_integrity(), "{error}");
    }
    #[cfg(unix)]
    {
        std::fs::remove_file(&path).expect("gone");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
        let error = layout
            .pull_blob(&web, layer, &mut Vec::new())
            .await
            .expect_err("a link");
        assert!(matches!(error, OciError::Environment { .. }), "{error}");
    }
    std::fs::write(
        folder.path().join("oci-layout"),
        r#"{"imageLayoutVersion":"2.0.0"}"#,
    )
    .expect("a version");
    let error = LayoutDirectory::open(folder.path())
        .await
        .expect_err("unknown version");
    assert!(
        error.to_string().contains("\"2.0.0\" is not known"),
        "{error}"
    );
}

#[tokio::test]
async fn a_manifest_without_its_blobs_is_not_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = LayoutDirectory::create(folder.path())
        .await
        .expect("a layout");
    let web = Reference::parse("registry.example/web:1").expect("a reference");
    let error = layout
        .push_manifest(&web, &manifest_of(b"x"))
        .await
        .expect_err("no blobs");
    assert!(
        error
            .to_string()
            .contains("push the blobs before the manifest"),
        "{error}"
    );
    let wrong = layout
        .push_blob(&web, &blob_of(b"right"), &Bytes::from_static(b"wrong"))
        .await;
    assert!(matches!(
        wrong.expect_err("other bytes"),
        OciError::Misused { .. }
    ));
    let blobs = folder
        .path()
        .join("blobs/sha256")
        .read_dir()
        .expect("the blobs")
        .count();
    assert_eq!(blobs, 0, "nothing is left");
}

#[tokio::test]
async fn an_archive_changes_only_when_it_is_committed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("carry.tar");
    let archive = LayoutArchive::edit(&path).await.expect("an archive");
    let (web, _) = push(&archive, "registry.example/web:1", b"web").await;
    assert_eq!(layer_of(&archive, &web).await, b"web", "visible to us");
    assert!(!path.exists());
    archive.commit().await.expect("the file");
    assert_eq!(layer_of(&archive, &web).await, b"web");
    drop(archive);

    let first = std::fs::read(&path).expect("the file");
    let archive = LayoutArchive::edit(&path).await.expect("an archive");
    let (api, _) = push(&archive, "registry.example/api:1", &some_bytes(3_000_000)).await;
    assert!(std::fs::read(&path).expect("the file") == first);
    archive.commit().await.expect("the file");
    drop(archive);

    let archive = LayoutArchive::open(&path).await.expect("an archive");
    assert_eq!(layer_of(&archive, &web).await, b"web");
    assert!(layer_of(&archive, &api).await == some_bytes(3_000_000));
    let error = archive.commit().await.expect_err("only opened");
    assert!(matches!(error, OciError::Misused { .. }), "{error}");
    drop(archive);
    assert_eq!(
        folder.path().read_dir().expect("a folder").count(),
        1,
        "only the archive is left"
    );
}

#[tokio::test]
async fn an_archive_is_deterministic() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut digests = Vec::new();
    for name in ["a.tar", "b.tar"] {
        let archive = LayoutArchive::edit(folder.path().join(name))
            .await
            .expect("an archive");
        push(&archive, "registry.example/web:1", b"web").await;
        archive.commit().await.expect("the file");
        digests.push(Digest::of(
            &std::fs::read(folder.path().join(name)).expect("the file"),
        ));
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("not.tar");
    let archive = LayoutArchive::edit(folder.path().join("good.tar"))
        .await
        .expect("an archive");
    push(&archive, "registry.example/web:1", &some_bytes(100_000)).await;
    archive.commit().await.expect("the file");
    let good = std::fs::read(folder.path().join("good.tar")).expect("the file");

    for (content, why) in [
        (
            b"no archive at all, but long enough to be looked at".repeat(30),
            "no uncompressed tar file",
        ),
        (Vec::new(), "no layout in it"),
        (good[..60_000].to_vec(), "ends in the middle"),
    ] {
        std::fs::write(&path, content).expect("a file");
        let error = LayoutArchive::open(&path).await.expect_err(why);
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn an_artefact_travels_from_registry_to_registry_through_an_archive() {
    let fake = memory::start(Behaviour {
        referrers: true,
        ..Behaviour::default()
    })
    .await;
    let site = memory::start(Behaviour::default()).await;
    let client = client_for([&fake, &site]).build().expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let layer = some_bytes(2_500_000);
    let from = reference(&fake, "apps/web:1.0.0");
    push(&client, &from.to_string(), &layer).await;

    let path = folder.path().join("carry.tar");
    let archive = LayoutArchive::edit(&path).await.expect("an archive");
    let there = transfer::copy(
        &client,
        &from,
        &archive,
        &from,
        transfer::Signatures::Follow,
    )
    .await;
    archive.commit().await.expect("the file");
    drop(archive);

    let archive = LayoutArchive::open(&path).await.expect("an archive");
    let to = reference(&site, "mirror/web:1.0.0");
    let back = transfer::copy(&archive, &from, &client, &to, transfer::Signatures::Follow).await;
    assert_eq!(there.expect("out"), back.expect("in"));
    assert!(layer_of(&client, &to).await == layer);

    // A second copy moves nothing that is there.
    let blobs = || {
        site.lines()
            .iter()
            .filter(|line| line.starts_with("POST"))
            .count()
    };
    let before = blobs();
    let again = transfer::copy(&client, &from, &client, &to, transfer::Signatures::Leave).await;
    again.expect("a copy");
    assert_eq!(blobs(), before);
    let pulls = fake
        .lines()
        .iter()
        .filter(|line| line.starts_with("GET /v2/apps/web/blobs"))
        .count();
    assert_eq!(pulls, 2, "config and layer, once");
}

#[tokio::test]
async fn a_copy_blames_the_side_that_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = LayoutDirectory::create(folder.path())
        .await
        .expect("a layout");
    let (web, manifest) = push(&layout, "registry.example/web:1", b"content").await;
    let layer = manifest.content().layers[0].digest.to_hex();
    std::fs::write(folder.path().join("blobs/sha256").join(layer), b"changed").expect("a change");
    let site = memory::start(Behaviour::default()).await;
    let client = client_for([&site]).build().expect("a client");
    let to = reference(&site, "web:1");
    let leave = transfer::Signatures::Leave;
    let error = transfer::copy(&layout, &web, &client, &to, leave)
        .await
        .expect_err("a change");
    assert!(error.is_integrity(), "{error}");
    assert!(
        error.to_string().contains("(layout "),
        "names the source: {error}"
    );
}
