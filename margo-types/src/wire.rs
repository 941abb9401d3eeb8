//! How documents look in each generation.
//!
//! The model follows the newest generation, so its own serde form is that generation's. Each older
//! generation has private serde types with two fallible conversions: into the model, and out of it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::document::Format;
use crate::read::deserializer::{Misfit, from_node};
use crate::read::node::Node;
use crate::version::SpecVersion;
use crate::write::{WriteError, to_text};

/// A document that can be read and written in every generation that has it.
pub(crate) trait Versioned:
    Serialize + DeserializeOwned + crate::validate::Validate
{
    /// Reads the document from the shape of a generation.
    fn from_tree(tree: &Node<'_>, _: SpecVersion) -> Result<Self, Misfit> {
        from_node(tree)
    }

    /// Writes the document in the shape of a generation.
    fn to_text(&self, _: SpecVersion, format: Format) -> Result<String, WriteError> {
        to_text(self, format)
    }

    /// The JSON Schema of the document in a generation; `None` where that generation does not have it.
    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> Option<schemars::Schema>
    where
        Self: schemars::JsonSchema,
    {
        (generation == SpecVersion::NEWEST).then(crate::schema::of::<Self>)
    }
}

/// Documents that look the same in every generation that has them.
macro_rules! same_in_all_generations {
    ($($type:ty,)*) => {
        $(impl Versioned for $type {})*
    };
}

same_in_all_generations! {
    crate::application::ApplicationDescription,
    crate::deployment::ApplicationDeployment,
    crate::manifest::StateManifest,
    crate::capabilities::DeviceCapabilities,
    crate::status::DeploymentStatus,
    crate::problem::Problem,
    crate::trust::DiscoveryDocument,
    crate::trust::TrustBundle,
    crate::oci::PackageManifest,
    crate::oci::TagList,
}

/// Documents of the signed generation only.
macro_rules! only_in_rc1 {
    ($($type:ty,)*) => {$(
        impl Versioned for $type {
            #[cfg(feature = "schema")]
            fn schema(generation: SpecVersion) -> Option<schemars::Schema> {
                (generation == SpecVersion::Rc1).then(crate::schema::of::<Self>)
            }
        }
    )*};
}

only_in_rc1! {
    crate::onboarding::OnboardingRequest,
    crate::onboarding::OnboardingResponse,
    crate::onboarding::CaCertificate,
}
