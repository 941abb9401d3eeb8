//! What a Compose component is delivered as.

use crate::archive::is_tar_header;

/// The forms that the generations deliver a Compose component in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ComposeSource {
    /// A `tar.gz` or plain tar archive: every generation.
    Archive,
    /// The compose file alone, behind a `packageLocation` of rc.1.
    BareFile,
}

impl ComposeSource {
    /// Tells the form by the first bytes of the content; 512 are enough.
    ///
    /// What is no archive is taken for a bare file, and reading it as YAML will say if it is none.
    pub fn detect(head: &[u8]) -> Self {
        if head.starts_with(GZIP) || is_tar_header(head) {
            Self::Archive
        } else {
            Self::BareFile
        }
    }
}

const GZIP: &[u8] = &[0x1f, 0x8b];
