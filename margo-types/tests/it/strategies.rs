//! Arbitrary documents for property tests: anything the model can hold, and what a generation can express.

use std::collections::BTreeMap;
use std::time::Duration;

use margo_types::application::{
    ApplicationDescription, ApplicationMetadata, Architecture, Author, CapacityRequirements,
    Component, ComponentProperties, Configuration, CpuRequirement, DataType, DeploymentProfile,
    DeploymentType, DeviceConstraints, EligibilityRule, MatchExpression, Metadata, Operator,
    Organization, Parameter, Schema, Section, Selector, Setting, Target,
};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec, ParameterValue,
};
use margo_types::id::{ApplicationId, ComponentName, DeploymentId, DeviceId, DeviceTarget};
use margo_types::scalar::{Quantity, Repository, Revision, Timeout};
use margo_types::{Extra, SpecVersion};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Number, Value, json};

// Identifiers and scalars.

/// The text of a strategy, as the type that reads it.
fn parsed<T>(pattern: &'static str) -> impl Strategy<Value = T>
where
    T: for<'a> TryFrom<&'a str> + std::fmt::Debug,
{
    pattern.prop_filter_map("not an identifier", |text| T::try_from(&text).ok())
}

pub(crate) fn application_id() -> impl Strategy<Value = ApplicationId> {
    parsed("[a-z0-9-]{1,20}")
}

pub(crate) fn component_name() -> impl Strategy<Value = ComponentName> {
    parsed("[a-c][0-9]?")
}

pub(crate) fn deployment_id() -> impl Strategy<Value = DeploymentId> {
    any::<[u8; 16]>().prop_map(DeploymentId::from_uuid_bytes)
}

/// A device that sits behind no gateway.
pub(crate) fn plain_device() -> impl Strategy<Value = DeviceId> {
    parsed("[A-Za-z0-9._~-]{1,12}")
}

pub(crate) fn device_target() -> impl Strategy<Value = DeviceTarget> {
    parsed("[A-Za-z0-9._~-]{1,6}(/[A-Za-z0-9._~-]{1,6}){0,2}(/\\*)?")
}

pub(crate) fn repository() -> impl Strategy<Value = Repository> {
    parsed("(oci|https)://[a-z]{1,8}\\.example/[a-z/]{1,8}")
}

pub(crate) fn revision() -> impl Strategy<Value = Revision> {
    parsed("[0-9]\\.[0-9]{1,2}(\\.[0-9])?(-rc\\.1)?|latest|[0-9]e[0-9]")
}

pub(crate) fn timeout() -> impl Strategy<Value = Timeout> {
    any::<u64>().prop_map(|seconds| Timeout::new(Duration::from_secs(seconds)))
}

pub(crate) fn quantity() -> impl Strategy<Value = Quantity> {
    parsed("[0-9]{1,4}(Ki|Mi|Gi|Ti|Pi|Ei)")
}

/// Text, often such that a careless YAML writer makes something else of it.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let traps = [
        "",
        " ",
        "~",
        "null",
        "true",
        "True",
        "yes",
        "off",
        "1",
        "1.0",
        "0x1F",
        "1_000",
        "1e3",
        ".inf",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "'",
        "\"",
        "\\",
        "{",
        "[a]",
        "a\nb",
        "a\n",
        "\n",
        "  a",
        "a  ",
        "<<",
        "=",
        "2026-11-21",
        "12:30:00",
        "ENV.A",
        "é",
        "🦀",
        "---",
        "...",
    ];
    prop_oneof![
        select(traps.to_vec()).prop_map(ToOwned::to_owned),
        "\\PC{0,12}",
        "[a-zA-Z][a-zA-Z0-9_.-]{0,8}",
    ]
}

pub(crate) fn value() -> BoxedStrategy<Value> {
    let finite = any::<f64>().prop_filter_map("finite", Number::from_f64);
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        finite.prop_map(Value::Number),
        text().prop_map(Value::from),
    ];
    scalar
        .prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::from),
                btree_map(text(), inner, 0..3).prop_map(|members| members.into_iter().collect()),
            ]
        })
        .boxed()
}

