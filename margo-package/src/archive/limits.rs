//! How much of an archive is read, and what it may hold.

use std::fmt;

/// Bounds on one archive. The defaults suit application components; raise them for larger ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes read from the source: 256 MiB.
    pub max_packed_bytes: u64,
    /// The most bytes after decompression, headers and padding included: 1 GiB.
    pub max_unpacked_bytes: u64,
    /// The most bytes after decompression for each byte before it: 200. Deflate itself ends near 1030.
    ///
    /// Checked once [`Self::ratio_free_bytes`] are unpacked.
    pub max_ratio: u64,
    /// Below this many unpacked bytes the ratio is not checked, for the padding of small files compresses well: 16 MiB.
    pub ratio_free_bytes: u64,
    /// The most bytes in one file: 512 MiB.
    pub max_file_bytes: u64,
    /// The most members, counting header members and the directories that paths imply: 20,000.
    pub max_members: usize,
    /// The longest path, in bytes: 512. A single name is never longer than 255, which is what file systems take.
    pub max_path_bytes: usize,
    /// The most names in a path: 32.
    pub max_depth: usize,
    /// The longest header member (pax records, GNU long names), in bytes: 64 KiB.
    pub max_header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_packed_bytes: 256 << 20,
            max_unpacked_bytes: 1 << 30,
            max_ratio: 200,
            ratio_free_bytes: 16 << 20,
            max_file_bytes: 512 << 20,
            max_members: 20_000,
            max_path_bytes: 512,
            max_depth: 32,
            max_header_bytes: 64 << 10,
        }
    }
}

/// The limit that an archive exceeds, with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_packed_bytes`].
    PackedBytes(u64),
    /// [`Limits::max_unpacked_bytes`].
    UnpackedBytes(u64),
    /// [`Limits::max_ratio`].
    Ratio(u64),
    /// [`Limits::max_file_bytes`].
    FileBytes(u64),
    /// [`Limits::max_members`].
    Members(usize),
    /// [`Limits::max_header_bytes`].
    HeaderBytes(usize),
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::PackedBytes(limit) => write!(formatter, "{limit} bytes in all"),
            Self::UnpackedBytes(limit) => write!(formatter, "{limit} bytes when unpacked"),
            Self::Ratio(limit) => write!(formatter, "{limit} unpacked bytes for each packed byte"),
            Self::FileBytes(limit) => write!(formatter, "{limit} bytes in one file"),
            Self::Members(limit) => write!(formatter, "{limit} files, directories and links"),
            Self::HeaderBytes(limit) => write!(formatter, "{limit} bytes of headers of a member"),
        }
    }
}

/// What an archive may hold and how much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// How much.
    pub limits: Limits,
    /// Whether links are allowed.
    pub links: Links,
    /// What may be at the root.
    pub top_level: TopLevel,
}

impl Policy {
    /// The same policy with these limits.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same policy without links.
    #[must_use]
    pub const fn without_links(mut self) -> Self {
        self.links = Links::Refused;
        self
    }

    /// The same policy with everything below one directory.
    #[must_use]
    pub const fn one_top_directory(mut self) -> Self {
        self.top_level = TopLevel::OneDirectory;
        self
    }
}

/// Whether an archive may hold links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Links {
    /// Symbolic links that stay inside, and hard links to files earlier in the archive.
    #[default]
    Inside,
    /// None.
    Refused,
}

/// What an archive may have at its root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopLevel {
    /// Anything.
    #[default]
    Any,
    /// Exactly one directory, which also no link may leave.
    OneDirectory,
}
