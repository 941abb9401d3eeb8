//! Covered components: what a signature protects, RFC 9421, section 2.
//!
//! Margo's template spells one of them `"Content-Digest"`, though names are lower case (contradiction
//! 3). Such a name is kept as written, since the signature covers its letters, while the header is
//! looked up in lower case; [`CoveredComponent::is_conformant`] tells a server what it is accepting.

use std::fmt;

use sfv::{BareItem, Item, ItemSerializer};

use super::field::{FieldError, quoted};

/// One component identifier, for instance `"@method"` or `"@query-param";name="Pet"`.
///
/// `==` compares letter for letter; [`is_same_component`](Self::is_same_component) compares meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CoveredComponent {
    name: String,
    parameters: Vec<ComponentParameter>,
}

impl CoveredComponent {
    /// The header, or the derived component if it starts with `@`, of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            parameters: Vec::new(),
        }
    }

    /// One parameter of the query; `name` is in percent-encoded form (RFC 9421, section 2.2.8).
    pub fn query_param(name: impl Into<String>) -> Self {
        Self::new("@query-param").with(ComponentParameter::Name(name.into()))
    }

    /// The same component with one more parameter.
    #[must_use]
    pub fn with(mut self, parameter: ComponentParameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// The name as written, for instance `@method`, `content-digest`, or even `Content-Digest`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters in the order written.
    pub fn parameters(&self) -> &[ComponentParameter] {
        &self.parameters
    }

    /// Whether the name is in lower case, as RFC 9421, section 2.1 demands.
    pub fn is_conformant(&self) -> bool {
        !self.name.bytes().any(|byte| byte.is_ascii_uppercase())
    }

    /// Whether both identify the same component: RFC 9421, section 2 ignores the order of parameters,
    /// and headers are looked up without regard to case.
    pub fn is_same_component(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.parameters.len() == other.parameters.len()
            && self.parameters.iter().all(|p| other.parameters.contains(p))
    }

    pub(super) fn from_item(field: &'static str, item: &Item) -> Result<Self, FieldError> {
        let name = item.bare_item.as_string().ok_or_else(|| {
            let found = ItemSerializer::new().bare_item(&item.bare_item).finish();
            wrong_value(field, found, "a component name in double quotes")
        })?;
        let parameters = item
            .params
            .iter()
            .map(|(key, value)| ComponentParameter::from_pair(field, key.as_str(), value))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.as_str().to_owned(),
            parameters,
        })
    }
}

impl From<&str> for CoveredComponent {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for CoveredComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.name))?;
        self.parameters.iter().try_for_each(|p| p.fmt(f))
    }
}

/// A parameter of a component identifier, RFC 9421, sections 2.1 to 2.4.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ComponentParameter {
    /// `;sf`: the header is serialised strictly as a structured field.
    StructuredField,
    /// `;key="…"`: only this member of a header that is a dictionary.
    Key(String),
    /// `;bs`: every line of the header is wrapped as a byte sequence.
    ByteSequence,
    /// `;tr`: the field is taken from the trailers.
    Trailer,
    /// `;req`: the component is taken from the request that a response answers.
    Request,
    /// `;name="…"`: the parameter that `@query-param` stands for.
    Name(String),
    /// Anything else. It is written back as read, but no signature base can be made from it.
    #[non_exhaustive]
    Unknown {
        /// Name of the parameter.
        name: String,
        /// Its value as a structured field, for instance `?1`, `12` or `"text"`.
        value: String,
    },
}

impl ComponentParameter {
    fn from_pair(field: &'static str, name: &str, value: &BareItem) -> Result<Self, FieldError> {
        let flag = |parameter| match value.as_boolean() {
            Some(true) => Ok(parameter),
            _ => Err(wrong_value(field, name, "a flag without a value")),
        };
        let text = || match value.as_string() {
            Some(text) => Ok(text.as_str().to_owned()),
            None => Err(wrong_value(field, name, "a string in double quotes")),
        };
        match name {
            "sf" => flag(Self::StructuredField),
            "bs" => flag(Self::ByteSequence),
            "tr" => flag(Self::Trailer),
            "req" => flag(Self::Request),
            "key" => text().map(Self::Key),
            "name" => text().map(Self::Name),
            _ => Ok(Self::Unknown {
                name: name.to_owned(),
                value: ItemSerializer::new().bare_item(value).finish(),
            }),
        }
    }
}

impl fmt::Display for ComponentParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StructuredField => f.write_str(";sf"),
            Self::ByteSequence => f.write_str(";bs"),
            Self::Trailer => f.write_str(";tr"),
            Self::Request => f.write_str(";req"),
            Self::Key(key) => write!(f, ";key={}", quoted(key)),
            Self::Name(name) => write!(f, ";name={}", quoted(name)),
            Self::Unknown { name, value } if value == "?1" => write!(f, ";{name}"),
            Self::Unknown { name, value } => write!(f, ";{name}={value}"),
        }
    }
}

fn wrong_value(
    field: &'static str,
    member: impl Into<String>,
    expected: &'static str,
) -> FieldError {
    FieldError::Value {
        field,
        member: member.into(),
        expected,
    }
}
