//! Sections, settings and schemas (rc3.md 1.7).

use serde_json::{Value, json};

use super::application::valid;
use super::case::{Case, case, check, remove, set};

/// Puts a schema in place of one that no setting uses.
fn schema(document: &mut Value, schema: Value) {
    document["configuration"]["schema"][2] = schema;
}

pub(super) const CASES: &[Case] = &[
    case(
        "1.7: section without a heading",
        |d| set(d, "/configuration/sections/0/name", ""),
        "text.empty",
        "configuration.sections[0].name",
    ),
    case(
        "1.7: two sections with one heading",
        |d| set(d, "/configuration/sections/1/name", "General"),
        "configuration.section-name",
        "configuration.sections[1].name",
    ),
    case(
        "1.7: setting without a name",
        |d| set(d, "/configuration/sections/0/settings/0/name", ""),
        "text.empty",
        "configuration.sections[0].settings[0].name",
    ),
    case(
        "1.7: setting of an unknown parameter",
        |d| {
            let setting =
                json!({ "parameter": "intervall", "name": "Interval", "schema": "seconds" });
            set(d, "/configuration/sections/1/settings", json!([setting]));
        },
        "configuration.setting-parameter",
        "configuration.sections[1].settings[0].parameter",
    ),
    case(
        "1.7: setting with an unknown schema",
        |d| set(d, "/configuration/sections/0/settings/0/schema", "minutes"),
        "configuration.setting-schema",
        "configuration.sections[0].settings[0].schema",
    ),
    case(
        "1.7: two settings of one parameter",
        |d| {
            let setting = d["configuration"]["sections"][0]["settings"][0].clone();
            set(d, "/configuration/sections/1/settings", json!([setting]));
        },
        "configuration.setting-repeated",
        "configuration.sections[1].settings[0].parameter",
    ),
    case(
        "1.7: two schemas with one name",
        |d| set(d, "/configuration/schema/2/name", "place"),
        "configuration.schema-name",
        "configuration.schema[2].name",
    ),
    case(
        "1.7: unknown data type",
        |d| set(d, "/configuration/schema/2/dataType", "float"),
        "configuration.data-type",
        "configuration.schema[2].dataType",
    ),
    case(
        "1.7: length of an integer",
        |d| set(d, "/configuration/schema/0/minLength", 1),
        "configuration.attribute",
        "configuration.schema[0].minLength",
    ),
    case(
        "1.7: range of a text",
        |d| set(d, "/configuration/schema/1/maxValue", 1),
        "configuration.attribute",
        "configuration.schema[1].maxValue",
    ),
    case(
        "1.7: precision of an integer",
        |d| set(d, "/configuration/schema/0/maxPrecision", 1),
        "configuration.attribute",
        "configuration.schema[0].maxPrecision",
    ),
    case(
        "1.7: pattern of a boolean",
        |d| {
            schema(
                d,
                json!({ "name": "on", "dataType": "boolean", "regexMatch": "a" }),
            );
        },
        "configuration.attribute",
        "configuration.schema[2].regexMatch",
    ),
    case(
        "1.7: several choices without options",
        |d| {
            schema(
                d,
                json!({ "name": "on", "dataType": "string", "multiselect": true }),
            );
        },
        "configuration.attribute",
        "configuration.schema[2].multiselect",
    ),
    case(
        "1.7: length of a selection",
        |d| set(d, "/configuration/schema/3/maxLength", 3),
        "configuration.attribute",
        "configuration.schema[3].maxLength",
    ),
    case(
        "1.7: least length above the greatest",
        |d| set(d, "/configuration/schema/1/minLength", 41),
        "configuration.bounds",
        "configuration.schema[1].minLength",
    ),
    case(
        "1.7: least value above the greatest",
        |d| {
            set(d, "/configuration/schema/0/minValue", 601);
            remove(d, "/parameters/interval/value");
        },
        "configuration.bounds",
        "configuration.schema[0].minValue",
    ),
    case(
        "1.7: least precision above the greatest",
        |d| set(d, "/configuration/schema/2/minPrecision", 3),
        "configuration.bounds",
        "configuration.schema[2].minPrecision",
    ),
    case(
        "1.7: bound of an integer with a fraction",
        |d| set(d, "/configuration/schema/0/maxValue", 600.5),
        "configuration.whole-bound",
        "configuration.schema[0].maxValue",
    ),
    case(
        "1.7: pattern that is none",
        |d| set(d, "/configuration/schema/1/regexMatch", "([A-Z]"),
        "configuration.regex",
        "configuration.schema[1].regexMatch",
    ),
    case(
        "1.7: pattern with look-ahead",
        |d| set(d, "/configuration/schema/1/regexMatch", "^(?=A)"),
        "configuration.regex-dialect",
        "configuration.schema[1].regexMatch",
    ),
    case(
        "1.7: pattern with a back-reference",
        |d| set(d, "/configuration/schema/1/regexMatch", r"(a)\1"),
        "configuration.regex-dialect",
        "configuration.schema[1].regexMatch",
    ),
    case(
        "1.7: pattern that needs too much memory",
        |d| {
            set(
                d,
                "/configuration/schema/1/regexMatch",
                r"((\w{100}){100}){100}",
            );
        },
        "configuration.regex-dialect",
        "configuration.schema[1].regexMatch",
    ),
    case(
        "1.7: more patterns than can be checked",
        |d| {
            let schemas = d["configuration"]["schema"].as_array_mut().unwrap();
            schemas.extend((0..256).map(|number| {
                let name = format!("more {number}");
                json!({ "name": name, "dataType": "string", "regexMatch": format!("^{number}$") })
            }));
        },
        "configuration.regex-many",
        "configuration.schema[259].regexMatch",
    ),
    case(
        "1.7: selection without options",
        |d| set(d, "/configuration/schema/3/options", json!([])),
        "configuration.no-options",
        "configuration.schema[3].options",
    ),
    case(
        "1.7: option of another type",
        |d| set(d, "/configuration/schema/3/options/1", 7),
        "configuration.option-type",
        "configuration.schema[3].options[1]",
    ),
    case(
        "9: unknown member of a schema",
        |d| set(d, "/configuration/schema/0/step", 5),
        "member.unknown",
        "configuration.schema[0].step",
    ),
];

#[test]
fn configurations() {
    check(&valid(), CASES);
}
