//! Rules of the configuration: sections, settings and schemas (rc3.md section 1.7).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Number;

use super::place::{Place, repeated};
use super::rule::rule_table;
use super::{defaults, members};
use crate::application::{Configuration, DataType, Parameter, Schema, SchemaClass, Section};
use crate::pattern::{Patterns, UnusablePattern};
use crate::text::shorten;

/// The configuration of the description that has these parameters.
pub(super) fn check<'a>(
    at: &Place<'_>,
    configuration: &'a Configuration,
    parameters: &BTreeMap<String, Parameter>,
    patterns: &mut Patterns<'a>,
) {
    sections(&at.key("sections"), configuration, parameters);
    at.key("schema").each(&configuration.schema, |at, it| {
        schema(at, it, patterns);
    });
    let names = configuration.schema.iter().map(|schema| &schema.name);
    for (position, name) in repeated(names) {
        at.key("schema").index(position).key("name").report(
            &SCHEMA_NAME,
            format!("another schema is called {:?} too", shorten(name)),
            "give every schema a name of its own",
        );
    }
    members::open(at, &configuration.extra);
}

fn sections(
    at: &Place<'_>,
    configuration: &Configuration,
    parameters: &BTreeMap<String, Parameter>,
) {
    let schemas: BTreeSet<_> = configuration
        .schema
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    let mut set = BTreeSet::new();
    at.each(&configuration.sections, |at, section| {
        members::text(&at.key("name"), &section.name);
        settings(at, section, &schemas, parameters, &mut set);
        members::open(at, &section.extra);
    });
    let names = configuration.sections.iter().map(|section| &section.name);
    for (position, name) in repeated(names) {
        at.index(position).key("name").report(
            &SECTION_NAME,
            format!("another section is called {:?} too", shorten(name)),
            "give every section a heading of its own",
        );
    }
}

fn settings<'a>(
    at: &Place<'_>,
    section: &'a Section,
    schemas: &BTreeSet<&str>,
    parameters: &BTreeMap<String, Parameter>,
    set: &mut BTreeSet<&'a str>,
) {
    at.key("settings").each(&section.settings, |at, setting| {
        members::text(&at.key("name"), &setting.name);
        if !parameters.contains_key(&setting.parameter) {
            at.key("parameter").report(
                &SETTING_PARAMETER,
                format!("there is no parameter {:?}", shorten(&setting.parameter)),
                "write the name of a parameter, or add the parameter",
            );
        }
        if !schemas.contains(setting.schema.as_str()) {
            at.key("schema").report(
                &SETTING_SCHEMA,
                format!("there is no schema {:?}", shorten(&setting.schema)),
                "write the name of a schema, or add the schema",
            );
        }
        if !set.insert(&setting.parameter) {
            at.key("parameter").report(
                &SETTING_REPEATED,
                format!("another setting sets {:?} too", shorten(&setting.parameter)),
                "keep one setting for each parameter",
            );
        }
        members::open(at, &setting.extra);
    });
}

fn schema<'a>(at: &Place<'_>, schema: &'a Schema, patterns: &mut Patterns<'a>) {
    if !schema.data_type.is_known() {
        at.key("dataType").report(
            &DATA_TYPE,
            format!("{:?} is no data type", shorten(schema.data_type.as_str())),
            "write string, integer, double or boolean, or array[…] of one of these",
        );
    }
    if let Some(class) = schema.class() {
        attributes(at, schema, class);
    }
    bounds(at, schema);
    if let Some(pattern) = &schema.regex_match {
        regex(&at.key("regexMatch"), pattern, patterns);
    }
    options(&at.key("options"), schema);
    members::open(at, &schema.extra);
}

/// Every class has attributes of its own (rc3.md ambiguity 57: the class follows from type and options).
fn attributes(at: &Place<'_>, schema: &Schema, class: SchemaClass) {
    use SchemaClass::{Double, Integer, Select, Text};

    let attributes: [(&str, bool, &[SchemaClass]); 8] = [
        ("minLength", schema.min_length.is_some(), &[Text]),
        ("maxLength", schema.max_length.is_some(), &[Text]),
        ("regexMatch", schema.regex_match.is_some(), &[Text]),
        ("minValue", schema.min_value.is_some(), &[Integer, Double]),
        ("maxValue", schema.max_value.is_some(), &[Integer, Double]),
        ("minPrecision", schema.min_precision.is_some(), &[Double]),
        ("maxPrecision", schema.max_precision.is_some(), &[Double]),
        ("multiselect", schema.multiselect.is_some(), &[Select]),
    ];
    for (key, is_present, classes) in attributes {
        if is_present && !classes.contains(&class) {
            let what = match class {
                Select => "a schema with options".to_owned(),
                _ => format!("a schema of type {}", schema.data_type),
            };
            at.key(key).report(
                &ATTRIBUTE,
                format!("`{key}` says nothing about {what}"),
                "remove it, or change the dataType",
            );
        }
    }
}

