//! Seeds that nobody can write in an editor, by target and name. The others are text, see `fuzz/src/inputs.rs`.

use tar::{EntryType, Header};

use crate::support::{Tar, gzip, header, record};

pub(super) fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |target, seeds: Vec<(&'static str, Vec<u8>)>| {
        all.extend(seeds.into_iter().map(|(name, bytes)| (target, name, bytes)));
    };
    add("archive", plain());
    add("archive", names_and_sizes());
    add("archive", headers());
    add("archive", ends_and_compression());
    add("extract", vec![("modes.tar", modes().tar())]);
    add("bundle", bundles());
    add("chart", charts());
    add("compose", compose());
    all
}

fn plain() -> Vec<(&'static str, Vec<u8>)> {
    let links = || {
        Tar::new()
            .directory("a")
            .file("a/b", "content")
            .symlink("a/c", "../a/b")
            .hard_link("d", "a/b")
    };
    let binary = Tar::new().raw(&mut header(EntryType::Regular, b"\xff", 0), b"");
    vec![
        ("links.tar", links().tar()),
        ("links.tar.gz", links().tar_gz()),
        ("not-utf8.tar", binary.tar()),
        ("nothing.tar", Tar::new().tar()),
        ("device.tar", of_kind(EntryType::Char).tar()),
        ("sparse.tar", of_kind(EntryType::GNUSparse).tar()),
        ("contiguous.tar", of_kind(EntryType::Continuous).tar()),
    ]
}

fn names_and_sizes() -> Vec<(&'static str, Vec<u8>)> {
    let records = |records: &[(&str, &str)]| Tar::new().records(records).file("x", "y").tar();
    let member = |kind, content: &str| Tar::new().member(kind, "././@LongLink", "", content);
    let long_name = member(EntryType::GNULongName, "gnu/name\0").file("x", "y");
    let long_link = member(EntryType::GNULongLink, "y\0").symlink("x", "z");
    let mut unmarked = header(EntryType::GNULongName, b"x", 2);
    unmarked.as_mut_bytes()[257..265].fill(0);
    let unmarked = Tar::new().raw(&mut unmarked, b"z\0").file("x", "y");
    let two_names = member(EntryType::GNULongName, "a\0").records(&[("path", "b")]);
    let malformed = Tar::new().member(EntryType::XHeader, "x", "", "99 path=x\n");
    let comment = Tar::new().member(EntryType::XGlobalHeader, "g", "", record("comment", "c"));
    let path = Tar::new().member(EntryType::XGlobalHeader, "g", "", record("path", "c"));
    vec![
        (
            "pax-path.tar",
            records(&[("path", "pax/name"), ("mtime", "1")]),
        ),
        (
            "pax-path-twice.tar",
            records(&[("path", "a"), ("path", "b")]),
        ),
        ("pax-path-of-nothing.tar", records(&[("path", "")])),
        ("pax-size.tar", records(&[("size", "1")])),
        ("pax-size-of-more.tar", records(&[("size", "1024")])),
        ("pax-sparse.tar", records(&[("GNU.sparse.major", "1")])),
        (
            "pax-sparse-of-star.tar",
            records(&[("SCHILY.realsize", "9")]),
        ),
        ("pax-length-of-more.tar", malformed.file("x", "y").tar()),
        ("pax-comment-on-all.tar", comment.file("x", "y").tar()),
        ("pax-path-of-all.tar", path.file("x", "y").tar()),
        ("gnu-long-name.tar", long_name.tar()),
        ("gnu-long-link.tar", long_link.tar()),
        ("gnu-long-name-unmarked.tar", unmarked.tar()),
        ("gnu-and-pax-name.tar", two_names.file("x", "y").tar()),
    ]
}

