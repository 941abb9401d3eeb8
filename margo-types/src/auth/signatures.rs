//! The `Signature` header: the signature bytes, by label. RFC 9421, section 4.2.

use std::fmt;

use super::field::{self, FieldError, FieldLimits};

/// One or more signatures by label, in the order received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    members: Vec<(String, Vec<u8>)>,
}

impl Signatures {
    /// The header of a request with a single signature.
    pub fn new(label: &str, signature: impl Into<Vec<u8>>) -> Result<Self, FieldError> {
        field::check_name(FIELD, label)?;
        Ok(Self {
            members: vec![(label.to_owned(), signature.into())],
        })
    }

    /// Reads the value of a `Signature` header; join several header lines with `", "` first.
    pub fn parse(header: impl AsRef<[u8]>) -> Result<Self, FieldError> {
        Self::parse_within(&FieldLimits::default(), header)
    }

    /// Reads the value of a `Signature` header within other limits than the default ones.
    pub fn parse_within(
        limits: &FieldLimits,
        header: impl AsRef<[u8]>,
    ) -> Result<Self, FieldError> {
        let members = field::members(FIELD, header.as_ref(), limits)?
            .into_iter()
            .map(|(label, text)| Ok((label.to_owned(), field::parse_bytes(FIELD, label, text)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self { members })
    }

    /// The bytes of the signature `label`.
    pub fn get(&self, label: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(known, _)| *known == label)
            .map(|(_, signature)| signature)
    }

    /// All labels with their signatures, in the order received.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.members
            .iter()
            .map(|(label, signature)| (label.as_str(), signature.as_slice()))
    }
}

impl fmt::Display for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (label, signature) in self.iter() {
            write!(f, "{separator}{label}={}", field::byte_sequence(signature))?;
            separator = ", ";
        }
        Ok(())
    }
}

const FIELD: &str = "Signature";

#[cfg(test)]
mod tests;
