//! JSON Schema (draft 2020-12) of the documents.
//!
//! Those of the newest generation describe what is to be written. Those of older generations describe what
//! their tolerant reader accepts, in all published spellings.
//!
//! A schema says of a document what a schema can say: a document that breaks it is refused by the reader or
//! by strict validation, but not the other way round. Two rules of reading it:
//!
//! - an optional member may be null, which means that it is absent, as the reader has it;
//! - JSON Schema takes `1.0` for a whole number, the reader does not.
//!
//! ```
//! use margo_types::{Kind, SpecVersion, schema::schema};
//!
//! let schema = schema(Kind::StateManifest, SpecVersion::Rc3).ok_or("no such document")?;
//! assert_eq!(schema["required"][0], "manifestVersion");
//! # Ok::<(), &str>(())
//! ```

pub(crate) mod older;

use std::sync::LazyLock;

use regex::Regex;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::document::Kind;
use crate::version::SpecVersion;

/// The JSON Schema of a kind of document in a generation; `None` where that generation does not have it.
///
/// The schema is self-contained, and its `$id` is a URN such as
/// `urn:margo-types:rc.3:ApplicationDescription`.
pub fn schema(kind: Kind, generation: SpecVersion) -> Option<serde_json::Value> {
    let mut schema = kind.schema(generation)?;
    schema.insert(
        "$id".to_owned(),
        format!("urn:margo-types:{generation}:{kind}").into(),
    );
    schema.insert("title".to_owned(), kind.as_str().into());
    Some(schema.to_value())
}

/// All schemas there are, oldest generation first.
pub fn schemas() -> impl Iterator<Item = (SpecVersion, Kind, serde_json::Value)> {
    SpecVersion::ALL.into_iter().flat_map(|generation| {
        let of = move |kind: &Kind| Some((generation, *kind, schema(*kind, generation)?));
        Kind::ALL.iter().filter_map(of)
    })
}

/// The schema of a serde type, as it is read.
pub(crate) fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .with_transform(PlainDescriptions)
        .into_generator()
        .into_root_schema_for::<T>()
}

/// Makes descriptions plain words: nobody can follow a link between items of this crate in a schema, and
/// lines wrap elsewhere.
#[derive(Clone, Debug)]
struct PlainDescriptions;

impl Transform for PlainDescriptions {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(serde_json::Value::String(description)) = schema.get_mut("description") {
            *description = in_plain_words(description);
        }
        transform_subschemas(self, schema);
    }
}

fn in_plain_words(description: &str) -> String {
    static LINK: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\[(`[^`]+`)\](\([^)]*\))?").ok());
    let paragraphs: Vec<_> = description
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect();
    let words = paragraphs.join("\n\n");
    match LINK.as_ref() {
        Some(link) => link.replace_all(&words, "$1").into_owned(),
        None => words,
    }
}

/// Adds members that the newest generation requires although the model, which also holds older documents,
/// does not. Their names are separated by blanks.
pub(crate) fn also_required(names: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        let required = schema
            .ensure_object()
            .entry("required")
            .or_insert_with(|| serde_json::json!([]));
        if let Some(required) = required.as_array_mut() {
            required.extend(names.split(' ').map(Into::into));
        }
    }
}

/// `patternProperties` of an object that may carry extensions: each must be an object.
pub(crate) fn extensions() -> serde_json::Value {
    serde_json::json!({ "^x-[a-z][a-z0-9-]*-extensions$": { "type": "object" } })
}

/// A quantity in capabilities, where a blank and a fraction are allowed.
pub(crate) struct LooseQuantity;

impl JsonSchema for LooseQuantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReportedQuantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]{0,18})? ?(Ki|Mi|Gi|Ti|Pi|Ei)$" })
    }
}

/// An architecture in capabilities: the ones that can be reported.
pub(crate) struct ReportedArchitecture;

impl JsonSchema for ReportedArchitecture {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReportedArchitecture".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["amd64", "arm64", "arm"] })
    }
}

/// The operands of a match expression: strings, numbers, or one boolean.
pub(crate) struct Operands;

impl JsonSchema for Operands {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Operands".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "anyOf": [
                { "items": { "type": "string" } },
                { "items": { "type": "number" } },
                { "items": { "type": "boolean" }, "maxItems": 1 },
            ],
        })
    }
}

/// What a parameter's value may be: a string, number or boolean, or a list of one of these.
pub(crate) struct PlainValue;

impl JsonSchema for PlainValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PlainValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": ["string", "number", "boolean"] },
                { "type": "array", "items": { "type": "string" } },
                { "type": "array", "items": { "type": "number" } },
                { "type": "array", "items": { "type": "boolean" } },
            ],
        })
    }
}
