//! Members of an object that the specification does not define: extensions and unknown keys
//! (rc3.md section 9).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::{InvalidText, text_access, text_newtype};

/// The extensions and unknown members of one object, kept so that they survive a round trip.
///
/// A key `x-<unique-name>-extensions` is an extension. Any other key is unknown: legal where the schema is
/// open, reported by strict validation where it is closed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extra(pub BTreeMap<String, Value>);

impl Extra {
    /// The extensions, by the unique name in their key.
    pub fn extensions(&self) -> impl Iterator<Item = (ExtensionName, &Value)> {
        self.0
            .iter()
            .filter_map(|(key, value)| Some((ExtensionName::from_key(key)?, value)))
    }

    /// The object of one extension; `None` when there is none or it is not an object.
    pub fn extension(&self, name: &ExtensionName) -> Option<&Map<String, Value>> {
        self.0.get(&name.to_key())?.as_object()
    }

    /// Sets an extension and returns the one it replaces.
    pub fn set_extension(
        &mut self,
        name: &ExtensionName,
        object: Map<String, Value>,
    ) -> Option<Value> {
        self.0.insert(name.to_key(), Value::Object(object))
    }

    /// The members that are not extensions.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0
            .iter()
            .filter(|(key, _)| ExtensionName::from_key(key).is_none())
            .map(|(key, value)| (key.as_str(), value))
    }

    /// A copy with the extensions only: what a fleet manager forwards to a device.
    #[must_use]
    pub fn extensions_only(&self) -> Self {
        let is_extension = |key: &str| ExtensionName::from_key(key).is_some();
        Self(
            self.0
                .iter()
                .filter(|(key, _)| is_extension(key))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        )
    }

    /// Whether there is nothing here.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The unique name of an extension: a lower-case letter, then lower-case letters, digits and dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtensionName(String);

impl ExtensionName {
    /// Reads the unique name, without `x-` and `-extensions`.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let mut chars = text.chars();
        let first_ok = chars.next().is_some_and(|c| c.is_ascii_lowercase());
        if first_ok && chars.all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Ok(Self(text.to_owned()));
        }
        let why = "it is not a lower-case letter followed by lower-case letters, digits and dashes";
        Err(InvalidText::new(
            text,
            "an extension name",
            why,
            "write a name such as acme, for the key x-acme-extensions",
        ))
    }

    /// The unique name in a member's key, if the key is that of an extension.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::parse(key.strip_prefix("x-")?.strip_suffix("-extensions")?).ok()
    }

    /// The member's key: `x-<unique-name>-extensions`.
    pub fn to_key(&self) -> String {
        format!("x-{self}-extensions")
    }
}

text_newtype!(ExtensionName, pattern: "^[a-z][a-z0-9-]*$", example: "acme");
text_access!(ExtensionName);
