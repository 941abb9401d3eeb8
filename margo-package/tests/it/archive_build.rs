//! The same input gives the same bytes, and nothing that a reader would refuse is built.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use margo_package::Blame;
use margo_package::archive::{
    ArchiveReader, ArchiveWriter, BuildError, Entry, InvalidPath, Limits, MemberPath, Policy,
    pack_directory,
};

use crate::support::write_tree;

fn pack(directory: &Path) -> Result<Vec<u8>, BuildError> {
    let mut archive = Vec::new();
    pack_directory(directory, None, &Policy::default(), &mut archive)?;
    Ok(archive)
}

#[test]
fn only_content_names_and_executability_count() {
    let files = [
        ("b/2.txt", "two"),
        ("a.txt", "one"),
        ("b/1.sh", "#!/bin/sh"),
        ("a/z", ""),
    ];
    let first = tempfile::tempdir().unwrap();
    write_tree(first.path(), &files);
    symlink("b/2.txt", first.path().join("link")).unwrap();
    fs::set_permissions(
        first.path().join("b/1.sh"),
        PermissionsExt::from_mode(0o700),
    )
    .unwrap();

    let mut reversed = files;
    reversed.reverse();
    let second = tempfile::tempdir().unwrap();
    symlink("b/2.txt", second.path().join("link")).unwrap();
    write_tree(second.path(), &reversed);
    fs::set_permissions(
        second.path().join("b/1.sh"),
        PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    fs::set_permissions(
        second.path().join("a.txt"),
        PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    fs::set_permissions(second.path().join("b"), PermissionsExt::from_mode(0o700)).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_001);
    let file = File::options()
        .write(true)
        .open(second.path().join("a.txt"))
        .unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();

    let archive = pack(first.path()).unwrap();
    assert_eq!(archive, pack(second.path()).unwrap());

    fs::set_permissions(
        second.path().join("b/1.sh"),
        PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    assert_ne!(archive, pack(second.path()).unwrap());
}

#[test]
fn the_bytes_say_nothing_of_their_maker() {
    let place = tempfile::tempdir().unwrap();
    write_tree(place.path(), &[("a", "x")]);
    let archive = pack(place.path()).unwrap();
    // RFC 1952: magic, deflate, no flags, no time, any level, unknown system.
    assert_eq!(archive[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    assert_eq!(archive[9], 255);

    let mut reader = tar::Archive::new(flate2::read::GzDecoder::new(&*archive));
    for entry in reader.entries().unwrap() {
        let header = entry.unwrap().header().clone();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(header.mtime().unwrap(), 0);
        assert_eq!(header.username().unwrap(), Some(""));
        assert_eq!(header.mode().unwrap(), 0o644);
    }
}

#[test]
fn a_directory_comes_before_its_content() {
    let place = tempfile::tempdir().unwrap();
    write_tree(place.path(), &[("b/c/d", ""), ("b.txt", ""), ("a", "")]);
    let archive = pack(place.path()).unwrap();
    let mut reader = ArchiveReader::new(&*archive, Policy::default()).unwrap();
    let mut paths = Vec::new();
    while let Some(member) = reader.next_member().unwrap() {
        paths.push(member.path().to_string());
    }
    assert_eq!(paths, ["a", "b", "b.txt", "b/c", "b/c/d"]);
}

#[test]
fn what_cannot_be_packed() {
    let place = tempfile::tempdir().unwrap();
    let bad = place.path().join("bad");
    let refused = || {
        let error = pack(place.path()).unwrap_err();
        assert_eq!(error.blame(), Blame::Caller, "{error}");
        error
    };

    for target in ["..", "/etc/passwd", "bad"] {
        symlink(target, &bad).unwrap();
        assert!(matches!(refused(), BuildError::Links(_)), "{target}");
        fs::remove_file(&bad).unwrap();
    }

    let socket = std::os::unix::net::UnixListener::bind(&bad).unwrap();
    assert!(matches!(refused(), BuildError::Unsupported { path, .. } if path == bad));
    drop(socket);
    fs::remove_file(&bad).unwrap();

    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"a\xff");
    fs::write(place.path().join(name), "").unwrap();
    assert!(matches!(
        refused(),
        BuildError::Path {
            why: InvalidPath::NotUtf8,
            ..
        }
    ));
}

#[test]
fn limits_hold_for_building_too() {
    let place = tempfile::tempdir().unwrap();
    write_tree(place.path(), &[("a", "x"), ("b", &"x".repeat(5000))]);
    for change in [
        |limits: &mut Limits| limits.max_members = 1,
        |limits: &mut Limits| limits.max_file_bytes = 4999,
        |limits: &mut Limits| limits.max_unpacked_bytes = 5000,
    ] {
        let mut limits = Limits::default();
        change(&mut limits);
        let policy = Policy::default().limits(limits);
        let error = pack_directory(place.path(), None, &policy, Vec::new()).unwrap_err();
        assert!(matches!(error, BuildError::OverLimit(_)), "{error:?}");
    }
}

#[test]
fn the_writer_keeps_order_and_lengths() {
    let path = |text| MemberPath::parse(text).unwrap();
    let mut writer = ArchiveWriter::new(Vec::new());
    writer.file(&path("b"), false, b"x").unwrap();
    assert!(matches!(
        writer.file(&path("b"), false, b"x"),
        Err(BuildError::Order(_))
    ));
    assert!(matches!(
        writer.directory(&path("a")),
        Err(BuildError::Order(_))
    ));

    for (size, content) in [(2, "abc"), (4, "abc")] {
        let mut writer = ArchiveWriter::new(Vec::new());
        let error = writer.file_from(&path("a"), false, size, &mut content.as_bytes());
        assert!(matches!(error, Err(BuildError::Changed(_))));
    }
}

#[test]
fn names_of_every_length_survive() {
    for length in 1..=255 {
        for directory in ["", "directory/", &format!("{}/", "d".repeat(160))] {
            let name = format!("{directory}{}", "n".repeat(length));
            let path = MemberPath::parse(&name).unwrap();
            let target = "t".repeat(length);
            let mut writer = ArchiveWriter::new(Vec::new());
            writer.file(&path, true, name.as_bytes()).unwrap();
            let link = MemberPath::parse("z").unwrap();
            writer.symlink(&link, &target).unwrap();
            let archive = writer.finish().unwrap();
            let reader = ArchiveReader::new(&*archive, Policy::default()).unwrap();
            let contents = reader.into_contents().unwrap();
            assert!(matches!(
                contents.get(&name),
                Some(Entry::File {
                    executable: true,
                    ..
                })
            ));
            assert!(
                matches!(contents.get("z"), Some(Entry::Symlink { target: found }) if *found == target)
            );
        }
    }
}
