//! Application packages: a description and the files it refers to (rc3.md sections 1.2 and 8).
//!
//! The same value comes from a directory and from an OCI registry, and always keeps the exact bytes.

mod check;
mod directory;
mod manifest;
mod path;
mod resource;

use std::collections::BTreeMap;
use std::sync::Arc;

use margo_types::application::ApplicationDescription;
use margo_types::{Exact, ReadError};

pub use self::manifest::{Artifact, Blob};
pub use self::path::PackagePath;
pub use self::resource::{Resource, ResourceRole};

/// An application package.
#[derive(Clone, Debug)]
pub struct ApplicationPackage {
    description: Exact<ApplicationDescription>,
    resources: BTreeMap<ResourceRole, Resource>,
}

impl ApplicationPackage {
    /// The application description.
    pub fn description(&self) -> &Exact<ApplicationDescription> {
        &self.description
    }

    /// The files the description refers to, by what it uses them for.
    pub fn resources(&self) -> &BTreeMap<ResourceRole, Resource> {
        &self.resources
    }

    /// The version of the application, which is also the tag of the package.
    pub fn version(&self) -> &str {
        &self.description.value().metadata.version
    }
}

/// How much a package may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackageLimits {
    /// The longest description, in bytes: 1 MiB.
    pub description: usize,
    /// The longest resource file, in bytes: 16 MiB.
    pub resource: usize,
}

impl Default for PackageLimits {
    fn default() -> Self {
        Self {
            description: 1 << 20,
            resource: 16 << 20,
        }
    }
}

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The package has no description.
    #[error("{place} has no application description; put margo.yaml at its root")]
    NoDescription {
        /// The directory or artefact.
        place: String,
    },
    /// The description cannot be read.
    #[error("{place}: the application description cannot be read")]
    Description {
        /// The file or blob.
        place: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// A resource named by the description cannot be used.
    #[error("{path}, named by metadata.catalog.application.{member}, {why}")]
    Resource {
        /// The path as the description has it.
        path: String,
        /// The member of the description.
        member: &'static str,
        /// What is wrong and what to do.
        why: String,
    },
    /// The manifest is not that of an application package.
    #[error("{place} is not an application package: {why}")]
    Manifest {
        /// The artefact.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("{place}: cannot be read")]
    Io {
        /// The file.
        place: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The bytes of a file, shared.
pub(crate) type FileBytes = Arc<[u8]>;

/// The name of the description in every package.
pub const DESCRIPTION_FILE: &str = "margo.yaml";
