//! Which form the documents between a device and its fleet manager have in which generation.

use crate::capabilities::DeviceCapabilities;
use crate::document::Format;
use crate::manifest::StateManifest;
use crate::onboarding::{CaCertificate, OnboardingRequest, OnboardingResponse};
use crate::problem::Problem;
use crate::read::deserializer::{Misfit, from_node};
use crate::read::node::Node;
#[cfg(feature = "schema")]
use crate::schema::older;
use crate::status::DeploymentStatus;
use crate::version::SpecVersion;
use crate::wire::{Versioned, pre_draft, rc1};
use crate::write::{Unrepresentable, WriteError, to_text};

impl Versioned for DeviceCapabilities {
    fn from_tree(tree: &Node<'_>, generation: SpecVersion) -> Result<Self, Misfit> {
        Ok(match generation {
            SpecVersion::PreDraft => {
                from_node::<pre_draft::capabilities::Manifest>(tree)?.try_into()?
            }
            SpecVersion::Rc1 => from_node::<rc1::capabilities::Manifest>(tree)?.try_into()?,
            SpecVersion::Rc3 => from_node(tree)?,
        })
    }

    fn to_text(&self, generation: SpecVersion, format: Format) -> Result<String, WriteError> {
        match generation {
            SpecVersion::PreDraft => to_text(&pre_draft::capabilities::write(self)?, format),
            SpecVersion::Rc1 => to_text(&rc1::capabilities::write(self)?, format),
            SpecVersion::Rc3 => to_text(self, format),
        }
    }

    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> Option<schemars::Schema> {
        Some(match generation {
            SpecVersion::PreDraft => older::of::<pre_draft::capabilities::Manifest>(generation),
            SpecVersion::Rc1 => older::of::<rc1::capabilities::Manifest>(generation),
            SpecVersion::Rc3 => crate::schema::of::<Self>(),
        })
    }
}

impl Versioned for DeploymentStatus {
    fn from_tree(tree: &Node<'_>, generation: SpecVersion) -> Result<Self, Misfit> {
        Ok(match generation {
            SpecVersion::PreDraft => pre_draft::status::read(from_node(tree)?),
            SpecVersion::Rc1 => rc1::status::read(from_node(tree)?),
            SpecVersion::Rc3 => from_node(tree)?,
        })
    }

    fn to_text(&self, generation: SpecVersion, format: Format) -> Result<String, WriteError> {
        match generation {
            SpecVersion::PreDraft => to_text(&pre_draft::status::write(self)?, format),
            SpecVersion::Rc1 => to_text(&rc1::status::write(self)?, format),
            SpecVersion::Rc3 => to_text(self, format),
        }
    }

    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> Option<schemars::Schema> {
        Some(match generation {
            SpecVersion::PreDraft | SpecVersion::Rc1 => {
                older::of::<rc1::status::Report>(generation)
            }
            SpecVersion::Rc3 => crate::schema::of::<Self>(),
        })
    }
}

impl Versioned for StateManifest {
    fn from_tree(tree: &Node<'_>, generation: SpecVersion) -> Result<Self, Misfit> {
        match generation {
            SpecVersion::PreDraft | SpecVersion::Rc1 => {
                from_node::<rc1::manifest::Rc1Manifest>(tree).map(Into::into)
            }
            SpecVersion::Rc3 => from_node(tree),
        }
    }

    fn to_text(&self, generation: SpecVersion, format: Format) -> Result<String, WriteError> {
        if generation == SpecVersion::PreDraft {
            let why = "it delivers deployments as files of a Git repository and has no manifest; write \
                       the deployments";
            return Err(Unrepresentable::new("manifestVersion", generation, why).into());
        }
        to_text(self, format)
    }

    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> Option<schemars::Schema> {
        match generation {
            SpecVersion::PreDraft => None,
            SpecVersion::Rc1 => Some(older::of::<rc1::manifest::Rc1Manifest>(generation)),
            SpecVersion::Rc3 => Some(crate::schema::of::<Self>()),
        }
    }
}

impl Versioned for OnboardingRequest {
    fn from_tree(tree: &Node<'_>, _: SpecVersion) -> Result<Self, Misfit> {
        Ok(from_node::<rc1::onboarding::Request>(tree)?.try_into()?)
    }

    fn to_text(&self, generation: SpecVersion, format: Format) -> Result<String, WriteError> {
        rc1::onboarding::must_exist_in(generation, "certificate")?;
        to_text(&rc1::onboarding::write(self)?, format)
    }

    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> Option<schemars::Schema> {
        (generation == SpecVersion::Rc1).then(|| older::of::<rc1::onboarding::Request>(generation))
    }
}

impl Versioned for OnboardingResponse {
    fn from_tree(tree: &Node<'_>, _: SpecVersion) -> Result<Self, Misfit> {
        Ok(from_node::<rc1::onboarding::Response>(tree)?.try_into()?)
    }

    fn to_text(&self, generation: SpecVersion, format: Format) -> Result<String, WriteError> {
        rc1::onboarding::must_exist_in(generation, "clientId")?;
        to_text(self, format)
    }

    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> Option<schemars::Schema> {
        (generation == SpecVersion::Rc1).then(|| older::of::<rc1::onboarding::Response>(generation))
    }
}

/// The pre-draft and rc.1 have the same; the newest generation has none, and reading one does no harm.
impl Versioned for CaCertificate {
    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> Option<schemars::Schema> {
        (generation != SpecVersion::Rc3).then(|| older::of::<Self>(generation))
    }
}

impl Versioned for Problem {
    /// Every generation may meet the problem URIs of another: they stay valid for two major versions.
    fn from_tree(tree: &Node<'_>, _: SpecVersion) -> Result<Self, Misfit> {
        from_node(tree).map(rc1::problem::modernise)
    }

    fn to_text(&self, generation: SpecVersion, format: Format) -> Result<String, WriteError> {
        match generation {
            SpecVersion::PreDraft | SpecVersion::Rc1 => to_text(&rc1::problem::write(self), format),
            SpecVersion::Rc3 => to_text(self, format),
        }
    }

    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> Option<schemars::Schema> {
        match generation {
            SpecVersion::PreDraft => None,
            SpecVersion::Rc1 => Some(older::of::<Self>(generation)),
            SpecVersion::Rc3 => Some(crate::schema::of::<Self>()),
        }
    }
}
