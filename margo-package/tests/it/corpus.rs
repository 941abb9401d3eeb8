//! The committed fuzz corpus, replayed without a fuzzer. Inputs that are archives are made by a test here when `WRITE_SEEDS` is set.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are in other crates")]
mod fuzz;

use std::fs;
use std::path::Path;

use margo_conformance::corpus::Corpus;
use tar::EntryType;

use crate::support::{Tar, header, record};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");

#[test]
fn the_corpus_is_replayed() {
    corpus().replay();
}

#[test]
fn changed_seeds_are_replayed() {
    corpus().rounds(100).replay_changed();
}

fn corpus() -> Corpus<'static> {
    Corpus::new(ROOT, fuzz::TARGETS)
}

#[test]
fn seeds_are_written_on_demand() {
    if std::env::var_os("WRITE_SEEDS").is_none() {
        return;
    }
    let links = || {
        Tar::new()
            .directory("a")
            .file("a/b", "content")
            .symlink("a/c", "../a/b")
            .hard_link("d", "a/b")
    };
    let names = || {
        Tar::new()
            .records(&[("path", "pax/name"), ("mtime", "1")])
            .file("x", "y")
            .member(EntryType::GNULongName, "././@LongLink", "", "gnu/name\0")
            .file("x", "y")
            .member(EntryType::XGlobalHeader, "g", "", record("comment", "c"))
            .file("z", "")
    };
    let documents = || {
        Tar::new()
            .file("1.yaml", "id: 1\n")
            .file("2.yaml", "id: 2\n")
    };
    let chart = || {
        Tar::new()
            .file("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")
            .file("c/templates/a.yaml", "{{- if .Capabilities.APIVersions.Has \"a/v1\" }}\n\"helm.sh/hook\": x\n{{ lookup `a` }}{{/* c */}}")
    };
    let compose =
        "services:\n  a: &a\n    env_file: [{path: a.env, required: false}]\n  b: {<<: *a}\n";
    let archive = || {
        Tar::new()
            .file("app/compose.yaml", compose)
            .file("app/a.env", "A=1")
    };
    let binary = Tar::new().raw(&mut header(EntryType::Regular, b"\xff", 0), b"");
    for (target, name, bytes) in [
        ("archive", "links.tar", links().tar()),
        ("archive", "links.tar.gz", links().tar_gz()),
        ("archive", "names.tar", names().tar()),
        ("archive", "not-utf8.tar", binary.tar()),
        ("bundle", "two.tar", documents().tar()),
        ("bundle", "two.tar.gz", documents().tar_gz()),
        ("bundle", "none.tar", Tar::new().tar()),
        ("chart", "plain.tar", chart().tar()),
        ("chart", "packed.tar.gz", chart().tar_gz()),
        (
            "chart",
            "nested.tar",
            chart().file("c/charts/c.tgz", chart().tar_gz()).tar(),
        ),
        ("compose", "archive.tar", archive().tar()),
        ("compose", "archive.tar.gz", archive().tar_gz()),
        ("compose", "bare.yaml", compose.into()),
    ] {
        let folder = Path::new(ROOT).join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}
