//! GNU tar and gzip read what is built here, and the other way round.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use margo_package::archive::{Extractor, Policy, pack_directory};

use crate::support::{tree, write_tree};

fn run(program: &str, arguments: &[&str], directory: &Path) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{program} {arguments:?}: {errors}"
    );
}

/// Names of all lengths, content of all sizes around a block, links.
fn sample(directory: &Path) {
    for length in [1, 99, 100, 101, 155, 156, 200, 255] {
        let name = format!("{}/{}", "d".repeat(length), "n".repeat(length));
        write_tree(directory, &[(&name, &name)]);
    }
    for size in [0, 1, 511, 512, 513, 100_000] {
        write_tree(directory, &[(&format!("sizes/{size}"), &"x".repeat(size))]);
    }
    write_tree(directory, &[("naïve/ünïcode ☂", "names")]);
    symlink("sizes/512", directory.join("link")).unwrap();
    symlink(
        format!("{0}/{0}", "t".repeat(120)),
        directory.join("long-link"),
    )
    .unwrap();
    fs::create_dir(directory.join("empty")).unwrap();
}

#[test]
fn gnu_tar_reads_what_is_built() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    let unpacked = place.path().join("unpacked");
    fs::create_dir(&source).unwrap();
    fs::create_dir(&unpacked).unwrap();
    sample(&source);
    let mut archive = Vec::new();
    pack_directory(&source, None, &Policy::default(), &mut archive).unwrap();
    fs::write(place.path().join("a.tar.gz"), archive).unwrap();

    run("gzip", &["--test", "a.tar.gz"], place.path());
    run("tar", &["-xzf", "a.tar.gz", "-C", "unpacked"], place.path());
    assert_eq!(tree(&unpacked), tree(&source));
}

#[test]
fn what_gnu_tar_builds_is_read() {
    for format in ["gnu", "ustar", "pax", "posix"] {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("source");
        fs::create_dir(&source).unwrap();
        sample(&source);
        if format == "ustar" {
            // It cannot hold longer ones.
            for length in [100, 101, 155, 156, 200, 255] {
                fs::remove_dir_all(source.join("d".repeat(length))).unwrap();
            }
            fs::remove_file(source.join("long-link")).unwrap();
        }
        fs::hard_link(source.join("sizes/513"), source.join("sizes/hard")).unwrap();
        let format = format!("--format={format}");
        run(
            "tar",
            &[&format, "-czf", "a.tar.gz", "-C", "source", "."],
            place.path(),
        );
        let archive = fs::File::open(place.path().join("a.tar.gz")).unwrap();
        let unpacked = place.path().join("unpacked");
        Extractor::new(Policy::default())
            .extract(archive, &unpacked)
            .unwrap();
        assert_eq!(tree(&unpacked), tree(&source), "{format}");
    }
}
