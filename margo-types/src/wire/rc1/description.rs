//! The application description of the signed generation (rc1-and-pre-draft.md section 10.2).
//!
//! The id is read at the top level, in `metadata` and in its annotations. Written is the form of the one
//! complete example of the time: `margo.org/v1-alpha1`, `metadata.id`, with the profile types of the same
//! time's deployments. The top-level id came with the copies that already lead to rc.2.
//!
//! `apiVersion` decides nothing (direction.md, issue 134): whatever it is, the model says `v1`, and it is not
//! carried over into older generations.
//!
//! Earlier copies have no id of profiles. The first profile is then called `helm-1` or `compose-1` by its
//! type, the second `helm-2` or `compose-2`, and so on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::component::{Component, WaitSpelling, read_type, spell_type};
use super::pointer;
use super::required_resources::{RequiredResources, constraints_of};
use crate::application::{
    self, ApplicationDescription, Catalog, Configuration, DeploymentProfile, DeploymentType,
    DeviceConstraints, Parameter, Target,
};
use crate::extra::Extra;
use crate::id::{ApplicationId, ComponentName};
use crate::path::DocumentPath;
use crate::version::SpecVersion;
use crate::wire::convert::{
    OlderForm, Place, Rejected, agreed, keep_annotations, path, take_annotations,
};
use crate::write::Unrepresentable;

