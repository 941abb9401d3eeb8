//! How documents look in each generation.
//!
//! The model follows the newest generation, so its own serde form is that generation's. Each older
//! generation has private serde types with two fallible conversions: into the model, and out of it.

mod convert;
mod device;
mod drift;
mod pre_draft;
mod rc1;
mod roles;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::rc1::problem::modernise;
use crate::document::Format;
use crate::read::deserializer::{Misfit, from_node};
use crate::read::node::Node;
use crate::version::SpecVersion;
use crate::wire::convert::OlderForm;
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
    crate::trust::DiscoveryDocument,
    crate::trust::TrustBundle,
    crate::oci::PackageManifest,
    crate::oci::TagList,
}

/// Documents with a form of their own in each generation before the newest.
macro_rules! differs_in_older_generations {
    ($($type:ty: $form:ident,)*) => {$(
        impl Versioned for $type {
            fn from_tree(tree: &Node<'_>, generation: SpecVersion) -> Result<Self, Misfit> {
                match generation {
                    SpecVersion::PreDraft => Ok(from_node::<pre_draft::$form>(tree)?.into_model()?),
                    SpecVersion::Rc1 => Ok(from_node::<rc1::$form>(tree)?.into_model()?),
                    SpecVersion::Rc3 => from_node(tree),
                }
            }

            fn to_text(&self, generation: SpecVersion, format: Format) -> Result<String, WriteError> {
                match generation {
                    SpecVersion::PreDraft => to_text(&pre_draft::$form::from_model(self)?, format),
                    SpecVersion::Rc1 => to_text(&rc1::$form::from_model(self)?, format),
                    SpecVersion::Rc3 => to_text(self, format),
                }
            }

            #[cfg(feature = "schema")]
            fn schema(generation: SpecVersion) -> Option<schemars::Schema> {
                Some(match generation {
                    SpecVersion::PreDraft => pre_draft::$form::schema(generation),
                    SpecVersion::Rc1 => rc1::$form::schema(generation),
                    SpecVersion::Rc3 => crate::schema::of::<Self>(),
                })
            }
        }
    )*};
}

differs_in_older_generations! {
    crate::application::ApplicationDescription: Description,
    crate::deployment::ApplicationDeployment: Deployment,
}
