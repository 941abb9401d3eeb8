//! Values out of objects that may be of any shape.

use serde_json::Value;

/// The text at a JSON pointer; empty when there is none.
pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The whole number at a JSON pointer; 0 when there is none.
pub(super) fn int(value: &Value, path: &str) -> i64 {
    value
        .pointer(path)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}
