//! Deployment bundles: all deployments of a state manifest in one archive (rc3.md sections 3.2 and 3.3).
//!
//! A bundle is a `tar.gz` with one YAML file for each deployment at its root, exactly those that the manifest refers to.
//! How the files are called is not specified (rc3.md ambiguity 30): [`build`] writes `<deploymentId>.yaml`, the one name
//! that known clients accept, and [`read`] ignores names and goes by digests.
//!
//! That the `id` inside a deployment is the `deploymentId` of its reference is for whoever parses the document to check:
//! here only bytes are compared.

mod build;
mod read;

pub use self::build::{Bundle, BundleBuildError, build};
pub use self::read::{BundleError, BundleLimits, read};
