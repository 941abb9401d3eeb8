//! OCI image layouts in folders and tar files, and the index in them.
//!
//! After the line `files` come the members of a layout, which are read from a folder and from a tar file; any other input is a tar
//! file. A member refers to those before it as `{1}`, see [`named`].

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use margo_conformance::corpus::input::line;
use margo_package::oci::{ArtifactStore as _, LayoutArchive, LayoutDirectory, OciError, Reference};
use margo_types::Digest;
use margo_types::media_type::OCI_EMPTY;
use margo_types::oci::Descriptor;
use serde_json::{Map, Value};

use super::archives::found_below;
use super::check::scratch;
use super::inputs::{named, tar};
use super::registry::{CONTENT, MANIFEST, manifest};
use super::stores::{RUNTIME, check_reading, found, lay_out};

/// A layout gives the bytes that were asked for or an error, nothing that is outside of it, and is as it was afterwards.
pub fn layout(data: &[u8]) {
    let place = tempfile::tempdir_in(scratch()).expect("a directory");
    let (form, members) = line(data);
    let members = (form == "files").then(|| named(members));
    let packed = match &members {
        Some(members) => tar(members),
        None => data.to_vec(),
    };
    let file = place.path().join("layout.tar");
    fs::write(&file, packed).expect("a file");
    RUNTIME.block_on(async {
        if let Some(store) = found(LayoutArchive::open(&file).await)
            && let Some(references) = found(store.references().await)
        {
            check_reading(&store, &references).await;
        }
        if let Some(members) = members {
            read_folder(place.path(), &members).await;
        }
    });
}

async fn read_folder(place: &Path, members: &[(String, Vec<u8>)]) {
    let outside = Digest::of(MANIFEST.as_bytes());
    for folder in ["outside", "outside/sha256"] {
        let folder = place.join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(outside.to_hex()), MANIFEST).expect("a file");
    }
    let folder = place.join("layout");
    lay_out(&folder, members);
    let before = found_below(place);
    let opened = LayoutDirectory::open(&folder).await;
    if folder.join("oci-layout").symlink_metadata().is_err() {
        // Whoever takes such a folder for a layout is to blame.
        let is_misused = matches!(opened, Err(OciError::Misused { .. }));
        assert!(is_misused, "{opened:?}");
    } else if let Some(store) = found(opened) {
        if let Some(references) = found(store.references().await) {
            check_reading(&store, &references).await;
        }
        let is_inside = members
            .iter()
            .any(|(_, content)| content == MANIFEST.as_bytes());
        let pulled = store.pull_manifest(&web().with_digest(outside)).await;
        assert!(found(pulled).is_none() || is_inside, "read from outside");
    }
    assert_eq!(found_below(place), before);
}

/// An index that is taken keeps all that it says when something is pushed.
pub fn index(data: &[u8]) {
    let place = tempfile::tempdir_in(scratch()).expect("a directory");
    let members = [
        (
            "oci-layout",
            br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice(),
        ),
        ("index.json", data),
    ];
    let blobs = [MANIFEST.as_bytes(), CONTENT, b"{}"];
    let blobs = blobs.map(|blob| (format!("blobs/sha256/{}", Digest::of(blob).to_hex()), blob));
    let members = members.map(|(name, content)| (name.to_owned(), content));
    let members: Vec<_> = members
        .into_iter()
        .chain(blobs)
        .map(|(name, content)| (name, content.to_vec()))
        .collect();
    lay_out(place.path(), &members);
    RUNTIME.block_on(async {
        let store = found(LayoutDirectory::open(place.path()).await).expect("a layout");
        if let Some(references) = found(store.references().await) {
            check_reading(&store, &references).await;
            check_pushing(&store, place.path()).await;
        }
    });
}

async fn check_pushing(store: &LayoutDirectory, folder: &Path) {
    let before = tags(store).await;
    let members = root(folder);
    let descriptor = Descriptor::of(OCI_EMPTY, b"{}");
    let source = bytes::Bytes::from_static(b"{}");
    found(store.push_blob(&web(), &descriptor, &source).await).expect("a blob that is there");
    found(store.push_manifest(&web(), &manifest()).await).expect("a manifest");

    let mut expected = before;
    expected.insert(TAG.to_owned(), Some(manifest().digest()));
    assert_eq!(tags(store).await, expected);
    assert_eq!(root(folder), members);
}

/// The tags of a repository, and what can be read of each.
async fn tags(store: &LayoutDirectory) -> BTreeMap<String, Option<Digest>> {
    let mut found_by_tag = BTreeMap::new();
    for tag in found(store.tags(&web()).await).expect("an index that was read") {
        let reference = web().with_tag(&tag).expect("a tag");
        found_by_tag.insert(tag, found(store.resolve(&reference).await));
    }
    found_by_tag
}

/// The names of the members that an index has and that say something.
fn root(folder: &Path) -> Vec<String> {
    let bytes = fs::read(folder.join("index.json")).expect("an index");
    let index: BTreeMap<String, Value> = serde_json::from_slice(&bytes).expect("an object");
    let is_empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    let said = index.into_iter().filter(|(_, value)| !is_empty(value));
    said.map(|(name, _)| name).collect()
}

fn web() -> Reference {
    let name = format!("registry.example/apps/web:{TAG}");
    name.parse().expect("a reference")
}

const TAG: &str = "1";
