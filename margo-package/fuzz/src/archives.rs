//! Archives and what is in them.
//!
//! Plain tar is read like `tar.gz`, so a mutation of a seed need not get through a checksum of gzip.

use std::io::Cursor;

use margo_package::archive::{ArchiveReader, Contents, Entry, Limits, Policy};
use margo_package::bundle::{self, BundleLimits};
use margo_package::chart::Chart;
use margo_package::compose::ComposeArchive;
use margo_types::Digest;
use margo_types::id::DeploymentId;
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};

/// An archive that is accepted keeps all promises about its index.
pub fn archive(data: &[u8]) {
    let policy = Policy::default().limits(limits());
    let Ok(reader) = ArchiveReader::new(data, policy) else {
        return;
    };
    if let Ok(contents) = reader.into_contents() {
        check(&contents);
    }
}

/// A bundle that is accepted holds the documents of its manifest, here all members of the archive.
pub fn bundle(data: &[u8]) {
    let mut references = Vec::new();
    let mut number = 0_u128;
    if let Ok(mut reader) = ArchiveReader::new(data, Policy::default().limits(limits())) {
        while let Ok(Some(mut member)) = reader.next_member() {
            let Ok(document) = member.read_to_end() else {
                break;
            };
            number += 1;
            let id = DeploymentId::from_uuid_bytes(number.to_be_bytes());
            references.push(DeploymentReference::new(id, Digest::of(&document), 0, "/"));
        }
    }
    let archive = BundleReference::new(Digest::of(data), 0, "/");
    let manifest = StateManifest::new(ManifestVersion::FIRST, Some(archive), references);
    let mut limits = BundleLimits::default();
    limits.max_unpacked_bytes = 1 << 20;
    if let Ok(documents) = bundle::read(data, &manifest, &limits) {
        assert_eq!(documents.len(), manifest.deployments.len());
        for reference in &manifest.deployments {
            let document = documents.get(&reference.deployment_id);
            assert_eq!(
                document.map(|bytes| Digest::of(bytes)),
                Some(reference.digest)
            );
        }
    }
}

/// A chart that is accepted can be walked through.
pub fn chart(data: &[u8]) {
    if let Ok(chart) = Chart::read(data, limits()) {
        for chart in chart.all() {
            assert!(!chart.metadata.name.is_empty());
            for finding in &chart.findings {
                assert!(!finding.to_string().is_empty());
            }
        }
    }
}

/// A compose archive, or bare compose file, that is accepted has a compose file in its directory.
pub fn compose(data: &[u8]) {
    if let Ok(archive) = ComposeArchive::open(Cursor::new(data), limits()) {
        check(archive.contents());
        assert!(archive.compose()["services"].is_object());
        let path = format!("{}/compose.yaml", archive.directory());
        assert!(archive.contents().get(&path).is_some());
    }
}

fn check(contents: &Contents) {
    for (path, entry) in contents.iter() {
        assert!(path.names().all(|name| !matches!(name, "" | "." | "..")));
        if let Some(parent) = path.parent() {
            assert_eq!(contents.get(parent.as_str()), Some(&Entry::Directory));
        }
        match entry {
            Entry::Symlink { target } => assert!(!target.starts_with('/')),
            Entry::HardLink { file } => {
                assert!(matches!(
                    contents.get(file.as_str()),
                    Some(Entry::File { .. })
                ));
            }
            _ => {}
        }
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_unpacked_bytes = 1 << 20;
    limits
}
