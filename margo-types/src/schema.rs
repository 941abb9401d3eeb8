//! JSON Schema (draft 2020-12) of the documents.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

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
