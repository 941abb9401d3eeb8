//! The pre-draft of 2024 (rc1-and-pre-draft.md part III).

pub(super) mod capabilities;
mod deployment;
mod description;
mod gigabytes;
pub(super) mod status;

pub(crate) use deployment::Deployment;
pub(crate) use description::Description;

use crate::application::Component;
use crate::wire::convert::Place;
use crate::write::Unrepresentable;

/// Compose archives are at a URL here, not in a registry.
fn refuse_oci_archive(components: &[Component], profile: &Place) -> Result<(), Unrepresentable> {
    for (index, component) in components.iter().enumerate() {
        let place = profile.key("components").index(index).key("properties");
        let properties = &component.properties;
        let in_registry = [
            ("repository", properties.repository.is_some()),
            ("revision", properties.revision.is_some()),
        ];
        for (key, is_there) in in_registry {
            if is_there {
                let why =
                    "Compose archives are downloaded from a URL; offer one as packageLocation";
                return Err(place.key(key).refuse(why));
            }
        }
    }
    Ok(())
}