/// An application description.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("patternProperties" = crate::schema::extensions()),
        transform = crate::schema::older::any_present("id metadata.id metadata.annotations.id"))
)]
pub(crate) struct Description {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<ApplicationId>,
    metadata: Metadata,
    pub(crate) deployment_profiles: Vec<Profile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: BTreeMap<String, Parameter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    configuration: Option<Configuration>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<ApplicationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations>,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    version: String,
    catalog: Catalog,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Annotations {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<ApplicationId>,
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
    /// Not in the earlier copies, nor in the pre-draft, which shares the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    components: Vec<Component>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    required_resources: Option<RequiredResources>,
    #[serde(default, skip_serializing)]
    device_constraints: Option<DeviceConstraints>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

impl OlderForm for Description {
    type Model = ApplicationDescription;

    fn into_model(self) -> Result<ApplicationDescription, Rejected> {
        let id = self.find_id()?;
        let profiles = path(&["deploymentProfiles"]);
        let given: BTreeSet<_> = self.profile_ids().cloned().collect();
        let deployment_profiles = self
            .deployment_profiles
            .into_iter()
            .enumerate()
            .map(|(index, profile)| profile.into_model(index, &given, &profiles.index(index)))
            .collect::<Result<Vec<_>, _>>()?;
        let compose = ComposeComponents::of(&deployment_profiles);
        let mut parameters = self.parameters;
        parameters
            .values_mut()
            .flat_map(|parameter| &mut parameter.targets)
            .filter(|target| compose.are_those_of(target))
            .for_each(pointer::read);
        Ok(ApplicationDescription {
            api_version: ApplicationDescription::API_VERSION.to_owned(),
            id,
            metadata: self.metadata.into_model(),
            deployment_profiles,
            parameters,
            configuration: self.configuration,
            extra: self.extra,
        })
    }

    fn from_model(model: &ApplicationDescription) -> Result<Self, Unrepresentable> {
        Self::from_model_for(model, SpecVersion::Rc1)
    }
}

impl Description {
    /// The same layout serves the pre-draft.
    pub(crate) fn from_model_for(
        model: &ApplicationDescription,
        generation: SpecVersion,
    ) -> Result<Self, Unrepresentable> {
        let place = Place::root(generation);
        let compose = ComposeComponents::of(&model.deployment_profiles);
        for (name, parameter) in &model.parameters {
            let place = place.key("parameters").key(name).key("targets");
            for (index, target) in parameter.targets.iter().enumerate() {
                if compose.are_those_of(target) {
                    pointer::check(target, &place.index(index))?;
                }
            }
        }
        let profiles = model.deployment_profiles.iter().enumerate();
        let profiles = profiles.map(|(index, profile)| {
            Profile::from_model(profile, &place.key("deploymentProfiles").index(index))
        });
        Ok(Self {
            api_version: Some("margo.org/v1-alpha1".to_owned()),
            kind: Some("ApplicationDescription".to_owned()),
            id: None,
            metadata: Metadata::from_model(model, &place.key("metadata"))?,
            deployment_profiles: profiles.collect::<Result<_, _>>()?,
            parameters: model.parameters.clone(),
            configuration: model.configuration.clone(),
            extra: place.pass_on_without_extensions(&model.extra, &["kind"])?,
        })
    }

    fn profile_ids(&self) -> impl Iterator<Item = &String> {
        let profiles = self.deployment_profiles.iter();
        profiles.filter_map(|profile| profile.id.as_ref())
    }

    fn find_id(&self) -> Result<ApplicationId, Rejected> {
        let annotations = self.metadata.annotations.as_ref();
        let id = agreed([
            (&["id"], self.id.clone()),
            (&["metadata", "id"], self.metadata.id.clone()),
            (
                &["metadata", "annotations", "id"],
                annotations.and_then(|annotations| annotations.id.clone()),
            ),
        ])?;
        id.ok_or_else(|| Rejected {
            path: path(&["metadata", "id"]),
            why: "the id of the application is missing; write it here".to_owned(),
        })
    }
}

impl Metadata {
    fn into_model(self) -> application::Metadata {
        let mut extra = self.extra;
        keep_annotations(self.annotations.unwrap_or_default().extra, &mut extra);
        application::Metadata {
            name: self.name,
            description: self.description,
            version: self.version,
            catalog: self.catalog,
            extra,
        }
    }

    fn from_model(model: &ApplicationDescription, place: &Place) -> Result<Self, Unrepresentable> {
        let metadata = &model.metadata;
        let mut extra = metadata.extra.clone();
        let annotations = take_annotations(&mut extra, place, &["id"])?;
        Ok(Self {
            id: Some(model.id.clone()),
            annotations: (!annotations.is_empty()).then_some(Annotations {
                id: None,
                extra: annotations,
            }),
            name: metadata.name.clone(),
            description: metadata.description.clone(),
            version: metadata.version.clone(),
            catalog: metadata.catalog.clone(),
            extra: place.pass_on(&extra, &["id"])?,
        })
    }
}

impl Profile {
    /// The profile at `index`, among others with the ids that are `given`.
    fn into_model(
        self,
        index: usize,
        given: &BTreeSet<String>,
        path: &DocumentPath,
    ) -> Result<DeploymentProfile, Rejected> {
        let deployment_type = read_type(&self.deployment_type);
        let id = match self.id {
            Some(id) => id,
            None => Some(derived_id(&deployment_type, index))
                .filter(|id| !given.contains(id))
                .ok_or_else(|| Rejected {
                    path: path.key("id"),
                    why: "the id of the profile is missing and the one it would get is that of \
                          another; write one that no other profile has"
                        .to_owned(),
                })?,
        };
        let device_constraints =
            constraints_of(self.required_resources, self.device_constraints, path)?;
        Ok(DeploymentProfile {
            deployment_type,
            id,
            description: self.description,
            components: self
                .components
                .into_iter()
                .map(Component::into_model)
                .collect(),
            device_constraints,
            extra: self.extra,
        })
    }

    fn from_model(profile: &DeploymentProfile, place: &Place) -> Result<Self, Unrepresentable> {
        let deployment_type = spell_type(&profile.deployment_type, place)?;
        let constraints = profile.device_constraints.as_ref();
        let required_resources = constraints.map(|constraints| {
            RequiredResources::from_model(constraints, &place.key("deviceConstraints"))
        });
        let components = Component::all_from_model(
            &profile.components,
            &profile.deployment_type,
            WaitSpelling::Boolean,
            &place.key("components"),
        )?;
        Ok(Self {
            deployment_type: deployment_type.to_owned(),
            id: Some(profile.id.clone()),
            description: profile.description.clone(),
            components,
            required_resources: required_resources.transpose()?,
            device_constraints: None,
            extra: place.pass_on_without_extensions(&profile.extra, &["requiredResources"])?,
        })
    }
}

/// The id of a profile that has none.
pub(crate) fn derived_id(deployment_type: &DeploymentType, index: usize) -> String {
    format!("{deployment_type}-{}", index + 1)
}

/// The components that are in Compose profiles only: what a pointer into them means is certain
/// (rc3.md ambiguity 59).
pub(crate) struct ComposeComponents<'a>(BTreeSet<&'a ComponentName>);

impl<'a> ComposeComponents<'a> {
    pub(crate) fn of(profiles: &'a [DeploymentProfile]) -> Self {
        let names = |is_compose: bool| {
            profiles
                .iter()
                .filter(move |profile| {
                    (profile.deployment_type == DeploymentType::Compose) == is_compose
                })
                .flat_map(|profile| &profile.components)
                .map(|component| &component.name)
        };
        let elsewhere: BTreeSet<_> = names(false).collect();
        Self(
            names(true)
                .filter(|name| !elsewhere.contains(name))
                .collect(),
        )
    }

    /// Whether the target is written to such components and no others.
    pub(crate) fn are_those_of(&self, target: &Target) -> bool {
        !target.components.is_empty() && target.components.iter().all(|name| self.0.contains(name))
    }
}
