//! Parameters and the places they are written to (rc3.md section 1.6).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::extra::Extra;
use crate::id::ComponentName;

/// Something that can be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Parameter {
    /// The default: a string, number, boolean, or an array of one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::PlainValue>")
    )]
    pub value: Option<Value>,
    /// Where the value goes.
    pub targets: Vec<Target>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Parameter {
    /// A parameter without default.
    pub fn new(targets: Vec<Target>) -> Self {
        Self {
            targets,
            ..Self::default()
        }
    }
}

/// A place that a parameter's value is written to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Target {
    /// For Helm a dot path into the values, as for `helm install --set`; for Compose the name of an
    /// environment variable.
    pub pointer: String,
    /// The components it is written for. Those of another profile than the chosen one are not used.
    pub components: Vec<ComponentName>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Target {
    /// This pointer in these components.
    pub fn new(pointer: impl Into<String>, components: Vec<ComponentName>) -> Self {
        Self {
            pointer: pointer.into(),
            components,
            extra: Extra::default(),
        }
    }
}