/// Members that no generation defines.
pub(crate) fn unknown_members() -> BoxedStrategy<Extra> {
    let members = btree_map("other[A-Z][a-z]{0,3}", value(), 1..3).prop_map(Extra);
    prop_oneof![4 => Just(Extra::default()), 1 => members].boxed()
}

/// Unknown members and extensions.
pub(crate) fn extra() -> BoxedStrategy<Extra> {
    let extension =
        btree_map(text(), value(), 0..2).prop_map(|members| members.into_iter().collect::<Value>());
    (unknown_members(), option::weighted(0.1, extension))
        .prop_map(|(mut extra, extension)| {
            let extension = extension.map(|object| ("x-acme-extensions".to_owned(), object));
            extra.0.extend(extension);
            extra
        })
        .boxed()
}

// Constraints.

fn match_expression() -> BoxedStrategy<MatchExpression> {
    let key = prop_oneof![
        select(vec![
            "/peripherals",
            "/interfaces",
            "/type",
            "/manufacturer",
            "/model"
        ])
        .prop_map(ToOwned::to_owned),
        text(),
    ];
    let operator = prop_oneof![
        8 => select(Operator::KNOWN.to_vec()),
        1 => text().prop_map(|text| Operator::from(text.as_str())),
    ];
    let leaf = (
        key.clone(),
        operator.clone(),
        option::of(vec(value(), 0..3)),
        unknown_members(),
    );
    let leaf = leaf.prop_map(|(key, operator, values, extra)| {
        let mut expression = MatchExpression::new(key, operator);
        expression.values = values;
        expression.extra = extra;
        expression
    });
    leaf.prop_recursive(2, 6, 3, move |inner| {
        (key.clone(), operator.clone(), vec(inner, 0..3)).prop_map(|(key, operator, items)| {
            MatchExpression::new(key, operator).with_items(items)
        })
    })
    .boxed()
}

fn cpu() -> BoxedStrategy<CpuRequirement> {
    let architectures = vec(select(Architecture::KNOWN.to_vec()), 0..3);
    (0.0..256.0, option::of(architectures), unknown_members())
        .prop_map(|(cores, architectures, extra)| {
            let mut cpu = CpuRequirement::new(cores);
            cpu.architectures = architectures;
            cpu.extra = extra;
            cpu
        })
        .boxed()
}

fn capacity() -> impl Strategy<Value = CapacityRequirements> {
    (
        option::of(cpu()),
        option::of(quantity()),
        option::of(quantity()),
    )
        .prop_map(|(cpu, memory, storage)| {
            let mut capacity = CapacityRequirements::default();
            capacity.cpu = cpu;
            capacity.memory = memory;
            capacity.storage = storage;
            capacity
        })
}

/// Any constraints, good or bad.
pub(crate) fn constraints() -> BoxedStrategy<DeviceConstraints> {
    let selector = || option::of(vec(match_expression(), 0..3).prop_map(Selector::new));
    let rule =
        (selector(), selector(), unknown_members()).prop_map(|(properties, labels, extra)| {
            let mut rule = EligibilityRule::default();
            rule.property_selector = properties;
            rule.label_selector = labels;
            rule.extra = extra;
            rule
        });
    let parts = (
        option::of(capacity()),
        option::of(vec(rule, 0..3)),
        unknown_members(),
    );
    let any = parts.prop_map(|(capacity, rules, extra)| {
        let mut constraints = DeviceConstraints::default();
        constraints.capacity_requirements = capacity;
        constraints.eligibility_rules = rules;
        constraints.extra = extra;
        constraints
    });
    prop_oneof![any, resources()].boxed()
}

