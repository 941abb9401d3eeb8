//! The application description of the pre-draft (rc1-and-pre-draft.md section 18.2).
//!
//! The layout is the one that rc.1 took over, with `kind: application`. Profiles have no id: the first is
//! called `helm-1` or `compose-1` by its type, the second `helm-2` or `compose-2`, and these names are left
//! out again. Another id is written as a member that a reader of the time does not know.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::refuse_oci_archive;
use crate::application::{ApplicationDescription, DeploymentType};
use crate::version::SpecVersion;
use crate::wire::convert::{OlderForm, Place, Rejected, path};
use crate::wire::rc1::component::read_type;
use crate::wire::rc1::description::ComposeComponents;
use crate::wire::rc1::{self, pointer};
use crate::write::Unrepresentable;

/// An application description.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Description(rc1::Description);

impl OlderForm for Description {
    type Model = ApplicationDescription;

    fn into_model(mut self) -> Result<ApplicationDescription, Rejected> {
        let profiles = &mut self.0.deployment_profiles;
        let given: BTreeSet<_> = profiles
            .iter()
            .filter_map(|profile| profile.id.clone())
            .collect();
        for (index, profile) in profiles.iter_mut().enumerate() {
            if profile.id.is_some() {
                continue;
            }
            let id = derived_id(&read_type(&profile.deployment_type), index);
            if given.contains(&id) {
                return Err(Rejected {
                    path: path(&["deploymentProfiles"]).index(index),
                    why: format!(
                        "the profile has no id and would be called {id}, which is the id of another; give it one"
                    ),
                });
            }
            profile.id = Some(id);
        }
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

/// The id of a profile that has none.
fn derived_id(deployment_type: &DeploymentType, index: usize) -> String {
    format!("{deployment_type}-{}", index + 1)
}
