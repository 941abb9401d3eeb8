//! Components, parameters, settings and catalogue data.

use std::collections::BTreeMap;

use margo_types::Extra;
use margo_types::application::{
    ApplicationMetadata, Author, Component, ComponentProperties, Configuration, DataType,
    DeploymentType, Metadata, Organization, Parameter, Schema, Section, Setting, Target,
};
use margo_types::deployment::ParameterValue;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Number, json};

use super::scalar::{component_name, repository, revision, text, timeout, unknown_members, value};

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
pub(crate) fn members_of_metadata() -> BoxedStrategy<Extra> {
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
