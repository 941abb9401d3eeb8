//! Every archive that must be refused, why, and that nothing is left of it.

use std::fs;
use std::io::{self, Read};

use margo_package::Blame;
use margo_package::archive::{
    ArchiveError, ArchiveReader, Durability, Extractor, InvalidPath, Limit, Limits, Policy, Refusal,
};
use tar::EntryType;

use crate::support::{Tar, gzip, header, record, tree};

/// Extracts beside a canary and checks that a failure leaves nothing, inside or outside.
fn extract(archive: &[u8], policy: Policy) -> Result<(), ArchiveError> {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("canary"), "alive").unwrap();
    let inside = place.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let result = Extractor::new(policy)
        .durability(Durability::Cached)
        .extract(archive, &inside.join("destination"));
    let mut left = tree(place.path());
    left.retain(|path, _| !path.starts_with("inside/destination") || result.is_err());
    let expected = [
        ("canary".to_owned(), b"alive".to_vec()),
        ("inside/".to_owned(), vec![]),
    ];
    assert_eq!(left, expected.into());
    result.map(|_| ())
}

/// The member and the reason of a refusal, the same for tar and tar.gz.
fn refusal(tar: Tar) -> (String, Refusal) {
    let mut refusals = [tar.clone().tar(), tar.tar_gz()].map(|archive| {
        let error = extract(&archive, Policy::default()).expect_err("it must be refused");
        assert_eq!(error.blame(), Blame::Content);
        match error {
            ArchiveError::Refused { member, why } => (member, why),
            other => panic!("not refused but {other:?}"),
        }
    });
    assert_eq!(refusals[0], refusals[1]);
    std::mem::replace(&mut refusals[0], (String::new(), Refusal::Duplicate))
}

fn over(archive: &[u8], limits: Limits) -> Limit {
    match extract(archive, Policy::default().limits(limits)) {
        Err(ArchiveError::OverLimit { limit, .. }) => limit,
        other => panic!("not over a limit but {other:?}"),
    }
}

