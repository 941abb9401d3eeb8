//! Bundles hold exactly what their manifest refers to.

use std::collections::BTreeMap;

use margo_package::Blame;
use margo_package::archive::{ArchiveError, Limit, Refusal};
use margo_package::bundle::{self, BundleBuildError, BundleError, BundleLimits};
use margo_types::Digest;
use margo_types::id::DeploymentId;
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};

use crate::support::{Tar, gzip};

fn id(number: u8) -> DeploymentId {
    DeploymentId::from_uuid_bytes([number; 16])
}

/// Deployments 1 to `count`.
fn documents(count: u8) -> Vec<(DeploymentId, Vec<u8>)> {
    let document = |number| (id(number), format!("id: {}\n", id(number)).into_bytes());
    (1..=count).map(document).collect()
}

fn manifest(documents: &[(DeploymentId, Vec<u8>)], archive: &[u8]) -> StateManifest {
    let references = documents.iter().map(|(id, document)| {
        DeploymentReference::new(*id, Digest::of(document), document.len() as u64, "/")
    });
    let bundle = BundleReference::new(Digest::of(archive), archive.len() as u64, "/");
    StateManifest::new(ManifestVersion::FIRST, Some(bundle), references.collect())
}

fn read(
    archive: &[u8],
    manifest: &StateManifest,
) -> Result<BTreeMap<DeploymentId, Vec<u8>>, BundleError> {
    bundle::read(archive, manifest, &BundleLimits::default())
}

/// What reading says of an archive that its manifest refers to, with these two deployments.
fn refusal(tar: Tar) -> BundleError {
    let archive = tar.tar_gz();
    let error = read(&archive, &manifest(&documents(2), &archive)).unwrap_err();
    assert_eq!(error.blame(), Blame::Content);
    error
}

/// An archive with the first deployments, under names of no meaning.
fn packed(count: u8) -> Tar {
    let documents = documents(count).into_iter();
    documents.fold(Tar::new(), |tar, (id, document)| {
        tar.file(&format!("x{id}"), document)
    })
}

#[test]
fn what_is_built_is_read() {
    let documents = documents(20);
    let mut borrowed: Vec<_> = documents
        .iter()
        .map(|(id, bytes)| (*id, &**bytes))
        .collect();
    let built = bundle::build(&borrowed).unwrap();
    borrowed.reverse();
    assert_eq!(built, bundle::build(&borrowed).unwrap());
    assert_eq!(built.digest, Digest::of(&built.bytes));

    let found = read(&built.bytes, &manifest(&documents, &built.bytes)).unwrap();
    assert_eq!(found, documents.into_iter().collect());

    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*built.bytes));
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(names[0], "01010101-0101-0101-0101-010101010101.yaml");
    assert!(names.is_sorted());
}

#[test]
fn what_is_never_built() {
    assert!(matches!(bundle::build(&[]), Err(BundleBuildError::Empty)));
    let twice: [(_, &[u8]); 2] = [(id(1), b"a"), (id(1), b"b")];
    assert!(
        matches!(bundle::build(&twice), Err(BundleBuildError::Repeated(found)) if found == id(1))
    );
}

#[test]
fn names_do_not_count() {
    let documents = documents(2);
    let archive = Tar::new()
        .file("./second", &documents[1].1)
        .file("1", &documents[0].1)
        .tar_gz();
    let found = read(&archive, &manifest(&documents, &archive)).unwrap();
    assert_eq!(found[&id(2)], documents[1].1);
}

#[test]
fn exactly_the_set() {
    assert!(
        matches!(refusal(packed(1)), BundleError::Missing { first, count: 1 } if first == id(2))
    );
    assert!(
        matches!(refusal(Tar::new()), BundleError::Missing { first, count: 2 } if first == id(1))
    );
    assert!(matches!(refusal(packed(3)), BundleError::Unreferenced(_)));
    assert!(
        matches!(refusal(packed(2).file("README", "x")), BundleError::Unreferenced(name) if name == "README")
    );
    let again = packed(2).file("again", &documents(1)[0].1);
    assert!(
        matches!(refusal(again), BundleError::Repeated(found, name) if found == id(1) && name == "again")
    );
    assert!(
        matches!(refusal(packed(2).directory("d")), BundleError::NotAtRoot(name) if name == "d")
    );
    let nested = packed(1).file("d/x", &documents(2)[1].1);
    assert!(matches!(refusal(nested), BundleError::NotAtRoot(_)));
    for linked in [
        packed(2).symlink("l", "x"),
        packed(2).hard_link("l", &format!("x{}", id(1))),
    ] {
        let error = refusal(linked);
        let BundleError::Archive(ArchiveError::Refused { why, .. }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(why, Refusal::Link);
    }
}

#[test]
fn the_digest_of_the_archive_comes_first() {
    let documents = documents(2);
    let archive = packed(2).tar_gz();
    let manifest = manifest(&documents, &archive);
    // The same documents, packed in another way.
    let other = [gzip(b""), archive.clone()].concat();
    let mut damaged = archive.clone();
    damaged[20] ^= 1;
    for wrong in [
        &other[..],
        &damaged,
        &archive[..archive.len() - 1],
        b"",
        b"<html>",
        &packed(3).tar_gz(),
    ] {
        let error = read(wrong, &manifest).unwrap_err();
        assert!(
            matches!(&error, BundleError::Digest { found, .. } if *found == Digest::of(wrong)),
            "{error:?}"
        );
    }
}

#[test]
fn limits_hold_whatever_the_manifest_says() {
    let documents = vec![(id(1), vec![b'x'; 2 << 20])];
    let archive = Tar::new().file("a", &documents[0].1).tar_gz();
    let error = read(&archive, &manifest(&documents, &archive)).unwrap_err();
    let expected = Limit::FileBytes(1 << 20);
    assert!(
        matches!(error, BundleError::Archive(ArchiveError::OverLimit { limit, .. }) if limit == expected)
    );

    let mut limits = BundleLimits::default();
    limits.max_packed_bytes = 10;
    let error = bundle::read(&*archive, &manifest(&documents, &archive), &limits).unwrap_err();
    assert!(matches!(
        error,
        BundleError::Archive(ArchiveError::OverLimit { .. })
    ));
}

#[test]
fn manifests_that_make_no_sense() {
    let archive = packed(2).tar_gz();
    let mut without = manifest(&documents(2), &archive);
    without.bundle = None;
    let error = read(&archive, &without).unwrap_err();
    assert!(matches!(error, BundleError::NoBundle) && error.blame() == Blame::Caller);
    assert!(matches!(
        read(&archive, &manifest(&[], &archive)),
        Err(BundleError::NoDeployments)
    ));

    let mut twice = documents(2);
    twice[1].0 = id(1);
    assert!(matches!(
        read(&archive, &manifest(&twice, &archive)),
        Err(BundleError::RepeatedReference(_))
    ));
    let mut shared = documents(2);
    shared[1].1 = shared[0].1.clone();
    assert!(matches!(
        read(&archive, &manifest(&shared, &archive)),
        Err(BundleError::SharedDigest(..))
    ));
}