fn bounds(at: &Place<'_>, schema: &Schema) {
    let crossed = |min: Option<u64>, max: Option<u64>| min.zip(max).is_some_and(|(a, b)| a > b);
    let (least, greatest) = (schema.min_value.as_ref(), schema.max_value.as_ref());
    let values = least
        .and_then(Number::as_f64)
        .zip(greatest.and_then(Number::as_f64));
    let pairs = [
        ("minLength", crossed(schema.min_length, schema.max_length)),
        (
            "minValue",
            values.is_some_and(|(least, greatest)| least > greatest),
        ),
        (
            "minPrecision",
            crossed(schema.min_precision, schema.max_precision),
        ),
    ];
    for (key, is_crossed) in pairs {
        if is_crossed {
            at.key(key).report(
                &BOUNDS,
                "the minimum is greater than the maximum, so no value is valid",
                "write a smaller minimum or a greater maximum",
            );
        }
    }
    let is_integer = matches!(schema.data_type, DataType::Integer | DataType::IntegerArray);
    for (key, bound) in [("minValue", least), ("maxValue", greatest)] {
        if is_integer && bound.is_some_and(|bound| !defaults::is_whole(bound)) {
            at.key(key).report(
                &WHOLE_BOUND,
                "the bound of an integer is no integer",
                "write a whole number, or change the dataType to double",
            );
        }
    }
}

/// The specification names no dialect (rc3.md ambiguity 55). A pattern that only another dialect has is
/// a warning, for nobody can tell whether the other side has it.
fn regex<'a>(at: &Place<'_>, pattern: &'a str, patterns: &mut Patterns<'a>) {
    let (rule, fix) = match patterns.compile(pattern) {
        Ok(_) => return,
        Err(UnusablePattern::Syntax(_)) => (&REGEX, FIX_REGEX),
        Err(UnusablePattern::TooMany) => (&REGEX_MANY, FIX_REGEX_MANY),
        Err(_) => (&REGEX_DIALECT, FIX_REGEX),
    };
    let message = format!(
        "{:?} cannot be used as a regular expression here",
        shorten(pattern)
    );
    at.report(rule, message, fix);
}

fn options(at: &Place<'_>, schema: &Schema) {
    let Some(options) = &schema.options else {
        return;
    };
    if options.is_empty() {
        at.report(
            &NO_OPTIONS,
            "there is nothing to choose from",
            "write the options, or remove the list",
        );
    }
    let element = defaults::element_of(&schema.data_type);
    at.each(options, |at, option| {
        if !defaults::is_of_type(option, element) {
            at.report(
                &OPTION_TYPE,
                format!("the option is not of the type {element}"),
                "write an option of that type, or change the dataType",
            );
        }
    });
}

const FIX_REGEX: &str = "write a regular expression without look-around and back-references";

const FIX_REGEX_MANY: &str = "share the schemas whose rules are alike";

rule_table! {
    SECTION_NAME: Warning, "configuration.section-name", "rc3.md 1.7",
        "the headings of the sections differ";
    SETTING_PARAMETER: Error, "configuration.setting-parameter", "rc3.md 1.7, 13",
        "a setting names a parameter of the description";
    SETTING_SCHEMA: Error, "configuration.setting-schema", "rc3.md 1.7, 13",
        "a setting names a schema of the configuration";
    SETTING_REPEATED: Warning, "configuration.setting-repeated", "rc3.md 1.7, ambiguity 56",
        "a parameter has at most one setting";
    SCHEMA_NAME: Error, "configuration.schema-name", "rc3.md 1.7",
        "the names of the schemas differ";
    DATA_TYPE: Error in schema, "configuration.data-type", "rc3.md 1.7",
        "the data type is one of the eight";
    ATTRIBUTE: Error, "configuration.attribute", "rc3.md 1.7",
        "a schema has no attributes but those of its class";
    BOUNDS: Error, "configuration.bounds", "rc3.md 1.7",
        "a minimum is not greater than its maximum";
    WHOLE_BOUND: Error, "configuration.whole-bound", "rc3.md 1.7",
        "the bounds of an integer are integers";
    REGEX: Error, "configuration.regex", "rc3.md 1.7",
        "`regexMatch` is a regular expression";
    REGEX_DIALECT: Warning, "configuration.regex-dialect", "rc3.md 1.7, ambiguity 55",
        "`regexMatch` is a small regular expression that every dialect has";
    REGEX_MANY: Warning, "configuration.regex-many", "rc3.md 1.7",
        "a configuration has at most 256 different regular expressions";
    NO_OPTIONS: Warning, "configuration.no-options", "rc3.md 1.7",
        "a selection has options";
    OPTION_TYPE: Error, "configuration.option-type", "rc3.md 1.7, ambiguity 57",
        "the options of a selection have its data type";
}
