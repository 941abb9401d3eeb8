//! The application deployment of the pre-draft (rc1-and-pre-draft.md section 18.1).
//!
//! The layout is the one that rc.1 took over; spelled differently are `docker-compose` and the pointers
//! `ENV.NAME`. The oldest form has the ids directly in `metadata`, parameters with a `name` of their own
//! (kept among the unknown members) and neither name nor namespace of the deployment: the name is then the
//! application's id, or that of the deployment.
//!
//! A Helm deployment of this generation has no mark of its own and is taken for one of rc.1 unless the
//! reader is told; both mean the same.

use serde::{Deserialize, Serialize};

use super::refuse_oci_archive;
use crate::application::DeploymentType;
use crate::deployment::ApplicationDeployment;
use crate::id::{ApplicationId, DeploymentId};
use crate::version::SpecVersion;
use crate::wire::convert::{OlderForm, Place, Rejected};
use crate::wire::rc1::{self, pointer};
use crate::write::Unrepresentable;

/// An application deployment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Deployment(rc1::Deployment);

impl OlderForm for Deployment {
    type Model = ApplicationDeployment;

    fn into_model(mut self) -> Result<ApplicationDeployment, Rejected> {
        if self.0.metadata.name.is_none() {
            let application_id = self.0.find_application_id()?;
            let name = derived_name(self.0.find_id()?, application_id.as_ref());
            self.0.metadata.name = Some(name);
        }
        self.0.into_model()
    }

    fn from_model(model: &ApplicationDeployment) -> Result<Self, Unrepresentable> {
        let profile = &model.spec.deployment_profile;
        let place = Place::root(SpecVersion::PreDraft)
            .key("spec")
            .key("deploymentProfile");
        if profile.device_constraints.is_some() {
            return Err(place.key("deviceConstraints").refuse(
                "a deployment says nothing of devices; check the device first, then remove them",
            ));
        }
        let mut form = rc1::Deployment::from_model_for(model, SpecVersion::PreDraft)?;
        if profile.deployment_type == DeploymentType::Compose {
            refuse_oci_archive(&profile.components, &place)?;
            "docker-compose".clone_into(&mut form.spec.deployment_profile.deployment_type);
            let values = form.spec.parameters.values_mut();
            values
                .flat_map(|value| &mut value.targets)
                .for_each(pointer::add_prefix);
        }
        let derived = derived_name(model.id, model.spec.application_id.as_ref());
        if form.metadata.namespace.is_none() && form.metadata.name.as_ref() == Some(&derived) {
            form.metadata.name = None;
        }
        Ok(Self(form))
    }
}

/// The name of a deployment that has none.
fn derived_name(id: DeploymentId, application_id: Option<&ApplicationId>) -> String {
    application_id.map_or_else(|| id.to_string(), ToString::to_string)
}
