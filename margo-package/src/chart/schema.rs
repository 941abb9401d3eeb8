//! What the `values.schema.json` of a chart refers to.

use serde_json::Value;

use super::error::ChartError;

/// The references in a schema that lead out of it; the first 20.
pub(super) fn outside_references(file: &str, json: &[u8]) -> Result<Vec<String>, ChartError> {
    // Helm takes it away, too, and an empty file for none.
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    if json.is_empty() {
        return Ok(Vec::new());
    }
    let schema = serde_json::from_slice(json).map_err(|why| ChartError::Schema {
        file: file.to_owned(),
        why,
    })?;
    let mut found = Vec::new();
    collect(&schema, &mut found);
    found.truncate(MAX_REFERENCES);
    Ok(found)
}

/// As deep as the reader of JSON went, which has a limit.
fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if leads_out(name, target) => found.push(target.clone()),
                    other => collect(other, found),
                }
            }
        }
        _ => {}
    }
}

/// Whether a keyword has another document opened.
fn leads_out(keyword: &str, target: &str) -> bool {
    match keyword {
        "$ref" | "$dynamicRef" | "$recursiveRef" => !target.starts_with('#'),
        // Readers have the known drafts at hand.
        "$schema" => !DRAFTS.iter().any(|drafts| target.starts_with(drafts)),
        _ => false,
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DRAFTS: [&str; 2] = ["http://json-schema.org/", "https://json-schema.org/"];
const MAX_REFERENCES: usize = 20;
