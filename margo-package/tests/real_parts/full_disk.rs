//! Extraction onto a file system that is too small.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use margo_package::archive::{ArchiveError, ArchiveWriter, Extractor, MemberPath, Policy};

use crate::trial_unless;

pub(crate) fn trial() -> Trial {
    let obstacle = Small::mount().err().map(|why| {
        format!("no file system of 64 KiB can be mounted here, which needs root ({why})")
    });
    trial_unless("archive_full_disk_leaves_nothing", obstacle, test)
}

fn test() {
    let mut archive = ArchiveWriter::new(Vec::new());
    for (name, size) in [("a", 1000), ("b", 1 << 20)] {
        let path = MemberPath::parse(name).expect("a path");
        let content = vec![7; size];
        archive.file(&path, false, &content).expect("a member");
    }
    let archive = archive.finish().expect("an archive");

    let small = Small::mount().expect("it was mounted before");
    let result = Extractor::new(Policy::default()).extract(&*archive, &small.path().join("new"));
    let error = result.expect_err("it does not fit");
    let is_full = matches!(&error, ArchiveError::Destination { path, source }
        if path.ends_with("b") && source.kind() == ErrorKind::StorageFull);
    assert!(is_full, "{error:?}");
    let left = fs::read_dir(small.path()).expect("the file system").count();
    assert_eq!(left, 0, "nothing is left");
    // It is as empty as it was.
    let mut file = fs::File::create(small.path().join("again")).expect("a file");
    file.write_all(&vec![7; 48 << 10])
        .expect("the space is free");
}

/// A file system of 64 KiB, until it is dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
        let output = mount.arg(folder.path()).output();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}
