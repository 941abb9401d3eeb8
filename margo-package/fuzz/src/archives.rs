//! Archives as such: read, and extracted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use margo_package::archive::{
    ArchiveReader, Contents, Durability, Entry, Extractor, MemberPath, Policy,
};
use tar::EntryType;

use super::check::{check_contents, check_error, limits, scratch, unpacked};
use super::inputs::forms;

/// An archive that is accepted keeps all promises about its index, its members have the length that it says, and another
/// implementation of tar finds the same in it.
pub fn archive(data: &[u8]) {
    for packed in forms(data) {
        let policy = Policy::default().limits(limits());
        match read(&packed, policy) {
            Ok((contents, members)) => {
                check_contents(&contents, &packed);
                if let Some(others) = read_by_another(&unpacked(&packed)) {
                    check_same(&contents, &members, &others);
                }
            }
            Err(error) => check_error(&*error),
        }
    }
}

/// All of an archive is at its destination, or nothing anywhere; nothing is outside, and nothing there leads outside.
pub fn extract(data: &[u8]) {
    for packed in forms(data) {
        let place = tempfile::tempdir_in(scratch()).expect("a directory");
        let inside = place.path().join("x/inside");
        fs::create_dir_all(&inside).expect("directories");
        for directory in [place.path(), &place.path().join("x"), &inside] {
            fs::write(directory.join("canary"), "alive").expect("a canary");
        }
        let before = found_below(place.path());
        let destination = inside.join("destination");
        let extractor = Extractor::new(Policy::default().limits(limits()));
        let extractor = extractor.durability(Durability::Cached);
        match extractor.extract(&*packed, &destination) {
            Ok(contents) => {
                check_contents(&contents, &packed);
                check_extracted(&contents, &destination);
                fs::remove_dir_all(&destination).expect("removed");
            }
            Err(error) => check_error(&error),
        }
        assert_eq!(found_below(place.path()), before);
    }
}

type Members = Vec<(MemberPath, Entry)>;

fn read(packed: &[u8], policy: Policy) -> Result<(Contents, Members), Box<dyn std::error::Error>> {
    let mut reader = ArchiveReader::new(packed, policy)?;
    let mut members = Vec::new();
    while let Some(mut member) = reader.next_member()? {
        let (path, entry) = (member.path().clone(), member.entry().clone());
        let length = member.read_to_end()?.len() as u64;
        match entry {
            Entry::File { bytes, .. } => assert_eq!(length, bytes, "{path}"),
            _ => assert_eq!(length, 0, "{path}"),
        }
        members.push((path, entry));
    }
    Ok((reader.contents().clone(), members))
}

/// A member as the other implementation has it: kind, path, target of a link, size.
type Other = (EntryType, Vec<u8>, Option<Vec<u8>>, u64);

/// `None` when it reads less than we do: it refuses some.
fn read_by_another(tar: &[u8]) -> Option<Vec<Other>> {
    let mut archive = tar::Archive::new(tar);
    let mut others = Vec::new();
    for entry in archive.entries().ok()? {
        let entry = entry.ok()?;
        let kind = entry.header().entry_type();
        let link = entry.link_name_bytes().map(|link| link.to_vec());
        if kind != EntryType::XGlobalHeader {
            others.push((kind, entry.path_bytes().to_vec(), link, entry.size()));
        }
    }
    Some(others)
}

fn check_same(contents: &Contents, members: &Members, others: &[Other]) {
    let mut members = members.iter();
    for (kind, path, link, size) in others {
        let path = plain(std::str::from_utf8(path).expect("UTF-8"));
        if path.is_empty() {
            // The root.
            continue;
        }
        let (our_path, ours) = members.next().expect("a member of both");
        assert_eq!(our_path.as_str(), path);
        let link = String::from_utf8(link.clone().unwrap_or_default());
        let link = link.unwrap_or_default();
        match (kind, ours) {
            (EntryType::Directory, Entry::Directory) => {}
            (EntryType::Regular, Entry::File { bytes, .. }) => assert_eq!(bytes, size),
            (EntryType::Symlink, Entry::Symlink { target }) => assert_eq!(*target, link),
            (EntryType::Link, Entry::HardLink { file }) => {
                let link = plain(&link);
                // Of another name of the file the index says the file.
                let linked = match contents.get(&link) {
                    Some(Entry::HardLink { file }) => file.as_str(),
                    _ => &link,
                };
                assert_eq!(linked, file.as_str());
            }
            _ => panic!("{path} is {kind:?}, or {ours:?}"),
        }
    }
    assert_eq!(members.next(), None);
}

/// A path without what has no meaning in it.
fn plain(path: &str) -> String {
    let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
    names.collect::<Vec<_>>().join("/")
}

/// What is in the file system is what the index says.
pub(crate) fn check_extracted(contents: &Contents, destination: &Path) {
    let root = destination.canonicalize().expect("the destination");
    let found = found_below(destination);
    let paths: Vec<&str> = contents.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), paths);
    for (path, entry) in contents.iter() {
        let place = path.below(destination);
        let metadata = place.symlink_metadata().expect("a member");
        let mode = metadata.permissions().mode() & 0o7777;
        match entry {
            Entry::Directory => assert!(metadata.is_dir() && mode == 0o755, "{path} {mode:o}"),
            Entry::File { bytes, executable } => {
                let expected = if *executable { 0o755 } else { 0o644 };
                assert!(metadata.is_file() && mode == expected, "{path} {mode:o}");
                assert_eq!(metadata.len(), *bytes, "{path}");
            }
            Entry::HardLink { file } => {
                let file = file.below(destination).symlink_metadata();
                assert_eq!(file.expect("a file").ino(), metadata.ino(), "{path}");
            }
            Entry::Symlink { target } => {
                assert_eq!(fs::read_link(&place).expect("a link"), Path::new(target));
                // Wherever it leads, it is inside: the operating system says so.
                let real = place.canonicalize();
                assert!(real.is_err() || real.is_ok_and(|real| real.starts_with(&root)));
            }
            _ => panic!("{path} is of a new kind"),
        }
    }
}

/// Everything below a directory: mode, and what is in a file or link.
pub(crate) fn found_below(directory: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(place) = pending.pop() {
        for child in fs::read_dir(place).expect("a directory") {
            let path = child.expect("a child").path();
            let name = path.strip_prefix(directory).expect("a path below");
            let name = name.to_str().expect("UTF-8").to_owned();
            let metadata = path.symlink_metadata().expect("metadata");
            let content = if metadata.is_symlink() {
                let target = fs::read_link(&path).expect("a link");
                target.into_os_string().into_encoded_bytes()
            } else if metadata.is_dir() {
                pending.push(path);
                Vec::new()
            } else {
                fs::read(&path).expect("a file")
            };
            found.insert(name, (metadata.permissions().mode(), content));
        }
    }
    found
}
