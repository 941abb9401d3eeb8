//! The seeds of the fuzz targets, replayed. Those that are archives are made by this test when `WRITE_SEEDS` is set.

#[path = "../../fuzz/harness.rs"]
mod harness;
#[cfg(feature = "oci")]
#[path = "../../fuzz/registry.rs"]
mod registry;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Tar, header, record};
use tar::EntryType;

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target)
}

fn replay(target: &str, run: fn(&[u8])) {
    let mut count = 0;
    for seed in fs::read_dir(seeds(target)).unwrap() {
        let bytes = fs::read(seed.unwrap().path()).unwrap();
        run(&bytes);
        // What a fuzzer would try first.
        for cut in (0..bytes.len()).step_by(97) {
            run(&bytes[..cut]);
            let mut damaged = bytes.clone();
            damaged[cut] ^= 0x41;
            run(&damaged);
        }
        count += 1;
    }
    assert!(count >= 3, "the seeds of {target} are gone");
}

#[test]
fn archive() {
    replay("archive", harness::archive);
}

#[test]
fn bundle() {
    replay("bundle", harness::bundle);
}

#[test]
fn chart() {
    replay("chart", harness::chart);
}

#[test]
fn compose() {
    replay("compose", harness::compose);
}

#[cfg(feature = "oci")]
#[test]
fn registry() {
    replay("registry", registry::registry);
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
        fs::create_dir_all(seeds(target)).unwrap();
        fs::write(seeds(target).join(name), bytes).unwrap();
    }
}
