//! The application deployment of the signed generation (rc1-and-pre-draft.md section 10.1).
//!
//! The published copies disagree on almost every place and spelling (rc1-and-pre-draft.md ambiguities 44 to
//! 49), and the reference fleet manager sends another mixture. All of them are read. Written is the form of
//! the state-manifest text, the only one with complete examples: `application.margo.org/v1alpha1`, the ids
//! under `metadata.annotations`, `helm.v3` and `compose`, properties as texts (`wait: "true"`).
//!
//! What this generation has no word for:
//! - A client is one device, so a plain target device is implied. It is kept as the annotation `deviceId`,
//!   beside the other two ids; annotations are free texts. Devices behind a gateway cannot be meant.
//! - Device constraints are written as `requiredResources` of the profile. The fleet manager places
//!   deployments here, so a client that does not know the member is not misled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::component::{Component, WaitSpelling, read_type, spell_type};
use super::pointer;
use super::required_resources::{RequiredResources, constraints_of};
use crate::application::{DeploymentType, DeviceConstraints};
use crate::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec, ParameterValue,
};
use crate::extra::Extra;
use crate::id::{ApplicationId, DeploymentId, DeviceTarget};
use crate::version::SpecVersion;
use crate::wire::convert::{
    OlderForm, Place, Rejected, agreed, keep_annotations, path, take_annotations,
};
use crate::write::Unrepresentable;

/// An application deployment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::older::any_present("id metadata.id metadata.annotations.id"))
)]
pub(crate) struct Deployment {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<DeploymentId>,
    pub(crate) metadata: Metadata,
    pub(crate) spec: Spec,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<DeploymentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    application_id: Option<ApplicationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceTarget>,
    /// Required in this generation, but not in the pre-draft, which shares the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Annotations {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<DeploymentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    application_id: Option<ApplicationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceTarget>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

/// `appPackageRef`, which one copy requires and none defines (rc1-and-pre-draft.md ambiguity 45), stays
/// among the unknown members.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("patternProperties" = crate::schema::extensions()))
)]
pub(crate) struct Spec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    application_id: Option<ApplicationId>,
    pub(crate) deployment_profile: Profile,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: BTreeMap<String, ParameterValue>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("patternProperties" = crate::schema::extensions()), transform = crate::schema::older::not_both("requiredResources", "deviceConstraints"))
)]
pub(crate) struct Profile {
    #[serde(rename = "type")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "crate::schema::older::ProfileType")
    )]
    pub(crate) deployment_type: String,
    components: Vec<Component>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    required_resources: Option<RequiredResources>,
    #[serde(default, skip_serializing)]
    device_constraints: Option<DeviceConstraints>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

impl OlderForm for Deployment {
    type Model = ApplicationDeployment;

    fn into_model(self) -> Result<ApplicationDeployment, Rejected> {
        let id = self.find_id()?;
        let application_id = self.find_application_id()?;
        let metadata = self.metadata.into_model()?;
        let mut parameters = self.spec.parameters;
        let deployment_profile = self.spec.deployment_profile.into_model()?;
        if deployment_profile.deployment_type == DeploymentType::Compose {
            let targets = parameters.values_mut().flat_map(|value| &mut value.targets);
            targets.for_each(pointer::read);
        }
        let spec = DeploymentSpec {
            application_id,
            deployment_profile,
            parameters,
            extra: self.spec.extra,
        };
        Ok(ApplicationDeployment {
            id,
            metadata,
            spec,
            extra: self.extra,
        })
    }

    fn from_model(model: &ApplicationDeployment) -> Result<Self, Unrepresentable> {
        Self::from_model_for(model, SpecVersion::Rc1)
    }

    /// Only the pre-draft, which shares the type, gets along without a name.
    #[cfg(feature = "schema")]
    fn schema(generation: SpecVersion) -> schemars::Schema {
        let mut schema = crate::schema::older::of::<Self>(generation);
        crate::schema::older::any_present("metadata.name")(&mut schema);
        schema
    }
}

impl Deployment {
    /// The same layout serves the pre-draft.
    pub(crate) fn from_model_for(
        model: &ApplicationDeployment,
        generation: SpecVersion,
    ) -> Result<Self, Unrepresentable> {
        let place = Place::root(generation);
        Ok(Self {
            api_version: Some("application.margo.org/v1alpha1".to_owned()),
            kind: Some("ApplicationDeployment".to_owned()),
            id: None,
            metadata: Metadata::from_model(model, &place.key("metadata"))?,
            spec: Spec::from_model(&model.spec, &place.key("spec"))?,
            extra: place.pass_on_without_extensions(&model.extra, &["apiVersion", "kind"])?,
        })
    }

