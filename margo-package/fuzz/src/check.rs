//! What is checked again and again.

use std::error::Error;
use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use margo_package::archive::{Contents, Entry, Limits};

/// Limits that inputs of a few kilobytes can exceed.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_packed_bytes = 1 << 16;
    limits.max_unpacked_bytes = 1 << 20;
    limits.ratio_free_bytes = 1 << 16;
    limits.max_file_bytes = 1 << 19;
    limits.max_members = 64;
    limits.max_path_bytes = 200;
    limits.max_depth = 12;
    limits.max_header_bytes = 1 << 12;
    limits
}

/// The index of an archive that was accepted keeps all promises.
pub(crate) fn check_contents(contents: &Contents, packed: &[u8]) {
    let limits = limits();
    let unpacked = unpacked(packed);
    let (length, whole) = (packed.len() as u64, unpacked.len() as u64);
    assert!(length <= limits.max_packed_bytes);
    assert!(whole <= limits.max_unpacked_bytes);
    assert!(whole <= limits.ratio_free_bytes.max(length * limits.max_ratio));
    assert!(contents.len() <= limits.max_members);
    let mut content = 0;
    for (path, entry) in contents.iter() {
        let is_name = |name| !matches!(name, "" | "." | "..");
        assert!(path.names().all(is_name), "{path}");
        assert!(path.names().count() <= limits.max_depth, "{path}");
        assert!(path.as_str().len() <= limits.max_path_bytes, "{path}");
        assert!(is_plain(path.as_str()), "{path:?}");
        if let Some(parent) = path.parent() {
            assert_eq!(contents.get(parent.as_str()), Some(&Entry::Directory));
        }
        match entry {
            Entry::File { bytes, .. } => {
                assert!(*bytes <= limits.max_file_bytes);
                content += bytes;
            }
            Entry::Symlink { target } => {
                assert!(!target.starts_with('/') && is_plain(target), "{target:?}");
            }
            Entry::HardLink { file } => {
                let file = contents.get(file.as_str());
                assert!(matches!(file, Some(Entry::File { .. })), "{file:?}");
            }
            _ => {}
        }
    }
    assert!(content <= whole, "{content} of {whole} bytes");
}

/// What an archive that was accepted is without its compression.
pub(crate) fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    if packed.first() == Some(&0x1f) {
        let mut decoder = MultiGzDecoder::new(packed);
        decoder.read_to_end(&mut unpacked).expect("a gzip stream");
    } else {
        unpacked.extend_from_slice(packed);
    }
    unpacked
}

/// Every reason is one line that can be shown, whatever is in the input.
pub(crate) fn check_error(error: &dyn Error) {
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let is_one_line = !text.chars().any(char::is_control);
        assert!(is_one_line && text.len() < 1 << 12, "{text:?}");
        next = error.source();
    }
}

/// Where to extract: in memory if that is possible and `TMPDIR` names no other place.
pub(crate) fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() && std::env::var_os("TMPDIR").is_none() {
        memory
    } else {
        std::env::temp_dir()
    }
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c == '\\' || c.is_control())
}
