//! Archives out of inputs.

use std::borrow::Cow;
use std::collections::BTreeMap;

#[cfg(feature = "oci")]
use margo_conformance::corpus::input::replaced;
use margo_conformance::corpus::input::{line, parts};
#[cfg(feature = "oci")]
use margo_types::Digest;
use tar::{EntryType, Header};

/// The archive that an input describes, or the input as it is and, if that is another one, with the checksums of its headers made
/// right: hardly any change of a header leaves them so. Plain tar is read like `tar.gz`, so nothing need get through one of gzip.
pub(crate) fn forms(data: &[u8]) -> Vec<Cow<'_, [u8]>> {
    if let Some(archive) = described(data) {
        return vec![Cow::Owned(archive)];
    }
    let mended = with_checksums(data);
    let mut forms = vec![Cow::Borrowed(data)];
    if mended != data {
        forms.push(Cow::Owned(mended));
    }
    forms
}

/// The archive that an input describes: after the line `files` come its members, separated by
/// [`SEPARATOR`](margo_conformance::corpus::input::SEPARATOR). Each is a line and content:
///
/// - `path`: a file, with a line feed after its content; `path/`: a directory;
/// - `path -> target`: a symbolic link; `path = file`: a hard link;
/// - `path | inside`: an archive in the archive, with this file in it; all lines of the same `path` go into one.
fn described(data: &[u8]) -> Option<Vec<u8>> {
    let (form, members) = line(data);
    if form != "files" {
        return None;
    }
    let mut archive = Tar::default();
    let mut inner: BTreeMap<&str, Tar> = BTreeMap::new();
    for member in parts(members) {
        let (name, content) = line(member);
        let content = [content, b"\n"].concat();
        if let Some((path, target)) = name.split_once(" -> ") {
            archive.add(EntryType::Symlink, path, target, b"");
        } else if let Some((path, file)) = name.split_once(" = ") {
            archive.add(EntryType::Link, path, file, b"");
        } else if let Some((path, inside)) = name.split_once(" | ") {
            let inner = inner.entry(path).or_default();
            inner.add(EntryType::Regular, inside, "", &content);
        } else if name.ends_with('/') {
            archive.add(EntryType::Directory, name, "", b"");
        } else {
            archive.add(EntryType::Regular, name, "", &content);
        }
    }
    for (path, inner) in inner {
        archive.add(EntryType::Regular, path, "", &inner.end());
    }
    Some(archive.end())
}

/// The members of an input that refer to each other by digest: each is a line and content. After a member, `{1}` is the digest in
/// hexadecimal of the first one's content, and `{1 size}` its length; the member's own line may have its own digest.
#[cfg(feature = "oci")]
pub(crate) fn named(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut words: Vec<(String, String)> = Vec::new();
    let mut named = Vec::new();
    for (number, part) in (1..=MOST_NAMED).zip(parts(bytes)) {
        let (name, content) = line(part);
        let content = with_words(content, &words);
        words.push((format!("{{{number}}}"), Digest::of(&content).to_hex()));
        words.push((format!("{{{number} size}}"), content.len().to_string()));
        let name = with_words(name.as_bytes(), &words);
        named.push((String::from_utf8_lossy(&name).into_owned(), content));
    }
    named
}

#[cfg(feature = "oci")]
fn with_words(bytes: &[u8], words: &[(String, String)]) -> Vec<u8> {
    let bytes = bytes.to_vec();
    words.iter().fold(bytes, |bytes, (word, by)| {
        replaced(&bytes, word, by.as_bytes())
    })
}

/// A tar file with these members; `path -> target` is a link.
#[cfg(feature = "oci")]
pub(crate) fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Tar::default();
    for (name, content) in members {
        match name.split_once(" -> ") {
            Some((path, target)) => archive.add(EntryType::Symlink, path, target, b""),
            None => archive.add(EntryType::Regular, name, "", content),
        }
    }
    archive.end()
}

#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn add(&mut self, kind: EntryType, path: &str, link: &str, content: &[u8]) {
        let mut header = Header::new_ustar();
        let fields = header.as_old_mut();
        let put = |field: &mut [u8], text: &str| {
            let length = text.len().min(field.len());
            field[..length].copy_from_slice(&text.as_bytes()[..length]);
        };
        put(&mut fields.name, path);
        put(&mut fields.linkname, link);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let mut at = 0;
    while let Some(block) = bytes.get_mut(at..at + BLOCK)
        && block.iter().any(|byte| *byte != 0)
    {
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().copied().map(u32::from).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = String::from_utf8_lossy(&block[SIZE]);
        let size = usize::from_str_radix(digits.trim_matches(['\0', ' ']), 8);
        at += BLOCK + size.unwrap_or_default().next_multiple_of(BLOCK);
    }
    bytes
}

/// More members of an input are not looked at.
#[cfg(feature = "oci")]
const MOST_NAMED: usize = 32;
const BLOCK: usize = 512;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
