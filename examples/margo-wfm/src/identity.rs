//! Who the fleet manager is: its files, and a trust domain to try things out with.

mod development;
mod files;

pub use self::development::{DevelopmentDomain, IssuedFiles};
pub(crate) use self::files::IdentityFiles;
