//! Arbitrary documents for property tests: anything the model can hold, and what a generation can express.

pub(crate) mod constraints;
pub(crate) mod parts;
pub(crate) mod scalar;

use margo_types::application::{
    ApplicationDescription, Component, DeploymentProfile, DeploymentType, Target,
};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec,
};
use margo_types::id::{ApplicationId, DeviceTarget};
use margo_types::{Extra, SpecVersion};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use constraints::{constraints, resources};
use parts::{
    component, configuration, deployment_type, members_of_metadata, metadata, parameter_values,
    parameters,
};
use scalar::{application_id, deployment_id, device_target, extra, plain_device, text};

/// Any application description.
pub(crate) fn description() -> BoxedStrategy<ApplicationDescription> {
    let id = prop_oneof![
        select(vec!["helm-1", "compose-2", "a"]).prop_map(ToOwned::to_owned),
        text()
    ];
    let profile = (
        deployment_type(),
        id,
        option::of(text()),
        vec(component(extra()), 0..3),
        option::weighted(0.3, constraints()),
        extra(),
    );
    let profile = profile.prop_map(
        |(deployment_type, id, description, components, needs, extra)| {
            let mut profile = DeploymentProfile::new(deployment_type, id, components);
            profile.description = description;
            profile.device_constraints = needs;
            profile.extra = extra;
            profile
        },
    );
    let parts = (
        application_id(),
        metadata(),
        vec(profile, 0..3),
        parameters(),
    );
    (parts, option::of(configuration()), extra())
        .prop_map(|(parts, configuration, extra)| {
            let (id, metadata, profiles, parameters) = parts;
            let mut description = ApplicationDescription::new(id, metadata, profiles);
            description.parameters = parameters;
            description.configuration = configuration;
            description.extra = extra;
            description
        })
        .boxed()
}

/// Any application deployment.
pub(crate) fn deployment() -> BoxedStrategy<ApplicationDeployment> {
    let profile = (
        deployment_type(),
        vec(component(extra()), 0..3),
        option::weighted(0.3, constraints()),
        extra(),
    );
    let profile = profile.prop_map(|(deployment_type, components, needs, extra)| {
        let mut profile = DeployedProfile::new(deployment_type, components);
        profile.device_constraints = needs;
        profile.extra = extra;
        profile
    });
    let spec = (
        option::of(application_id()),
        profile,
        parameter_values(),
        extra(),
    );
    let metadata = (
        option::weighted(0.8, text()),
        option::of(text()),
        option::of(device_target()),
        btree_map(text(), text(), 0..3),
        members_of_metadata(),
    );
    (deployment_id(), metadata, spec, extra())
        .prop_map(|(id, metadata, spec, extra)| {
            let (application_id, profile, parameters, extra_of_spec) = spec;
            let (name, namespace, device_id, labels, extra_of_metadata) = metadata;
            let mut metadata = DeploymentMetadata::default();
            // Often the name that an older generation leaves out.
            let application_name = || application_id.as_ref().map(ToString::to_string);
            metadata.name = name
                .or_else(application_name)
                .unwrap_or_else(|| id.to_string());
            metadata.namespace = namespace;
            metadata.device_id = device_id;
            metadata.labels = labels;
            metadata.extra = extra_of_metadata;
            let mut spec = DeploymentSpec::new(ApplicationId::parse("a").unwrap(), profile);
            spec.application_id = application_id;
            spec.parameters = parameters;
            spec.extra = extra_of_spec;
            let mut deployment = ApplicationDeployment::new(id, metadata, spec);
            deployment.extra = extra;
            deployment
        })
        .boxed()
}

/// A description that the generation can express.
pub(crate) fn description_of(generation: SpecVersion) -> BoxedStrategy<ApplicationDescription> {
    let constraints = vec(option::of(resources()), 3);
    (description(), constraints)
        .prop_map(move |(mut description, constraints)| {
            if generation != SpecVersion::Rc3 {
                drop_extensions(&mut description.extra);
                let profiles = description.deployment_profiles.iter_mut().zip(constraints);
                for (index, (profile, constraints)) in profiles.enumerate() {
                    profile.id.push_str(&"'".repeat(index));
                    drop_extensions(&mut profile.extra);
                    profile.device_constraints =
                        constraints.filter(|_| generation == SpecVersion::Rc1);
                    simplify(
                        &mut profile.deployment_type,
                        &mut profile.components,
                        generation,
                    );
                }
                let targets = description.parameters.values_mut();
                plain_pointers(targets.flat_map(|parameter| &mut parameter.targets));
            }
            description
        })
        .boxed()
}

/// A deployment that the generation can express.
pub(crate) fn deployment_of(generation: SpecVersion) -> BoxedStrategy<ApplicationDeployment> {
    let device = option::of(plain_device());
    let parts = (deployment(), option::of(resources()), device);
    parts
        .prop_map(move |(mut deployment, constraints, device)| {
            if generation != SpecVersion::Rc3 {
                let spec = &mut deployment.spec;
                let profile = &mut spec.deployment_profile;
                drop_extensions(&mut deployment.extra);
                drop_extensions(&mut spec.extra);
                drop_extensions(&mut profile.extra);
                profile.device_constraints = constraints.filter(|_| generation == SpecVersion::Rc1);
                simplify(
                    &mut profile.deployment_type,
                    &mut profile.components,
                    generation,
                );
                let targets = spec.parameters.values_mut();
                plain_pointers(targets.flat_map(|value| &mut value.targets));
                deployment.metadata.device_id = device.map(DeviceTarget::Device);
            }
            deployment
        })
        .boxed()
}

fn drop_extensions(extra: &mut Extra) {
    extra.0.retain(|key, _| !key.starts_with("x-"));
}

fn simplify(
    deployment_type: &mut DeploymentType,
    components: &mut [Component],
    generation: SpecVersion,
) {
    if *deployment_type != DeploymentType::Compose {
        *deployment_type = DeploymentType::Helm;
    }
    for component in components {
        drop_extensions(&mut component.extra);
        let properties = &mut component.properties;
        if *deployment_type == DeploymentType::Helm {
            (properties.package_location, properties.key_location) = (None, None);
        } else if generation == SpecVersion::PreDraft {
            (properties.repository, properties.revision) = (None, None);
        }
    }
}

fn plain_pointers<'a>(targets: impl Iterator<Item = &'a mut Target>) {
    for target in targets {
        target.pointer = target.pointer.replace("ENV.", "");
    }
}
