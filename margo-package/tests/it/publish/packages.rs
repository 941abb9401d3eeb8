//! Application packages.

use std::error::Error as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use margo_package::Blame;
use margo_package::oci::{ArtifactStore as _, Manifest, Observed};
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::{PublishError, pull_package, push_package};
use margo_types::Digest;
use margo_types::oci::{Descriptor, PackageManifest};

use super::{Store, reference, sample};

fn package() -> ApplicationPackage {
    ApplicationPackage::open(sample().path(), &PackageLimits::default()).unwrap()
}

#[tokio::test]
async fn a_package_comes_back_as_it_was() {
    let store = Store::new().await;
    let target = reference("registry.example/kilns/app");
    let pushed = push_package(&store, &target, &package()).await.unwrap();
    assert_eq!(
        pushed.reference,
        reference("registry.example/kilns/app:3.0")
    );
    assert_eq!(
        store.log().last().unwrap(),
        "manifest",
        "the manifest goes last"
    );
    assert_eq!(store.tags(&target).await.unwrap(), ["3.0"]);

    let limits = PackageLimits::default();
    let pulled = pull_package(&store, &pushed.reference, &limits)
        .await
        .unwrap();
    let package = package();
    assert_eq!(
        pulled.package.description().bytes(),
        package.description().bytes()
    );
    assert_eq!(pulled.package.resources(), package.resources());
    assert_eq!(pulled.manifest.digest(), pushed.digest);
    assert_eq!(pulled.tag.as_deref(), Some("3.0"));

    let again = push_package(&store, &pushed.reference, &package)
        .await
        .unwrap();
    assert_eq!(again, pushed, "the same package has the same digest");
}

#[tokio::test]
async fn the_tag_is_the_version() {
    let store = Store::new().await;
    let wrong = reference("registry.example/kilns/app:latest");
    let error = push_package(&store, &wrong, &package()).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::Tag { version, .. } if version == "3.0"),
        "{error}"
    );
    assert_eq!(error.blame(), Blame::Caller);
    assert!(
        error
            .to_string()
            .contains("registry.example/kilns/app:latest"),
        "{error}"
    );
    let pinned = reference("registry.example/kilns/app").with_digest(Digest::of(b""));
    let error = push_package(&store, &pinned, &package()).await.unwrap_err();
    assert!(matches!(error, PublishError::Reference { .. }), "{error}");
    assert!(store.log().is_empty(), "nothing was pushed");
}

#[tokio::test]
async fn nothing_is_visible_when_a_blob_is_refused() {
    let store = Store::refusing("application/vnd.margo.app.releaseNotes.v1+markdown").await;
    let target = reference("registry.example/kilns/app:3.0");
    let error = push_package(&store, &target, &package()).await.unwrap_err();
    assert!(matches!(error, PublishError::Transfer { .. }), "{error}");
    assert_eq!(error.artefact(), "registry.example/kilns/app:3.0");
    assert!(error.source().unwrap().to_string().contains("refused"));
    assert!(
        store
            .pull_manifest(&target)
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test]
async fn other_artefacts_and_missing_ones_are_named() {
    let store = Store::new().await;
    let target = reference("registry.example/kilns/image:1");
    let other = PackageManifest::new("application/vnd.example.other", Descriptor::empty(), vec![]);
    let bytes = margo_types::write(&other, margo_types::SpecVersion::NEWEST).unwrap();
    let manifest = Manifest::read(&bytes, None).unwrap();
    let empty = Bytes::from_static(b"{}");
    store
        .push_blob(&target, &Descriptor::empty(), &empty)
        .await
        .unwrap();
    store.push_manifest(&target, &manifest).await.unwrap();

    let limits = PackageLimits::default();
    let error = pull_package(&store, &target, &limits).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("kilns/image:1") && text.contains("vnd.example.other"),
        "{text}"
    );
    let missing = reference("registry.example/kilns/app:9");
    let error = pull_package(&store, &missing, &limits).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test]
async fn progress_reaches_the_size_of_every_blob() {
    let store = Store::new().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let watch = move |blob: &Descriptor, done: u64| {
        log.lock().unwrap().push((blob.digest, blob.size, done));
    };
    let observed = Observed::new(&store, Arc::new(watch));
    let target = reference("registry.example/kilns/app");
    let pushed = push_package(&observed, &target, &package()).await.unwrap();
    let limits = PackageLimits::default();
    let check = |manifest: &Manifest, at_least: usize| {
        for blob in manifest.blobs() {
            let seen = seen.lock().unwrap();
            let of_blob: Vec<_> = seen
                .iter()
                .filter(|(digest, ..)| *digest == blob.digest)
                .collect();
            assert!(of_blob.len() >= at_least, "{of_blob:?}");
            assert_eq!(of_blob.last().unwrap().2, blob.size);
            assert!(of_blob.is_sorted_by_key(|(.., done)| done), "{of_blob:?}");
        }
    };
    let pulled = pull_package(&store, &pushed.reference, &limits)
        .await
        .unwrap();
    check(&pulled.manifest, 2);
    // Everything is there already, which is progress too; the config is not pulled.
    seen.lock().unwrap().clear();
    push_package(&observed, &target, &package()).await.unwrap();
    check(&pulled.manifest, 1);
    seen.lock().unwrap().clear();
    pull_package(&observed, &pushed.reference, &limits)
        .await
        .unwrap();
    let layers = &pulled.manifest.content().layers;
    for layer in layers {
        let done: Vec<_> = seen
            .lock()
            .unwrap()
            .iter()
            .filter(|(digest, ..)| *digest == layer.digest)
            .map(|(.., done)| *done)
            .collect();
        assert_eq!((done.first(), done.last()), (Some(&0), Some(&layer.size)));
    }
}