/// Constraints that `requiredResources` can express.
pub(crate) fn resources() -> BoxedStrategy<DeviceConstraints> {
    let is = |key: &str, text: String| MatchExpression::new(key, Operator::In).with_values([text]);
    let element = |key: &str, items, extra| {
        let mut expression = MatchExpression::new(key, Operator::ContainsAll).with_items(items);
        expression.extra = extra;
        expression
    };
    let peripheral = (
        text(),
        option::of(text()),
        option::of(text()),
        unknown_members(),
    );
    let peripheral = peripheral.prop_map(move |(kind, manufacturer, model, extra)| {
        let mut items = vec![is("/type", kind)];
        items.extend(manufacturer.map(|text| is("/manufacturer", text)));
        items.extend(model.map(|text| is("/model", text)));
        element("/peripherals", items, extra)
    });
    let interface = (text(), unknown_members())
        .prop_map(move |(kind, extra)| element("/interfaces", vec![is("/type", kind)], extra));
    let parts = (
        option::of(capacity()),
        vec(peripheral, 0..3),
        vec(interface, 0..3),
        unknown_members(),
    );
    parts
        .prop_map(|(capacity, mut expressions, interfaces, extra)| {
            expressions.extend(interfaces);
            let mut constraints = DeviceConstraints::default();
            constraints.capacity_requirements =
                capacity.filter(|capacity| *capacity != CapacityRequirements::default());
            constraints.eligibility_rules = (!expressions.is_empty()).then(|| {
                let mut rule = EligibilityRule::default();
                rule.property_selector = Some(Selector::new(expressions));
                vec![rule]
            });
            constraints.extra = extra;
            constraints
        })
        .boxed()
}

// Profiles and parameters.

pub(crate) fn deployment_type() -> impl Strategy<Value = DeploymentType> {
    prop_oneof![
        4 => Just(DeploymentType::Helm),
        4 => Just(DeploymentType::Compose),
        1 => Just(DeploymentType::Custom),
        1 => text().prop_map(|text| DeploymentType::from(text.as_str())),
    ]
}

pub(crate) fn component(extra: BoxedStrategy<Extra>) -> BoxedStrategy<Component> {
    let artefact = (option::of(repository()), option::of(revision()));
    let archive = (option::weighted(0.3, text()), option::weighted(0.3, text()));
    let install = (option::of(any::<bool>()), option::of(timeout()));
    (
        component_name(),
        artefact,
        archive,
        install,
        unknown_members(),
        extra,
    )
        .prop_map(|(name, artefact, archive, install, unknown, extra)| {
            let mut properties = ComponentProperties::default();
            (properties.repository, properties.revision) = artefact;
            (properties.package_location, properties.key_location) = archive;
            (properties.wait, properties.timeout) = install;
            properties.extra = unknown;
            let mut component = Component::new(name, properties);
            component.extra = extra;
            component
        })
        .boxed()
}

fn target() -> BoxedStrategy<Target> {
    let pointer = prop_oneof!["[A-Z_]{0,6}", "(ENV|PORTS|a)\\.[A-Z0-9.]{0,6}", text()];
    (pointer, vec(component_name(), 0..3), unknown_members())
        .prop_map(|(pointer, components, extra)| {
            let mut target = Target::new(pointer, components);
            target.extra = extra;
            target
        })
        .boxed()
}

pub(crate) fn parameters() -> BoxedStrategy<BTreeMap<String, Parameter>> {
    let parameter = (option::of(value()), vec(target(), 0..3), unknown_members());
    let parameter = parameter.prop_map(|(value, targets, extra)| {
        let mut parameter = Parameter::new(targets);
        parameter.value = value;
        parameter.extra = extra;
        parameter
    });
    btree_map(text(), parameter, 0..3).boxed()
}

pub(crate) fn parameter_values() -> BoxedStrategy<BTreeMap<String, ParameterValue>> {
    let value = (value(), vec(target(), 0..3), unknown_members());
    let value = value.prop_map(|(value, targets, extra)| {
        let mut value = ParameterValue::new(value, targets);
        value.extra = extra;
        value
    });
    btree_map(text(), value, 0..3).boxed()
}