fn damage(archive: &[u8]) -> String {
    match extract(archive, Policy::default()) {
        Err(ArchiveError::Damaged(why)) => why,
        other => panic!("not damaged but {other:?}"),
    }
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn paths_that_leave_or_confuse() {
    for (name, why) in [
        ("/etc/passwd", InvalidPath::Absolute),
        ("../canary", InvalidPath::Parent),
        ("a/../../canary", InvalidPath::Parent),
        ("a/..", InvalidPath::Parent),
        ("..", InvalidPath::Parent),
        ("", InvalidPath::Empty),
        (".", InvalidPath::Empty),
        ("a\\..\\b", InvalidPath::Character('\\')),
        ("a\nb", InvalidPath::Character('\n')),
        ("\u{1b}[2J", InvalidPath::Character('\u{1b}')),
    ] {
        let (member, refused) = refusal(Tar::new().file(name, "x"));
        assert_eq!((member.as_str(), refused), (name, Refusal::Path(why)));
    }
}

#[test]
fn paths_that_are_not_utf8() {
    let tar = Tar::new().raw(&mut header(EntryType::Regular, b"a\xff", 0), b"");
    assert_eq!(refusal(tar).1, Refusal::Path(InvalidPath::NotUtf8));
}

#[test]
fn paths_that_are_long_or_deep() {
    let deep = vec!["d"; 33].join("/");
    let (_, why) = refusal(Tar::new().file(&deep, "x"));
    assert_eq!(why, Refusal::Path(InvalidPath::TooDeep(32)));

    let long = format!("{}/x", vec!["d".repeat(50); 11].join("/"));
    let (member, why) = refusal(Tar::new().records(&[("path", &long)]).file("x", "x"));
    assert_eq!(why, Refusal::Path(InvalidPath::TooLong(512)));
    assert!(member.chars().count() <= 121, "messages stay short");

    let name = "n".repeat(256);
    let (_, why) = refusal(Tar::new().records(&[("path", &name)]).file("x", "x"));
    assert_eq!(why, Refusal::Path(InvalidPath::LongName));
}

#[test]
fn links_that_leave() {
    for target in ["../canary", "..", "a/../../canary", "a/..//../.."] {
        let (member, why) = refusal(Tar::new().directory("a").symlink("link", target));
        assert_eq!(
            (member.as_str(), why),
            ("link", Refusal::LinkOutside(target.into()))
        );
    }
    let (_, why) = refusal(Tar::new().symlink("link", "/etc/passwd"));
    assert_eq!(why, Refusal::AbsoluteLink("/etc/passwd".into()));
    let (_, why) = refusal(Tar::new().symlink("link", ""));
    assert_eq!(why, Refusal::LinkTarget(InvalidPath::Empty));
}

#[test]
fn links_that_leave_through_links() {
    // Reads like "deep/a", but "up" is the root already.
    let tar = Tar::new()
        .directory("deep/a")
        .symlink("deep/a/up", "../..")
        .symlink("deep/out", "a/up/..");
    assert_eq!(refusal(tar).1, Refusal::LinkOutside("a/up/..".into()));

    // The link that makes it leave comes later.
    let tar = Tar::new()
        .symlink("out", "here/../..")
        .directory("deep/a")
        .symlink("here", "deep");
    assert_eq!(refusal(tar).1, Refusal::LinkOutside("here/../..".into()));

    // Nobody knows where the parent of nothing is.
    let (_, why) = refusal(Tar::new().symlink("out", "nothing/../x"));
    assert_eq!(why, Refusal::LinkOutside("nothing/../x".into()));
}

#[test]
fn links_that_never_end() {
    let (_, why) = refusal(Tar::new().symlink("a", "b").symlink("b", "a"));
    assert_eq!(why, Refusal::LinkLoop("b".into()));
    let (_, why) = refusal(Tar::new().symlink("a", "a/x"));
    assert_eq!(why, Refusal::LinkLoop("a/x".into()));
}

#[test]
fn files_through_links() {
    for target in ["..", "real"] {
        let tar = Tar::new()
            .directory("real")
            .symlink("link", target)
            .file("link/canary", "dead");
        let why = refusal(tar);
        assert_eq!(
            why,
            (
                "link/canary".into(),
                Refusal::ThroughNonDirectory("link".into())
            )
        );
    }
    let (_, why) = refusal(Tar::new().file("a", "x").file("a/b", "x"));
    assert_eq!(why, Refusal::ThroughNonDirectory("a".into()));
}

#[test]
fn links_put_in_the_place_of_directories() {
    let (_, why) = refusal(Tar::new().file("a/b", "x").symlink("a", ".."));
    assert_eq!(why, Refusal::Duplicate);
    let (_, why) = refusal(Tar::new().symlink("a", "b").directory("a"));
    assert_eq!(why, Refusal::Duplicate);
}

#[test]
fn hard_links_to_anything_but_earlier_files() {
    for target in ["later", "directory", "link", "missing"] {
        let tar = Tar::new()
            .directory("directory")
            .symlink("link", "directory")
            .hard_link("hard", target)
            .file("later", "x");
        let why = refusal(tar);
        assert_eq!(why, ("hard".into(), Refusal::HardLink(target.into())));
    }
    let (_, why) = refusal(Tar::new().hard_link("hard", "../canary"));
    assert_eq!(why, Refusal::LinkTarget(InvalidPath::Parent));
    let (_, why) = refusal(Tar::new().hard_link("hard", "/etc/passwd"));
    assert_eq!(why, Refusal::LinkTarget(InvalidPath::Absolute));
}

#[test]
fn links_where_none_are_allowed() {
    for tar in [
        Tar::new().file("a", "").symlink("l", "a"),
        Tar::new().file("a", "").hard_link("l", "a"),
    ] {
        let error = extract(&tar.tar(), Policy::default().without_links());
        assert!(matches!(
            error,
            Err(ArchiveError::Refused {
                why: Refusal::Link,
                ..
            })
        ));
    }
}

#[test]
fn devices_and_other_kinds() {
    for (kind, what) in [
        (EntryType::Char, "a device node"),
        (EntryType::Block, "a device node"),
        (EntryType::Fifo, "a FIFO"),
        (EntryType::GNUSparse, "a sparse file"),
        (
            EntryType::Continuous,
            "of a type that programs read differently",
        ),
        (
            EntryType::new(b'D'),
            "of a type that programs read differently",
        ),
        (
            EntryType::new(b'V'),
            "of a type that programs read differently",
        ),
    ] {
        let why = refusal(Tar::new().member(kind, "x", "", ""));
        assert_eq!(why, ("x".into(), Refusal::Kind(what)));
    }
    let tar = Tar::new()
        .records(&[("GNU.sparse.major", "1")])
        .file("x", "x");
    assert_eq!(refusal(tar).1, Refusal::Kind("a sparse file"));
}

#[test]
fn duplicates() {
    for tar in [
        Tar::new().file("a", "1").file("a", "2"),
        Tar::new().file("a", "1").file("./a", "2"),
        Tar::new().file("a/b", "1").file("a//b", "2"),
        Tar::new().directory("a").directory("a/"),
        Tar::new().file("a/b", "").directory("a").directory("a"),
        Tar::new().directory("./").directory("."),
    ] {
        assert_eq!(refusal(tar).1, Refusal::Duplicate);
    }
}

#[test]
fn members_that_two_programs_read_differently() {
    let (_, why) = refusal(Tar::new().member(EntryType::Directory, "d/", "", "content"));
    assert_eq!(why, Refusal::UnexpectedContent);
    let (_, why) = refusal(Tar::new().member(EntryType::Symlink, "l", "x", "content"));
    assert_eq!(why, Refusal::UnexpectedContent);
    let (_, why) = refusal(Tar::new().file("d/", "x"));
    assert_eq!(why, Refusal::FileNamedDirectory);

    let long = |name: &str| Tar::new().member(EntryType::GNULongName, "././@LongLink", "", name);
    let tar = long("a\0").member(EntryType::GNULongName, "././@LongLink", "", "b\0");
    assert!(matches!(refusal(tar.file("x", "")).1, Refusal::Header(_)));
    let tar = long("a\0").records(&[("path", "b")]);
    assert!(matches!(refusal(tar.file("x", "")).1, Refusal::Header(_)));
    assert!(matches!(
        refusal(long("a\0b\0").file("x", "")).1,
        Refusal::Header(_)
    ));

    let twice = Tar::new().records(&[("path", "a"), ("path", "b")]);
    assert!(matches!(refusal(twice.file("x", "")).1, Refusal::Header(_)));
    let twice = Tar::new()
        .records(&[("path", "a")])
        .records(&[("mtime", "1")]);
    assert!(matches!(refusal(twice.file("x", "")).1, Refusal::Header(_)));
    let size = Tar::new().records(&[("size", "1024")]);
    assert!(matches!(refusal(size.file("x", "y")).1, Refusal::Header(_)));
    for malformed in [
        "x",
        "3 a",
        "99 path=x\n",
        "7 path=x\n",
        "+9 path=x\n",
        "9 path x\n",
    ] {
        let tar = Tar::new().member(EntryType::XHeader, "x", "", malformed);
        assert!(
            matches!(refusal(tar.file("x", "")).1, Refusal::Header(_)),
            "{malformed}"
        );
    }
    let all = Tar::new().member(EntryType::XGlobalHeader, "g", "", record("path", "all"));
    assert!(matches!(refusal(all.file("x", "")).1, Refusal::Header(_)));
    for key in ["GNU.sparse.major", "SCHILY.realsize", "SUN.holesdata"] {
        let sparse = Tar::new().records(&[(key, "1")]).file("x", "");
        assert_eq!(refusal(sparse).1, Refusal::Kind("a sparse file"), "{key}");
    }
}

#[test]
fn fields_that_two_programs_read_differently() {
    let sized = |size: &[u8; 12]| {
        let mut header = header(EntryType::Regular, b"x", 0);
        header.as_old_mut().size = *size;
        Tar::new().raw(&mut header, b"hello").tar()
    };
    for plain in [b"00000000005\0", b"     5 \0\0\0\0\0"] {
        extract(&sized(plain), Policy::default()).unwrap();
    }
    // Five for some, none for others.
    assert!(damage(&sized(b"\0\x000000000005")).contains("size"));

    let prefixed = |magic: &[u8; 8]| {
        let mut header = header(EntryType::Regular, b"x", 0);
        let bytes = header.as_mut_bytes();
        bytes[257..265].copy_from_slice(magic);
        bytes[345..348].copy_from_slice(b"a/b");
        Tar::new().raw(&mut header, b"").tar()
    };
    extract(&prefixed(b"ustar\x0000"), Policy::default()).unwrap();
    // Times of GNU.
    extract(&prefixed(b"ustar  \0"), Policy::default()).unwrap();
    for neither in [b"ustar\0\0\0", b"\0\0\0\0\0\0\0\0"] {
        assert!(damage(&prefixed(neither)).contains("prefix"));
    }
    // A member for those who go by the mark.
    let mut unmarked = header(EntryType::GNULongName, b"x", 2);
    unmarked.as_mut_bytes()[257..265].fill(0);
    let long_name = Tar::new().raw(&mut unmarked, b"y\0").file("z", "");
    assert!(damage(&long_name.tar()).contains("extended header"));
}

#[test]
fn members_filled_up_with_something() {
    let mut filled = Tar::new().file("x", "y").tar();
    filled[1000] = 1;
    assert!(damage(&filled).contains("not zero"));
}

#[test]
fn archives_cut_short() {
    let whole = Tar::new().file("a", "x".repeat(2000)).file("b", "y");
    let bytes = whole.clone().without_end();
    for length in [0, 1, 511, 512, 513, 2512, 2600, 3072, 3584] {
        assert!(damage(&bytes[..length]).contains("cut short"), "{length}");
    }
    let packed = whole.tar_gz();
    for length in 2..packed.len() {
        damage(&packed[..length]);
    }
}

#[test]
fn archives_that_go_on() {
    let mut after = Tar::new().file("a", "x").tar();
    after.extend(Tar::new().file("b", "y").tar());
    assert!(damage(&after).contains("end mark"));
    let mut garbage = Tar::new().file("a", "x").tar_gz();
    garbage.extend(b"garbage");
    damage(&garbage);
    let mut records = Tar::new().records(&[("mtime", "1")]).tar();
    assert!(damage(&records).contains("between"));
    records[0] ^= 1;
    assert!(damage(&records).contains("checksum"));
}

#[test]
fn corrupted_compression() {
    let mut packed = Tar::new().file("a", "hello ".repeat(100)).tar_gz();
    let checksum = packed.len() - 6;
    packed[checksum] ^= 1;
    damage(&packed);
}

#[test]
fn several_gzip_members_are_one_stream() {
    let tar = Tar::new().file("a", "x".repeat(1000)).tar();
    let (first, second) = tar.split_at(700);
    let archive = [gzip(first), gzip(b""), gzip(second)].concat();
    extract(&archive, Policy::default()).unwrap();
}

#[test]
fn more_members_than_allowed() {
    // Empty files without end, of which the limit is read.
    let source = Endless {
        block: Vec::new(),
        number: 0,
    };
    let mut reader = ArchiveReader::new(source, Policy::default()).unwrap();
    let error = loop {
        match reader.next_member() {
            Ok(member) => assert!(member.is_some()),
            Err(error) => break error,
        }
    };
    let limit = Limit::Members(20_000);
    assert!(matches!(error, ArchiveError::OverLimit { limit: found, .. } if found == limit));

    let limits = limits(|limits| limits.max_members = 4);
    assert_eq!(
        over(&Tar::new().file("a/b/c/d/e", "").tar(), limits),
        Limit::Members(4)
    );
    let headers = (0..5).fold(Tar::new(), |tar, _| {
        tar.member(EntryType::XGlobalHeader, "g", "", record("comment", "x"))
    });
    assert_eq!(over(&headers.tar(), limits), Limit::Members(4));
}

/// Empty files without end.
struct Endless {
    /// What is left of the current header.
    block: Vec<u8>,
    number: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() {
            self.number += 1;
            let name = format!("file-{:07}", self.number);
            let mut header = header(EntryType::Regular, name.as_bytes(), 0);
            header.set_cksum();
            self.block = header.as_bytes().to_vec();
        }
        let count = (&*self.block).read(buffer)?;
        self.block.drain(..count);
        Ok(count)
    }
}

