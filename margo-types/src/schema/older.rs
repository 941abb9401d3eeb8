//! The JSON Schemas of the older generations.
//!
//! Their own texts contradict each other, so these schemas describe what the tolerant reader of a generation
//! accepts, in all published spellings. They come from the wire types; what the leaves of the model accept
//! beyond the newest generation is added here.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::PlainDescriptions;
use crate::application::{Architecture, DeploymentType};
use crate::capabilities::{InterfaceType, PeripheralType, Runtime};
use crate::status::DeploymentState;
use crate::version::SpecVersion;

/// The schema of a document of an older generation, as it is read.
pub(crate) fn of<T: JsonSchema>(generation: SpecVersion) -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .with_transform(PlainDescriptions)
        .with_transform(AsRead)
        .into_generator()
        .into_root_schema_for::<T>();
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        for (name, lenient) in lenient_leaves(generation) {
            if let Some(definition) = definitions.get_mut(name) {
                *definition = lenient.to_value();
            }
        }
    }
    let description = format!("What a reader of {generation} accepts.");
    schema.insert("description".to_owned(), description.into());
    schema
}

/// Removes the mark of members that are read and never written: here it would only mislead.
#[derive(Clone, Debug)]
struct AsRead;

impl Transform for AsRead {
    fn transform(&mut self, schema: &mut Schema) {
        schema.remove("writeOnly");
        transform_subschemas(self, schema);
    }
}

/// What a value may be where the model's own schema has the form of the newest generation.
fn lenient_leaves(generation: SpecVersion) -> [(&'static str, Schema); 9] {
    let states: &[_] = match generation {
        SpecVersion::PreDraft => &["success", "failure"],
        _ => &["updating", "updated"],
    };
    let reported = [
        Architecture::Amd64.as_str(),
        Architecture::Arm64.as_str(),
        Architecture::Arm.as_str(),
        "x86_64",
        "intel x64",
    ];
    [
        (
            "Repository",
            json_schema!({
                "type": "string",
                "pattern": r"^(?!://)[^\s\x00-\x1f\x7f-\x9f]+://[^\s\x00-\x1f\x7f-\x9f]+$",
                "maxLength": 2048,
            }),
        ),
        ("Revision", matching("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")),
        ("Timeout", matching("^(?=.)([0-9]+h)?([0-9]+m)?([0-9]+s)?$")),
        (
            "ReportedArchitecture",
            in_any_case(reported.into_iter(), &[]),
        ),
        (
            "DeploymentType",
            in_any_case(
                DeploymentType::KNOWN.iter().map(DeploymentType::as_str),
                &["helm.v3", "docker-compose"],
            ),
        ),
        (
            "Runtime",
            in_any_case(Runtime::KNOWN.iter().map(Runtime::as_str), &[]),
        ),
        (
            "PeripheralType",
            in_any_case(
                PeripheralType::KNOWN.iter().map(PeripheralType::as_str),
                &[],
            ),
        ),
        (
            "InterfaceType",
            in_any_case(InterfaceType::KNOWN.iter().map(InterfaceType::as_str), &[]),
        ),
        (
            "DeploymentState",
            in_any_case(
                DeploymentState::KNOWN.iter().map(DeploymentState::as_str),
                states,
            ),
        ),
    ]
}

fn matching(pattern: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern })
}

/// One of these words in any letter case. JSON Schema has no flag for that, so every letter becomes a class.
pub(crate) fn in_any_case<'a>(words: impl Iterator<Item = &'a str>, more: &[&'a str]) -> Schema {
    let word = |word: &str| -> String {
        let classes = word.chars().map(|c| match c {
            c if c.is_ascii_alphabetic() => {
                format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase())
            }
            c if c.is_ascii_alphanumeric() || c == '_' || c == ' ' => c.to_string(),
            c => format!("[{c}]"),
        });
        classes.collect()
    };
    let words: Vec<_> = words.chain(more.iter().copied()).map(word).collect();
    matching(&format!("^({})$", words.join("|")))
}

/// At least one of these members is there. Each is given by the keys that lead to it, with dots between them;
/// blanks separate the members.
pub(crate) fn any_present(members: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        let present: Vec<_> = members
            .split(' ')
            .map(|path| present(&path.split('.').collect::<Vec<_>>()))
            .collect();
        also(schema, json!({ "anyOf": present }));
    }
}

/// These two members are not both there.
pub(crate) fn not_both(one: &'static str, other: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        let both = json!({ "allOf": [present(&[one]), present(&[other])] });
        also(schema, json!({ "not": both }));
    }
}

/// A member with a second name, as `serde(alias)` has it: one of the two may be there.
pub(crate) fn alias(name: &'static str, alias: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        let Some(Value::Object(properties)) = schema.get_mut("properties") else {
            return;
        };
        let Some(property) = properties.get(name).cloned() else {
            return;
        };
        properties.insert(alias.to_owned(), property);
        let mut was_required = false;
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            was_required = required.iter().any(|it| it == name);
            required.retain(|it| it != name);
        }
        let clause = if was_required {
            json!({ "oneOf": [{ "required": [name] }, { "required": [alias] }] })
        } else {
            json!({ "not": { "required": [name, alias] } })
        };
        also(schema, clause);
    }
}

/// Members that are refused: other generations give them a meaning.
pub(crate) fn absent(names: &'static [&'static str]) -> impl FnMut(&mut Schema) {
    move |schema| {
        let properties = schema.ensure_object().entry("properties");
        if let Some(properties) = properties.or_insert_with(|| json!({})).as_object_mut() {
            properties.extend(names.iter().map(|name| ((*name).to_owned(), json!(false))));
        }
    }
}

/// A member is there and not null, which would mean that it is absent.
fn present(path: &[&str]) -> Value {
    match path {
        [] => json!({ "not": { "type": "null" } }),
        [key, rest @ ..] => json!({
            "type": "object",
            "required": [key],
            "properties": { *key: present(rest) },
        }),
    }
}

fn also(schema: &mut Schema, clause: Value) {
    let clauses = schema.ensure_object().entry("allOf");
    if let Some(clauses) = clauses.or_insert_with(|| json!([])).as_array_mut() {
        clauses.push(clause);
    }
}

/// The type of a profile in every spelling of an older generation.
pub(crate) struct ProfileType;

impl JsonSchema for ProfileType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProfileType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": ["helm", "helm.v3", "compose", "docker-compose", "custom"],
        })
    }
}

/// A required processor, where an architecture has a second name (rc1-and-pre-draft.md ambiguity 28).
pub(crate) struct RequiredCpu;

impl JsonSchema for RequiredCpu {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RequiredCpu".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known = Architecture::KNOWN.iter().map(Architecture::as_str);
        let architectures: Vec<_> = known.chain(["x86_64"]).collect();
        json_schema!({
            "type": "object",
            "properties": {
                "cores": { "type": "number", "minimum": 0 },
                "architectures": { "type": ["array", "null"], "items": { "enum": architectures } },
            },
            "required": ["cores"],
        })
    }
}