// Documents.

fn schema() -> BoxedStrategy<Schema> {
    let data_type = prop_oneof![
        8 => select(DataType::KNOWN.to_vec()),
        1 => text().prop_map(|text| DataType::from(text.as_str())),
    ];
    let lengths = (option::of(any::<u64>()), option::of(any::<u64>()));
    let bounds = (
        option::of(any::<i64>().prop_map(Number::from)),
        option::of((-1e9..1e9).prop_filter_map("finite", Number::from_f64)),
    );
    let options = option::of(vec(value(), 0..3));
    let flags = (option::of(any::<bool>()), option::of(any::<bool>()));
    let parts = (
        text(),
        data_type,
        lengths,
        bounds,
        options,
        flags,
        option::of(text()),
    );
    (parts, unknown_members())
        .prop_map(|(parts, extra)| {
            let (name, data_type, lengths, bounds, options, flags, regex) = parts;
            let mut schema = Schema::new(name, data_type);
            (schema.min_length, schema.max_precision) = lengths;
            (schema.min_value, schema.max_value) = bounds;
            schema.options = options;
            (schema.allow_empty, schema.multiselect) = flags;
            schema.regex_match = regex;
            schema.extra = extra;
            schema
        })
        .boxed()
}

pub(crate) fn configuration() -> BoxedStrategy<Configuration> {
    let setting = (
        text(),
        text(),
        option::of(text()),
        option::of(any::<bool>()),
        text(),
    );
    let setting = setting.prop_map(|(parameter, name, description, immutable, schema)| {
        let mut setting = Setting::default();
        setting.parameter = parameter;
        setting.name = name;
        setting.description = description;
        setting.immutable = immutable;
        setting.schema = schema;
        setting
    });
    let section = (text(), vec(setting, 0..3)).prop_map(|(name, settings)| {
        let mut section = Section::default();
        section.name = name;
        section.settings = settings;
        section
    });
    (vec(section, 0..2), vec(schema(), 0..2), unknown_members())
        .prop_map(|(sections, schema, extra)| {
            let mut configuration = Configuration::default();
            configuration.sections = sections;
            configuration.schema = schema;
            configuration.extra = extra;
            configuration
        })
        .boxed()
}

/// Unknown members, among them annotations.
fn members_of_metadata() -> BoxedStrategy<Extra> {
    let annotations = btree_map("note[a-z./]{0,6}", text(), 1..3);
    (unknown_members(), option::weighted(0.2, annotations))
        .prop_map(|(mut extra, annotations)| {
            let annotations = annotations.map(|notes| ("annotations".to_owned(), json!(notes)));
            extra.0.extend(annotations);
            extra
        })
        .boxed()
}

pub(crate) fn metadata() -> BoxedStrategy<Metadata> {
    let organization = (text(), option::of(text())).prop_map(|(name, site)| {
        let mut organization = Organization::new(name);
        organization.site = site;
        organization
    });
    let author = (option::of(text()), option::of(text())).prop_map(|(name, email)| {
        let mut author = Author::default();
        (author.name, author.email) = (name, email);
        author
    });
    let links = (option::of(text()), option::of(text()), vec(text(), 0..3));
    let application = links.prop_map(|(icon, tagline, tags)| {
        let mut application = ApplicationMetadata::default();
        (application.icon, application.tagline) = (icon, tagline);
        application.tags = tags;
        application
    });
    let catalog = (
        vec(organization, 0..3),
        vec(author, 0..2),
        option::of(application),
    );
    (
        text(),
        option::of(text()),
        text(),
        catalog,
        members_of_metadata(),
    )
        .prop_map(|(name, description, version, catalog, extra)| {
            let (organizations, authors, application) = catalog;
            let mut metadata = Metadata::new(name, version, organizations);
            metadata.description = description;
            metadata.catalog.author = authors;
            metadata.catalog.application = application;
            metadata.extra = extra;
            metadata
        })
        .boxed()
}

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
