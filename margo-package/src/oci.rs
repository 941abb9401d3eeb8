//! Registries and image layouts: where packages, components and charts are kept (rc3.md section 8).
//!
//! | type | what it is |
//! |---|---|
//! | [`Reference`] | the address of an artefact |
//! | [`ArtifactStore`] | what a place that holds artefacts can do |
//! | [`Client`] | registries, over the OCI distribution API 1.1 |
//! | [`LayoutDirectory`], [`LayoutArchive`] | an OCI image layout in a folder or one tar file, for sites without a network |
//! | [`Registries`] | how a configuration file says which registries are reached how |
//! | [`Manifest`] | a manifest with its exact bytes |
//! | [`Observed`] | a store that says how far its transfers are |
//! | [`transfer`] | copies between stores, downloads to files |
//!
//! Only SHA-256 digests are supported, as the specification requires no other (rc3.md section 3.3).

mod blob;
mod client;
mod credentials;
mod docker_config;
mod error;
mod index;
mod layout;
mod layout_archive;
mod manifest;
mod progress;
mod reference;
mod registries;
mod retry;
mod secret;
mod store;
pub mod transfer;

pub use self::blob::{BlobSource, OneShot};
pub use self::client::{Client, ClientBuilder, Timeouts};
pub use self::credentials::{Anonymous, CredentialSource, Credentials, StaticCredentials};
pub use self::docker_config::DockerConfig;
pub use self::error::{Failure, Misbehaviour, OciError, Place, Refusal};
pub use self::layout::LayoutDirectory;
pub use self::layout_archive::LayoutArchive;
pub use self::manifest::{Manifest, ManifestError};
pub use self::progress::{Observed, Progress};
pub use self::reference::{InvalidReference, Reference};
pub use self::registries::{Registries, RegistriesError, RegistryAccess};
pub use self::retry::RetryPolicy;
pub use self::secret::Secret;
pub use self::store::{ArtifactStore, Pushed};
