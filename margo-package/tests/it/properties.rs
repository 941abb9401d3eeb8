//! Properties over all trees and all damage.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use margo_package::archive::{
    ArchiveWriter, Durability, Extractor, Limits, MemberPath, Policy, pack_directory,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::support::{Tar, gzip, tree};

/// A file with its content, or a directory with the same again.
#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Directory(BTreeMap<String, Node>),
}

fn nodes() -> impl Strategy<Value = BTreeMap<String, Node>> {
    let name =
        || "[a-zA-Z0-9 _.~ü-]{1,12}".prop_filter("a name", |name| name != "." && name != "..");
    let leaf = vec(any::<u8>(), 0..1500).prop_map(Node::File);
    let node = leaf.prop_recursive(4, 24, 5, move |inner| {
        btree_map(name(), inner, 0..5).prop_map(Node::Directory)
    });
    btree_map(name(), node, 0..6)
}

fn create(directory: &Path, nodes: &BTreeMap<String, Node>) {
    fs::create_dir(directory).unwrap();
    for (name, node) in nodes {
        match node {
            Node::File(content) => fs::write(directory.join(name), content).unwrap(),
            Node::Directory(nodes) => create(&directory.join(name), nodes),
        }
    }
}

/// Names that make trouble, again and again.
fn hostile_name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a"),
        Just("b"),
        Just(".."),
        Just("."),
        Just(""),
        Just("canary")
    ];
    vec(piece, 1..5).prop_map(|pieces| pieces.join("/"))
}

fn hostile() -> impl Strategy<Value = Tar> {
    let member = (0..5_u8, hostile_name(), hostile_name());
    vec(member, 1..12).prop_map(|members| {
        members
            .into_iter()
            .fold(Tar::new(), |tar, (kind, name, target)| match kind {
                0 => tar.directory(&name),
                1 => tar.symlink(&name, &target),
                2 => tar.hard_link(&name, &target),
                _ => tar.file(&name, "dead"),
            })
    })
}

/// Extracts beside canaries, below which a destination was made or nothing at all.
fn extract_beside_canaries(archive: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let inside = place.path().join("x/inside");
    fs::create_dir_all(&inside).unwrap();
    for directory in [place.path(), &place.path().join("x"), &inside] {
        fs::write(directory.join("canary"), "alive").unwrap();
    }
    let before = tree(place.path());
    let mut limits = Limits::default();
    limits.max_unpacked_bytes = 1 << 20;
    let result = Extractor::new(Policy::default().limits(limits))
        .durability(Durability::Cached)
        .extract(archive, &inside.join("destination"));
    let destination = inside.join("destination");
    if result.is_ok() {
        for (path, content) in tree(&destination) {
            if content.starts_with(b"-> ") {
                // Wherever the links lead, it is inside: the operating system says so.
                let real = destination.join(path).canonicalize();
                let root = destination.canonicalize().unwrap();
                assert!(real.is_err() || real.is_ok_and(|real| real.starts_with(root)));
            }
        }
        fs::remove_dir_all(destination).unwrap();
    }
    assert_eq!(tree(place.path()), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_built_is_extracted(nodes in nodes()) {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("source");
        create(&source, &nodes);
        let mut archive = Vec::new();
        let built = pack_directory(&source, None, &Policy::default(), &mut archive).unwrap();
        let destination = place.path().join("destination");
        let extracted = Extractor::new(Policy::default())
            .durability(Durability::Cached)
            .extract(&*archive, &destination)
            .unwrap();
        prop_assert_eq!(built, extracted);
        prop_assert_eq!(tree(&source), tree(&destination));
    }

    #[test]
    fn hostile_archives_stay_inside(tar in hostile()) {
        extract_beside_canaries(&tar.tar());
    }

    #[test]
    fn damaged_archives_stay_inside(
        tar in hostile(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        packed in any::<bool>(),
    ) {
        let mut archive = if packed { tar.tar_gz() } else { tar.tar() };
        for (index, byte) in damage {
            let index = index.index(archive.len());
            archive[index] = byte;
        }
        extract_beside_canaries(&archive);
    }

    #[test]
    fn the_reader_never_panics(bytes in vec(any::<u8>(), 0..2000), packed in any::<bool>()) {
        extract_beside_canaries(&if packed { gzip(&bytes) } else { bytes });
    }

    #[test]
    fn paths_read_the_same_twice(text in ".{0,60}") {
        if let Ok(path) = MemberPath::parse(&text) {
            prop_assert_eq!(MemberPath::parse(path.as_str()), Ok(path.clone()));
            prop_assert!(path.names().all(|name| !matches!(name, "" | "." | "..")));
            let mut writer = ArchiveWriter::new(Vec::new());
            writer.file(&path, false, b"x").unwrap();
        }
    }
}
