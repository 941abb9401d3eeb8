//! How the manifests in a layout's index are named.

use std::collections::BTreeMap;

use crate::oci::index::{Entry, Index};
use crate::oci::reference::{Reference, is_tag};

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";
const ANY_REPOSITORY: &str = "localhost/artefact";

/// The entry with the reference's tag.
pub(super) fn find<'a>(index: &'a Index, reference: &Reference) -> Option<&'a Entry> {
    let tag = reference.tag()?;
    let mut entries = index.manifests.iter();
    entries.find(|entry| tag_of(entry, reference).as_deref() == Some(tag))
}

/// The tag that an entry has in the reference's repository.
pub(super) fn tag_of(entry: &Entry, reference: &Reference) -> Option<String> {
    let in_repository = |name: &str| {
        let named = Reference::parse(name).ok()?;
        (named.name() == reference.name()).then(|| named.tag().map(str::to_owned))?
    };
    if let Some(full) = entry.annotations.get(FULL_NAME) {
        return in_repository(full);
    }
    let name = entry.annotations.get(REF_NAME)?;
    if is_tag(name) {
        Some(name.clone())
    } else {
        in_repository(name)
    }
}

/// The reference of an entry. One without a full name answers for every repository, so any will do.
pub(super) fn reference_of(entry: &Entry) -> Option<Reference> {
    let full = entry.annotations.get(FULL_NAME);
    let short = entry.annotations.get(REF_NAME);
    let named = full.or(short).and_then(|name| Reference::parse(name).ok());
    // A name alone says nothing of which manifest.
    let named = named.filter(|named| named.tag().is_some() || named.digest().is_some());
    let tagged = || Reference::parse(&format!("{ANY_REPOSITORY}:{}", short?)).ok();
    let bare = || Reference::parse(&format!("{ANY_REPOSITORY}@{}", entry.digest)).ok();
    named.or_else(tagged).or_else(bare)
}

/// Puts an entry into the index; its name, if it gets one, is taken from whoever had it.
pub(super) fn insert(index: &mut Index, mut entry: Entry, reference: &Reference) {
    let named = reference.tag().is_some();
    if let Some(tag) = reference.tag() {
        index
            .manifests
            .retain(|other| tag_of(other, reference).as_deref() != Some(tag));
        entry.annotations = BTreeMap::from([
            (REF_NAME.to_owned(), tag.to_owned()),
            (FULL_NAME.to_owned(), format!("{}:{tag}", reference.name())),
        ]);
    }
    let is_there = index
        .manifests
        .iter()
        .any(|other| other.digest == entry.digest);
    if named || !is_there {
        index.manifests.push(entry);
    }
}