    /// Where a reader can still find the deployment's id.
    pub(crate) fn find_id(&self) -> Result<DeploymentId, Rejected> {
        let annotation = self.metadata.annotations.as_ref();
        let id = agreed([
            (&["id"], self.id),
            (&["metadata", "id"], self.metadata.id),
            (
                &ANNOTATED_ID,
                annotation.and_then(|annotations| annotations.id),
            ),
        ])?;
        id.ok_or_else(|| Rejected {
            path: path(&ANNOTATED_ID),
            why: "the id of the deployment is missing; write it here".to_owned(),
        })
    }

    pub(crate) fn find_application_id(&self) -> Result<Option<ApplicationId>, Rejected> {
        let annotation = self.metadata.annotations.as_ref();
        agreed([
            (&["spec", "applicationId"], self.spec.application_id.clone()),
            (
                &["metadata", "annotations", "applicationId"],
                annotation.and_then(|annotations| annotations.application_id.clone()),
            ),
            (
                &["metadata", "applicationId"],
                self.metadata.application_id.clone(),
            ),
        ])
    }
}

impl Metadata {
    fn into_model(self) -> Result<DeploymentMetadata, Rejected> {
        let annotations = self.annotations.unwrap_or_default();
        let device_id = agreed([
            (&["metadata", "deviceId"], self.device_id),
            (
                &["metadata", "annotations", "deviceId"],
                annotations.device_id,
            ),
        ])?;
        let name = self.name.ok_or_else(|| Rejected {
            path: path(&["metadata", "name"]),
            why: "the name of the deployment is missing; write a Kubernetes name".to_owned(),
        })?;
        let mut extra = self.extra;
        keep_annotations(annotations.extra, &mut extra);
        Ok(DeploymentMetadata {
            name,
            namespace: self.namespace,
            device_id,
            labels: self.labels,
            extra,
        })
    }

    fn from_model(model: &ApplicationDeployment, place: &Place) -> Result<Self, Unrepresentable> {
        let metadata = &model.metadata;
        match &metadata.device_id {
            Some(DeviceTarget::Device(id)) if !id.is_child() => {}
            None => {}
            Some(_) => {
                return Err(place.key("deviceId").refuse(
                    "there are no gateways, a client is one device; target the client's own device",
                ));
            }
        }
        let mut extra = metadata.extra.clone();
        let taken = &["id", "applicationId", "deviceId"];
        let annotations = Annotations {
            id: Some(model.id),
            application_id: model.spec.application_id.clone(),
            device_id: metadata.device_id.clone(),
            extra: take_annotations(&mut extra, place, taken)?,
        };
        Ok(Self {
            annotations: Some(annotations),
            name: Some(metadata.name.clone()),
            namespace: metadata.namespace.clone(),
            labels: metadata.labels.clone(),
            extra: place.pass_on(&extra, &["id", "applicationId"])?,
            ..Self::default()
        })
    }
}

impl Spec {
    fn from_model(spec: &DeploymentSpec, place: &Place) -> Result<Self, Unrepresentable> {
        if spec.deployment_profile.deployment_type == DeploymentType::Compose {
            let place = place.key("parameters");
            for (name, parameter) in &spec.parameters {
                let place = place.key(name).key("targets");
                for (index, target) in parameter.targets.iter().enumerate() {
                    pointer::check(target, &place.index(index))?;
                }
            }
        }
        Ok(Self {
            application_id: None,
            deployment_profile: Profile::from_model(
                &spec.deployment_profile,
                &place.key("deploymentProfile"),
            )?,
            parameters: spec.parameters.clone(),
            extra: place.pass_on_without_extensions(&spec.extra, &[])?,
        })
    }
}

impl Profile {
    fn into_model(self) -> Result<DeployedProfile, Rejected> {
        let path = path(&["spec", "deploymentProfile"]);
        let device_constraints =
            constraints_of(self.required_resources, self.device_constraints, &path)?;
        Ok(DeployedProfile {
            deployment_type: read_type(&self.deployment_type),
            components: self
                .components
                .into_iter()
                .map(Component::into_model)
                .collect(),
            device_constraints,
            extra: self.extra,
        })
    }

    fn from_model(profile: &DeployedProfile, place: &Place) -> Result<Self, Unrepresentable> {
        let deployment_type = spell_type(&profile.deployment_type, place)?;
        let constraints = profile.device_constraints.as_ref();
        let required_resources = constraints.map(|constraints| {
            RequiredResources::from_model(constraints, &place.key("deviceConstraints"))
        });
        let components = Component::all_from_model(
            &profile.components,
            &profile.deployment_type,
            WaitSpelling::Text,
            &place.key("components"),
        )?;
        Ok(Self {
            deployment_type: deployment_type.to_owned(),
            components,
            required_resources: required_resources.transpose()?,
            device_constraints: None,
            extra: place.pass_on_without_extensions(&profile.extra, &["requiredResources"])?,
        })
    }
}

const ANNOTATED_ID: [&str; 3] = ["metadata", "annotations", "id"];