#[test]
fn bombs_stop_while_they_unpack() {
    let bomb = Tar::new().file("zeros", vec![0; 64 << 20]).tar_gz();
    assert!(bomb.len() < 1 << 20);
    assert_eq!(over(&bomb, Limits::default()), Limit::Ratio(200));
    let small = limits(|limits| limits.max_unpacked_bytes = 1 << 20);
    assert_eq!(over(&bomb, small), Limit::UnpackedBytes(1 << 20));
    let small = limits(|limits| limits.max_file_bytes = 1 << 20);
    assert_eq!(over(&bomb, small), Limit::FileBytes(1 << 20));
    let small = limits(|limits| limits.max_packed_bytes = 1 << 10);
    assert_eq!(over(&bomb, small), Limit::PackedBytes(1 << 10));

    // Zeros after the end mark count as well.
    let mut padded = Tar::new().file("a", "x").tar();
    padded.resize(64 << 20, 0);
    assert_eq!(over(&gzip(&padded), Limits::default()), Limit::Ratio(200));
}

#[test]
fn a_failed_archive_never_looks_complete() {
    let archive = Tar::new().file("../a", "x").tar();
    let mut reader = ArchiveReader::new(&*archive, Policy::default()).unwrap();
    for _ in 0..3 {
        assert!(reader.next_member().is_err());
    }
    let archive = Tar::new().file("a", "x").tar();
    let mut reader = ArchiveReader::new(&*archive, Policy::default()).unwrap();
    assert!(reader.next_member().unwrap().is_some());
    for _ in 0..3 {
        assert!(reader.next_member().unwrap().is_none());
    }
}

