//! Archives built member by member with another implementation of tar, so that they can be as wrong as a test needs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

/// An archive in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.member(EntryType::Regular, name, "", content)
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.member(EntryType::Directory, name, "", "")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.member(EntryType::Symlink, name, target, "")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.member(EntryType::Link, name, target, "")
    }

    pub(crate) fn member(
        self,
        kind: EntryType,
        name: &str,
        link: &str,
        content: impl AsRef<[u8]>,
    ) -> Self {
        self.with_mode(kind, name, link, content, 0o644)
    }

    pub(crate) fn with_mode(
        self,
        kind: EntryType,
        name: &str,
        link: &str,
        content: impl AsRef<[u8]>,
        mode: u32,
    ) -> Self {
        let content = content.as_ref();
        let mut header = header(kind, name.as_bytes(), content.len() as u64);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_mode(mode);
        self.raw(&mut header, content)
    }

    /// Any header, with its checksum made right, and content with its padding.
    pub(crate) fn raw(mut self, header: &mut Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// Pax records for the next member.
    pub(crate) fn records(self, records: &[(&str, &str)]) -> Self {
        let content: String = records
            .iter()
            .map(|(key, value)| record(key, value))
            .collect();
        self.member(EntryType::XHeader, "PaxHeaders/x", "", content)
    }

    pub(crate) fn tar(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    pub(crate) fn tar_gz(self) -> Vec<u8> {
        gzip(&self.tar())
    }

    pub(crate) fn without_end(self) -> Vec<u8> {
        self.0
    }
}

/// A GNU header with exactly these bytes as name.
pub(crate) fn header(kind: EntryType, name: &[u8], size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(1000);
    header.set_gid(1000);
    header.set_mtime(1_700_000_000);
    header
}

pub(crate) fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (1..100_000).find(|length| *length == rest + length.to_string().len());
    format!("{} {key}={value}\n", length.unwrap())
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Everything below a directory by path: `/` for directories, `-> target` for links, content for files.
pub(crate) fn tree(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(place) = pending.pop() {
        for child in fs::read_dir(place).unwrap() {
            let path = child.unwrap().path();
            let name = path
                .strip_prefix(directory)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.insert(name, format!("-> {}", target.display()).into_bytes());
            } else if metadata.is_dir() {
                found.insert(format!("{name}/"), Vec::new());
                pending.push(path);
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Writes files, with their directories.
pub(crate) fn write_tree(directory: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}
