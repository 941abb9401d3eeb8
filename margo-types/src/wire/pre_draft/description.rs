//! The application description of the pre-draft (rc1-and-pre-draft.md section 18.2).
//!
//! The layout is the one that rc.1 took over, with `kind: application`, `docker-compose` and pointers
//! `ENV.NAME`. Profiles have no id, so the ids that readers give them are left out again; another id is
//! written as a member that a reader of the time does not know.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::refuse_oci_archive;
use crate::application::{ApplicationDescription, DeploymentType};
use crate::version::SpecVersion;
use crate::wire::convert::{OlderForm, Place, Rejected};
use crate::wire::rc1::description::{ComposeComponents, derived_id};
use crate::wire::rc1::{self, pointer};
use crate::write::Unrepresentable;

/// An application description.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Description(rc1::Description);

impl OlderForm for Description {
    type Model = ApplicationDescription;

    fn into_model(self) -> Result<ApplicationDescription, Rejected> {
        self.0.into_model()
    }

    fn from_model(model: &ApplicationDescription) -> Result<Self, Unrepresentable> {
        let place = Place::root(SpecVersion::PreDraft).key("deploymentProfiles");
        let mut ids = BTreeSet::new();
        for (index, profile) in model.deployment_profiles.iter().enumerate() {
            let place = place.index(index);
            if !ids.insert(&profile.id) {
                let why = "the id is that of an earlier profile; give each its own";
                return Err(place.key("id").refuse(why));
            }
            if profile.device_constraints.is_some() {
                let why =
                    "a profile says nothing of devices; remove them or write a newer generation";
                return Err(place.key("deviceConstraints").refuse(why));
            }
            if profile.deployment_type == DeploymentType::Compose {
                refuse_oci_archive(&profile.components, &place)?;
            }
        }
        let mut form = rc1::Description::from_model_for(model, SpecVersion::PreDraft)?;
        form.kind = Some("application".to_owned());
        let profiles = form
            .deployment_profiles
            .iter_mut()
            .zip(&model.deployment_profiles);
        for (index, (profile, of_model)) in profiles.enumerate() {
            if of_model.deployment_type == DeploymentType::Compose {
                "docker-compose".clone_into(&mut profile.deployment_type);
            }
            if of_model.id == derived_id(&of_model.deployment_type, index) {
                profile.id = None;
            }
        }
        let compose = ComposeComponents::of(&model.deployment_profiles);
        let parameters = form.parameters.values_mut();
        parameters
            .flat_map(|parameter| &mut parameter.targets)
            .filter(|target| compose.are_those_of(target))
            .for_each(pointer::add_prefix);
        Ok(Self(form))
    }
}