/// Fields of headers in all the ways that programs write them, and in some that they do not.
fn headers() -> Vec<(&'static str, Vec<u8>)> {
    let sized = |size: &[u8; 12]| {
        let mut header = header(EntryType::Regular, b"x", 0);
        header.as_old_mut().size = *size;
        Tar::new().raw(&mut header, b"hello").tar()
    };
    let prefixed = |version: &[u8; 2]| {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..1].copy_from_slice(b"x");
        header.set_mode(0o644);
        header.set_size(0);
        let ustar = header.as_ustar_mut().expect("a header of POSIX");
        ustar.prefix[..3].copy_from_slice(b"a/b");
        ustar.version = *version;
        Tar::new().raw(&mut header, b"").tar()
    };
    let mut wrong = Tar::new().file("x", "y").tar();
    wrong[0] = b'z';
    vec![
        (
            "size-in-base-256.tar",
            sized(b"\x80\0\0\0\0\0\0\0\0\0\0\x05"),
        ),
        ("size-negative.tar", sized(&[0xff; 12])),
        (
            "size-of-exabytes.tar",
            sized(b"\x80\0\0\0\x7f\0\0\0\0\0\0\0"),
        ),
        ("size-of-gigabytes.tar", sized(b"77777777777\0")),
        ("size-after-blanks.tar", sized(b"      5 \0\0\0\0")),
        ("size-after-nul.tar", sized(b"\0\x000000000005")),
        ("size-signed.tar", sized(b"+0000000005\0")),
        ("prefix.tar", prefixed(b"00")),
        ("prefix-of-no-version.tar", prefixed(b"\0\0")),
        // The target reads it as it is, and with the checksum made right.
        ("checksum-wrong.tar", wrong),
    ]
}

fn ends_and_compression() -> Vec<(&'static str, Vec<u8>)> {
    let file = || Tar::new().file("x", "y");
    let mut more = file().tar();
    more.extend(file().tar());
    let mut filled = file().tar();
    filled[1000] = b'z';
    let mut cut = file().tar_gz();
    cut.truncate(cut.len() - 9);
    let mut garbage = file().tar_gz();
    garbage.extend(b"garbage");
    let tar = file().tar();
    let (first, second) = tar.split_at(700);
    let zeros = |length: usize| Tar::new().file("x", vec![0; length]).tar_gz();
    vec![
        ("end-missing.tar", file().without_end()),
        ("end-and-more.tar", more),
        ("padding-not-zero.tar", filled),
        ("gzip-cut.tar.gz", cut),
        ("gzip-and-garbage.tar.gz", garbage),
        (
            "gzip-in-members.tar.gz",
            [gzip(first), gzip(b""), gzip(second)].concat(),
        ),
        ("gzip-of-many-zeros.tar.gz", zeros(60_000)),
        ("gzip-of-too-many-zeros.tar.gz", zeros(400_000)),
        ("gzip-of-far-too-many-zeros.tar.gz", zeros(2_000_000)),
    ]
}

fn modes() -> Tar {
    let file = |tar: Tar, name, mode| tar.with_mode(EntryType::Regular, name, "", "", mode);
    let tar = Tar::new().with_mode(EntryType::Directory, "a", "", "", 0o1000);
    file(file(tar, "a/b", 0o6711), "a/c", 0o4000)
}

fn bundles() -> Vec<(&'static str, Vec<u8>)> {
    let documents = Tar::new()
        .file("1.yaml", "id: 1\n")
        .file("2.yaml", "id: 2\n");
    let records = Tar::new().records(&[("path", "1.yaml"), ("mtime", "1")]);
    let zeros = Tar::new().file("1.yaml", vec![0; 400_000]);
    vec![
        ("two.tar.gz", [b"1 2\n", &*documents.tar_gz()].concat()),
        (
            "names-in-records.tar",
            [b"1\n", &*records.file("x", "id: 1\n").tar()].concat(),
        ),
        ("bomb.tar.gz", [b"1\n", &*zeros.tar_gz()].concat()),
    ]
}

fn charts() -> Vec<(&'static str, Vec<u8>)> {
    let chart = || {
        Tar::new()
            .file("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")
            .file("c/templates/a.yaml", "{{ lookup `a` }}{{/* c */}}")
    };
    let around = |inner: Vec<u8>| chart().file("c/charts/c.tgz", inner).tar_gz();
    let nested = (0..5).fold(chart().tar_gz(), |inner, _| around(inner));
    let kinds = chart().file("c/templates/b.yaml", "kind".repeat(100_000));
    vec![
        ("packed.tar.gz", chart().tar_gz()),
        ("nested.tar.gz", around(around(chart().tar_gz()))),
        ("nested-too-deeply.tar.gz", nested),
        ("kind-again-and-again.tar.gz", kinds.tar_gz()),
    ]
}

fn compose() -> Vec<(&'static str, Vec<u8>)> {
    let compose =
        "services:\n  a: &a\n    env_file: [{path: a.env, required: false}]\n  b: {<<: *a}\n";
    let archive = || {
        Tar::new()
            .file("app/compose.yaml", compose)
            .file("app/a.env", "A=1")
    };
    vec![
        ("archive.tar", archive().tar()),
        ("archive.tar.gz", archive().tar_gz()),
        ("bare.yaml", compose.into()),
    ]
}

fn of_kind(kind: EntryType) -> Tar {
    Tar::new().member(kind, "x", "", "")
}