#[test]
fn sizes_that_are_lies() {
    let mut huge = header(EntryType::Regular, b"huge", 0);
    huge.as_old_mut().size = *b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    assert!(damage(&Tar::new().raw(&mut huge, b"").tar()).contains("size"));
    huge.set_size(u64::MAX);
    assert_eq!(
        over(&Tar::new().raw(&mut huge, b"").tar(), Limits::default()),
        Limit::FileBytes(512 << 20)
    );
    let mut records = header(EntryType::XHeader, b"x", 1 << 40);
    assert_eq!(
        over(&Tar::new().raw(&mut records, b"").tar(), Limits::default()),
        Limit::HeaderBytes(64 << 10)
    );
    huge.as_old_mut().size = *b"nonsense    ";
    assert!(damage(&Tar::new().raw(&mut huge, b"").tar()).contains("size"));
}

#[test]
fn sources_that_fail_are_not_blamed_on_the_archive() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let packed = Tar::new().file("a", "x".repeat(1000)).tar_gz();
    let source = packed[..40].chain(Broken);
    let place = tempfile::tempdir().unwrap();
    let error = Extractor::new(Policy::default()).extract(source, &place.path().join("d"));
    let error = error.unwrap_err();
    assert!(
        matches!(&error, ArchiveError::Source(why) if why.kind() == io::ErrorKind::ConnectionReset)
    );
    assert_eq!(error.blame(), Blame::Environment);
    assert!(tree(place.path()).is_empty());
}

#[test]
fn top_levels() {
    let policy = Policy::default().one_top_directory();
    for tar in [
        Tar::new(),
        Tar::new().file("a", ""),
        Tar::new().directory("a").file("b", ""),
        Tar::new().directory("a").directory("b"),
        Tar::new().symlink("a", "."),
    ] {
        let error = extract(&tar.tar(), policy);
        assert!(matches!(error, Err(ArchiveError::TopLevel(_))), "{error:?}");
    }
    // The root of the archive is outside of its one directory.
    let error = extract(&Tar::new().symlink("a/up", "..").tar(), policy);
    assert!(matches!(
        error,
        Err(ArchiveError::Refused {
            why: Refusal::LinkOutside(_),
            ..
        })
    ));
    extract(
        &Tar::new().file("a/b", "").symlink("a/c", "./../a/b").tar(),
        policy,
    )
    .unwrap();
}
