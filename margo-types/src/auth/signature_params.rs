//! What one signature covers and how it was made: RFC 9421, section 2.3.
//!
//! The text of these parameters is itself signed, as the last line of the signature base. A verifier
//! must repeat what it received byte for byte, so the received text is kept and never written anew.

mod builder;

use std::{fmt, str::FromStr};

use sfv::{BareItem, InnerList, ItemSerializer, List, ListEntry};

pub use self::builder::SignatureParamsBuilder;
use super::{
    algorithm::SignatureAlgorithm,
    component::CoveredComponent,
    field::{self, FieldError, FieldLimits},
};

/// The covered components and the parameters of one signature.
///
/// Made by [`builder`](Self::builder) to sign, or read from [`SignatureInput`](super::SignatureInput)
/// to verify. `Display` gives the exact text for the header and for the signature base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureParams {
    components: Vec<CoveredComponent>,
    created: Option<u64>,
    expires: Option<u64>,
    keyid: Option<String>,
    alg: Option<SignatureAlgorithm>,
    nonce: Option<String>,
    tag: Option<String>,
    unknown: Vec<(String, String)>,
    text: String,
}

impl SignatureParams {
    /// Starts the description of a new signature.
    pub fn builder() -> SignatureParamsBuilder {
        SignatureParamsBuilder::default()
    }

    /// The covered components in the order they were signed.
    pub fn components(&self) -> &[CoveredComponent] {
        &self.components
    }

    /// Whether the whole of the component `name` is covered, in any spelling of its case.
    ///
    /// A component with parameters does not count: it may stand for a part, or for another message.
    pub fn covers(&self, name: &str) -> bool {
        let wanted = CoveredComponent::new(name);
        self.components
            .iter()
            .any(|component| component.is_same_component(&wanted))
    }

    /// The first component that RFC 9421 would not allow to be written like this, if any.
    ///
    /// Margo's own template has one, `"Content-Digest"` (contradiction 3); a server decides whether to
    /// accept and log it, or to refuse it.
    pub fn nonconformant_component(&self) -> Option<&CoveredComponent> {
        self.components
            .iter()
            .find(|component| !component.is_conformant())
    }

    /// When the signature was made, in seconds since 1970. At most the end of the year 9999.
    pub fn created(&self) -> Option<u64> {
        self.created
    }

    /// When the signature ceases to be valid, in seconds since 1970. At most the end of the year 9999.
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// The signer's name for its key. Margo gives it no meaning (contradiction 7).
    pub fn keyid(&self) -> Option<&str> {
        self.keyid.as_deref()
    }

    /// The algorithm. Margo's template has none: the key decides (contradiction 6).
    pub fn alg(&self) -> Option<&SignatureAlgorithm> {
        self.alg.as_ref()
    }

    /// A value that is never used twice with one key.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The application the signature is meant for.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Parameters not known here, in order: name and value as a structured field, for instance `?1`.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.unknown
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text as received or built, for instance `("@method");created=1735689600;keyid="c-01"`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn parse(text: &str, limits: &FieldLimits) -> Result<Self, FieldError> {
        limits.check_size(FIELD, text.len())?;
        let list = parse_inner_list(text)?;
        let mut params = Self {
            components: parse_components(&list, limits)?,
            created: None,
            expires: None,
            keyid: None,
            alg: None,
            nonce: None,
            tag: None,
            unknown: Vec::new(),
            text: text.to_owned(),
        };
        for (name, value) in &list.params {
            params.set(name.as_str(), value)?;
        }
        Ok(params)
    }

    fn set(&mut self, name: &str, value: &BareItem) -> Result<(), FieldError> {
        match name {
            "created" => self.created = Some(parse_seconds(name, value)?),
            "expires" => self.expires = Some(parse_seconds(name, value)?),
            "keyid" => self.keyid = Some(parse_string(name, value)?.to_owned()),
            "alg" => self.alg = Some(parse_string(name, value)?.into()),
            "nonce" => self.nonce = Some(parse_string(name, value)?.to_owned()),
            "tag" => self.tag = Some(parse_string(name, value)?.to_owned()),
            _ => {
                let value = ItemSerializer::new().bare_item(value).finish();
                self.unknown.push((name.to_owned(), value));
            }
        }
        Ok(())
    }
}

impl FromStr for SignatureParams {
    type Err = FieldError;

    /// Reads the text of one label of `Signature-Input`, within the default [`FieldLimits`].
    fn from_str(text: &str) -> Result<Self, FieldError> {
        Self::parse(text, &FieldLimits::default())
    }
}

impl fmt::Display for SignatureParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads text that is one inner list with parameters and nothing else, not even space around it.
fn parse_inner_list(text: &str) -> Result<InnerList, FieldError> {
    let one_inner_list = || field::syntax(FIELD, "a label has a value that is not one inner list");
    if text.trim() != text {
        return Err(one_inner_list());
    }
    let mut list: List = field::parse(FIELD, text)?;
    match (list.pop(), list.is_empty()) {
        (Some(ListEntry::InnerList(inner)), true) => Ok(inner),
        _ => Err(one_inner_list()),
    }
}

fn parse_components(
    list: &InnerList,
    limits: &FieldLimits,
) -> Result<Vec<CoveredComponent>, FieldError> {
    if list.items.len() > limits.components {
        return Err(FieldError::TooMany {
            field: FIELD,
            what: "components",
            limit: limits.components,
        });
    }
    let mut components: Vec<CoveredComponent> = Vec::with_capacity(list.items.len());
    for item in &list.items {
        let component = CoveredComponent::from_item(FIELD, item)?;
        if components.iter().any(|c| c.is_same_component(&component)) {
            return Err(FieldError::Duplicate {
                field: FIELD,
                member: component.to_string(),
            });
        }
        components.push(component);
    }
    Ok(components)
}

fn parse_seconds(name: &str, value: &BareItem) -> Result<u64, FieldError> {
    value
        .as_integer()
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds <= END_OF_YEAR_9999)
        .ok_or_else(|| FieldError::Value {
            field: FIELD,
            member: name.to_owned(),
            expected: "whole seconds since 1970, up to the year 9999",
        })
}

fn parse_string<'a>(name: &str, value: &'a BareItem) -> Result<&'a str, FieldError> {
    match value.as_string() {
        Some(text) => Ok(text.as_str()),
        None => Err(FieldError::Value {
            field: FIELD,
            member: name.to_owned(),
            expected: "a string in double quotes",
        }),
    }
}

pub(super) const FIELD: &str = "Signature-Input";

const END_OF_YEAR_9999: u64 = 253_402_300_799;

#[cfg(test)]
mod tests;
