//! What a good archive becomes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use margo_package::Blame;
use margo_package::archive::{ArchiveError, Durability, Entry, Extractor, Policy};
use tar::EntryType;

use crate::support::{Tar, tree};

#[test]
fn everything_is_there() {
    let archive = Tar::new()
        .directory("./")
        .file("./shop/compose.yaml", "services: {}")
        .directory("shop/")
        .file("shop/conf/a.env", "A=1")
        .symlink("shop/link", "conf/../conf/a.env")
        .symlink("shop/later", "made/at/run/time")
        .hard_link("shop/hard", "shop/conf/a.env")
        .hard_link("shop/harder", "shop/hard")
        .tar_gz();
    let place = tempfile::tempdir().unwrap();
    let destination = place.path().join("new");
    let contents = Extractor::new(Policy::default())
        .extract(&*archive, &destination)
        .unwrap();

    let expected = [
        ("shop/", ""),
        ("shop/compose.yaml", "services: {}"),
        ("shop/conf/", ""),
        ("shop/conf/a.env", "A=1"),
        ("shop/hard", "A=1"),
        ("shop/harder", "A=1"),
        ("shop/later", "-> made/at/run/time"),
        ("shop/link", "-> conf/../conf/a.env"),
    ];
    let expected = expected.map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()));
    assert_eq!(tree(&destination), expected.into());
    assert_eq!(contents.len(), 8);
    assert_eq!(contents.top_directory(), Some("shop"));
    let inode = |name| fs::metadata(destination.join(name)).unwrap().ino();
    assert_eq!(inode("shop/hard"), inode("shop/conf/a.env"));
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        1,
        "only the destination is left"
    );
}

#[test]
fn permissions_are_normalised() {
    let modes = [
        ("plain", EntryType::Regular, 0o600, 0o644),
        ("open", EntryType::Regular, 0o666, 0o644),
        ("none", EntryType::Regular, 0o000, 0o644),
        ("program", EntryType::Regular, 0o700, 0o755),
        ("setuid", EntryType::Regular, 0o4755, 0o755),
        ("setgid", EntryType::Regular, 0o2644, 0o644),
        ("directory", EntryType::Directory, 0o7777, 0o755),
        ("locked", EntryType::Directory, 0o000, 0o755),
    ];
    let archive = modes.iter().fold(Tar::new(), |tar, (name, kind, mode, _)| {
        tar.with_mode(*kind, name, "", "", *mode)
    });
    let archive = archive.file("locked/inside", "x").tar();
    let place = tempfile::tempdir().unwrap();
    let destination = place.path().join("new");
    Extractor::new(Policy::default())
        .durability(Durability::Cached)
        .extract(&*archive, &destination)
        .unwrap();
    for (name, _, _, expected) in modes {
        let mode = fs::metadata(destination.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, expected, "{name}");
    }
    assert_eq!(
        fs::metadata(&destination).unwrap().permissions().mode() & 0o7777,
        0o755
    );
}

#[test]
fn long_names_are_read_in_both_ways() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let target = format!("{}/x", "t".repeat(150));
    let archive = Tar::new()
        .member(
            EntryType::GNULongName,
            "././@LongLink",
            "",
            format!("{long}\0"),
        )
        .member(
            EntryType::GNULongLink,
            "././@LongLink",
            "",
            format!("{target}\0"),
        )
        .symlink("cut", "cut")
        .records(&[
            ("path", &format!("{long}-pax")),
            ("mtime", "1.5"),
            ("SCHILY.xattr.user.a", "b"),
        ])
        .file("cut", "content")
        .tar_gz();
    let place = tempfile::tempdir().unwrap();
    let destination = place.path().join("new");
    let contents = Extractor::new(Policy::default())
        .extract(&*archive, &destination)
        .unwrap();
    assert!(matches!(contents.get(&long), Some(Entry::Symlink { .. })));
    assert_eq!(
        fs::read_link(destination.join(&long)).unwrap().to_str(),
        Some(&*target)
    );
    assert_eq!(
        fs::read(destination.join(format!("{long}-pax"))).unwrap(),
        b"content"
    );
}

#[test]
fn nothing_is_replaced() {
    let archive = Tar::new().file("a", "new").tar();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    let directory = place.path().join("directory");
    let link = place.path().join("link");
    fs::write(&file, "old").unwrap();
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let before = tree(place.path());
    for destination in [file, directory, link] {
        let error = Extractor::new(Policy::default())
            .extract(&*archive, &destination)
            .unwrap_err();
        assert!(matches!(&error, ArchiveError::DestinationExists(at) if *at == destination));
        assert_eq!(error.blame(), Blame::Caller);
    }
    assert_eq!(tree(place.path()), before);

    let nowhere = place.path().join("missing/parent");
    let error = Extractor::new(Policy::default())
        .extract(&*archive, &nowhere)
        .unwrap_err();
    assert_eq!(error.blame(), Blame::Environment);
}

#[test]
fn a_staged_archive_is_private_and_goes_away() {
    let archive = Tar::new().file("a", "x").tar();
    let place = tempfile::tempdir().unwrap();
    let destination = place.path().join("new");
    let extractor = Extractor::new(Policy::default());
    let staged = extractor.stage(&*archive, &destination).unwrap();
    assert_eq!(fs::read(staged.path().join("a")).unwrap(), b"x");
    assert!(!destination.exists());
    let private = staged.path().parent().unwrap();
    assert_eq!(
        fs::metadata(private).unwrap().permissions().mode() & 0o777,
        0o700
    );
    drop(staged);
    assert!(tree(place.path()).is_empty());

    // Something came up while it was looked at.
    let staged = extractor.stage(&*archive, &destination).unwrap();
    fs::write(&destination, "old").unwrap();
    assert!(matches!(
        staged.commit(),
        Err(ArchiveError::DestinationExists(_))
    ));
    assert_eq!(tree(place.path()).len(), 1);
}
