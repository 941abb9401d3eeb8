#![cfg_attr(docsrs, feature(doc_cfg))]
//! Application packages and compose archives of Margo, the Linux Foundation standard for edge interoperability.
//!
//! Everything that travels as an archive is read here as if its maker were hostile and built so that the
//! same input gives the same bytes on every machine:
//!
//! - [`package`]: an application description and the files it refers to;
//! - [`lint`]: what the specification allows and a careful engineer would not do;
//! - [`instantiate`]: from a description and answers to a deployment;
//! - [`archive`]: hardened reading and extraction of `tar.gz`, and deterministic building;
//! - [`bundle`]: all deployments of a state manifest in one archive;
//! - [`compose`]: the archive of a Compose component;
//! - [`chart`]: Helm charts, and what in them the specification forbids;
//! - `oci`, `publish` and `signature` (feature `oci`): registries and layouts, whole packages and components in them,
//!   signatures.
//!
//! The APIs are synchronous over [`std::io`]: run them on a blocking thread of an asynchronous program.
//!
//! ```
//! use margo_package::archive::{Extractor, Policy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let place = tempfile::tempdir()?;
//! # let tree = place.path().join("tree");
//! # std::fs::create_dir(&tree)?;
//! # std::fs::write(tree.join("hello.txt"), "hello")?;
//! let mut packed = Vec::new();
//! margo_package::archive::pack_directory(&tree, None, &Policy::default(), &mut packed)?;
//!
//! let destination = place.path().join("unpacked");
//! let contents = Extractor::new(Policy::default()).extract(&packed[..], &destination)?;
//! assert!(contents.get("hello.txt").is_some());
//! # Ok(())
//! # }
//! ```

pub mod archive;
mod blame;
pub mod bundle;
pub mod chart;
pub mod compose;
mod digest_reader;
pub mod instantiate;
mod line;
pub mod lint;
#[cfg(feature = "oci")]
pub mod oci;
pub mod package;
#[cfg(feature = "oci")]
pub mod publish;
#[cfg(feature = "oci")]
pub mod signature;

pub use blame::Blame;
pub use digest_reader::DigestReader;
