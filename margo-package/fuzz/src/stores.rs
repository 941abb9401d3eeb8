//! Stores of artefacts: what is said of all of them, and layouts to read.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use margo_package::oci::{ArtifactStore, OciError, Reference};
use margo_types::Digest;
use tokio::runtime::Runtime;

/// What was found, or nothing for an error that can be shown and does not blame the caller.
pub(crate) fn found<T>(result: Result<T, OciError>) -> Option<T> {
    let error = match result {
        Ok(found) => return Some(found),
        Err(error) => error,
    };
    let is_ours = matches!(error, OciError::Misused { .. });
    assert!(!is_ours, "{error} blames the caller");
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = next {
        check_line(&error.to_string());
        next = error.source();
    }
    None
}

/// What is said of others' bytes is one line that can be shown, and not a long one.
pub(crate) fn check_line(text: &str) {
    let is_one_line = !text.chars().any(char::is_control);
    assert!(is_one_line && text.len() < 1 << 16, "{text:?}");
}

/// Whatever a store hands out is what was asked for.
pub(crate) async fn check_reading(store: &dyn ArtifactStore, references: &[Reference]) {
    for reference in references.iter().take(MOST_READ) {
        if let Some(tags) = found(store.tags(reference).await) {
            assert!(tags.is_sorted_by(|one, next| one < next), "{tags:?}");
        }
        let Some(manifest) = found(store.pull_manifest(reference).await) else {
            continue;
        };
        let digest = Digest::of(manifest.bytes());
        assert_eq!(manifest.digest(), digest);
        assert!(reference.digest().is_none_or(|asked| asked == digest));
        for blob in manifest.blobs().into_iter().take(MOST_READ) {
            let mut sink = Vec::new();
            let pulled = store.pull_blob(reference, blob, &mut sink).await;
            assert!(sink.len() as u64 <= blob.size, "{} bytes", sink.len());
            if found(pulled).is_some() {
                assert_eq!(sink.len() as u64, blob.size);
                assert_eq!(Digest::of(&sink), blob.digest);
            }
        }
        found(store.referrers(reference, digest, None).await);
    }
}

/// Puts members into a folder, as far as a file system takes them, and never beside it. `path -> target` is a link.
pub(crate) fn lay_out(folder: &Path, members: &[(String, Vec<u8>)]) {
    fs::create_dir_all(folder).expect("a folder");
    for (name, content) in members {
        let (path, target) = match name.split_once(" -> ") {
            Some((path, target)) => (path, Some(target)),
            None => (name.as_str(), None),
        };
        let Some(place) = place_in(folder, path) else {
            continue;
        };
        // A name that no file system takes is not there.
        let _ = match target {
            Some(target) => std::os::unix::fs::symlink(target, place),
            None => fs::write(place, content),
        };
    }
}

/// A new place below the folder, reached through no link.
fn place_in(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut place = folder.to_owned();
    let mut names = Path::new(path).components().peekable();
    while let Some(name) = names.next() {
        let Component::Normal(name) = name else {
            return None;
        };
        place.push(name);
        let there = place.symlink_metadata();
        match there {
            _ if names.peek().is_none() => return there.is_err().then_some(place),
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return None,
            Err(_) => fs::create_dir(&place).ok()?,
        }
    }
    None
}

pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
});

/// More of a kind is not looked at.
const MOST_READ: usize = 8;
