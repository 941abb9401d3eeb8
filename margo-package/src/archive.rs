//! Archives of strangers: hardened reading and extraction of tar and tar.gz, and deterministic building.
//!
//! The specification wants archives validated before they are extracted: no link out of the directory, no
//! absolute path, no `..`, special permission bits dropped and permissions normalised (rc3.md section 8).
//! This module goes further, because an archive is the largest thing a device reads from a peer:
//!
//! - **Bounded.** [`Limits`] bound the bytes before and after decompression, their ratio, the number of members,
//!   the length and depth of paths and the headers. All of them are checked while streaming, so a bomb costs
//!   no more than the limit. Memory is one buffer and an index of paths, which [`Limits::max_members`] bounds.
//! - **One meaning.** Whatever two tar programs may read differently is refused: a member that appears twice, a path
//!   through something that is no directory, a link or directory with content, sparse members, sizes and
//!   names given twice or in headers that nothing marks as such, names that are not UTF-8, padding that is not zero,
//!   a missing end mark, bytes after the end.
//!   Several gzip members in a row are one stream (RFC 1952 section 2.2), as every tar program reads them.
//! - **Contained.** [`Extractor`] says why nothing can be written outside and nothing is left behind.
//! - **Reproducible.** [`pack_directory`] and [`ArchiveWriter`] give the same bytes for the same input, whatever the order
//!   of the file system, the umask, the clock, the user or the locale.

mod build;
mod contents;
mod error;
mod extract;
mod header;
mod limits;
mod links;
mod path;
mod reader;
mod stream;

pub use self::build::{ArchiveWriter, BuildError, pack_directory};
pub use self::contents::{Contents, Entry};
pub use self::error::{ArchiveError, Refusal};
pub use self::extract::{Durability, Extractor, Staged};
pub use self::limits::{Limit, Limits, Links, Policy, TopLevel};
pub use self::path::{InvalidPath, MemberPath};
pub use self::reader::{ArchiveReader, Member};

pub(crate) use self::build::{measure_directory, pack_measured};
pub(crate) use self::header::is_tar_header;
pub(crate) use self::links::Resolved;
