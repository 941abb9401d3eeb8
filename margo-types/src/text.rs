//! The one way a validated text value is written: a newtype that can only hold what its parser accepts.
//!
//! Every identifier, digest, revision, timeout and quantity of the specification travels as a JSON or
//! YAML string. [`text_newtype!`] gives each of them the same conversions, and reads them through a
//! *named* newtype so that a reader can report every invalid one in a document, not just the first
//! (see `read::deserializer`).

/// Implements string conversions, serde and JSON Schema for a validated type.
///
/// The type must provide `fn parse(&str) -> Result<Self, InvalidText>` and `Display`. Whatever
/// `Display` prints must be accepted by `parse` again.
macro_rules! text_newtype {
    ($type:ident, pattern: $pattern:expr, example: $example:expr) => {
        impl $type {
            /// The pattern that the specification gives for this text, as an ECMA-262 regular expression.
            pub const PATTERN: &'static str = $pattern;
            /// A conformant value.
            pub const EXAMPLE: &'static str = $example;
        }

        impl std::str::FromStr for $type {
            type Err = $crate::text::InvalidText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $type {
            type Error = $crate::text::InvalidText;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::text::InvalidText;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::deserialize(deserializer, stringify!($type), $type::parse)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}
pub(crate) use text_newtype;

/// `as_str`, `AsRef<str>` and `Display` of a newtype around its own text.
macro_rules! text_access {
    ($type:ident) => {
        impl $type {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.pad(&self.0)
            }
        }
    };
}
pub(crate) use text_access;

/// A text that does not have the form its type requires.
///
/// Says what was found (shortened when long), what is wrong with it and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}: {why}")]
pub struct InvalidText {
    found: String,
    expected: &'static str,
    why: String,
    fix: String,
}

impl InvalidText {
    pub(crate) fn new(
        found: &str,
        expected: &'static str,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            found: shorten(found),
            expected,
            why: why.into(),
            fix: fix.into(),
        }
    }

    /// What is wrong with the text, without the text itself.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What to write instead.
    pub fn fix(&self) -> &str {
        &self.fix
    }
}

/// At most 80 characters of a peer's text, for messages.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Reads a validated text value as the newtype called `name`.
pub(crate) fn deserialize<'de, D, T>(
    deserializer: D,
    name: &'static str,
    parse: fn(&str) -> Result<T, InvalidText>,
) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
{
    deserializer.deserialize_newtype_struct(name, TextVisitor(parse))
}

struct TextVisitor<T>(fn(&str) -> Result<T, InvalidText>);

impl<'de, T> serde::de::Visitor<'de> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_newtype_struct<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(|invalid| E::custom(format_args!("{invalid}; {}", invalid.fix)))
    }
}

/// A valid text for the newtype called `name`, to stand in for an invalid one while reading on.
pub(crate) fn example_of(name: &str) -> Option<&'static str> {
    use crate::digest::Digest;
    use crate::id::{
        ApplicationId, ClientId, ComponentName, DeploymentId, DeviceId, DeviceTarget, SpiffeId,
        TrustDomain,
    };
    use crate::scalar::{Quantity, Repository, Revision, Timeout};

    Some(match name {
        "ApplicationId" => ApplicationId::EXAMPLE,
        "ClientId" => ClientId::EXAMPLE,
        "ComponentName" => ComponentName::EXAMPLE,
        "DeploymentId" => DeploymentId::EXAMPLE,
        "DeviceId" => DeviceId::EXAMPLE,
        "DeviceTarget" => DeviceTarget::EXAMPLE,
        "Digest" => Digest::EXAMPLE,
        "Quantity" => Quantity::EXAMPLE,
        "Repository" => Repository::EXAMPLE,
        "Revision" => Revision::EXAMPLE,
        "SpiffeId" => SpiffeId::EXAMPLE,
        "Timeout" => Timeout::EXAMPLE,
        "TrustDomain" => TrustDomain::EXAMPLE,
        _ => return None,
    })
}
