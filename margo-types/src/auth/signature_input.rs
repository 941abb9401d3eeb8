//! The `Signature-Input` header: what each signature covers, by label. RFC 9421, section 4.1.
//!
//! Margo uses the label `sig1`, its sandbox `sig`; a label has no meaning of its own.

use std::fmt;

use super::{
    field::{self, FieldError, FieldLimits},
    signature_params::{FIELD, SignatureParams},
};

/// The parameters of one or more signatures by label, in the order received.
///
/// ```
/// use margo_types::auth::SignatureInput;
///
/// let input = SignatureInput::parse(r#"sig1=("@method" "@target-uri");created=1735689600;keyid="c-01""#)?;
/// let params = input.get("sig1").ok_or("no signature with the label sig1")?;
/// assert_eq!(params.created(), Some(1_735_689_600));
/// assert!(params.covers("@target-uri"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureInput {
    members: Vec<(String, SignatureParams)>,
}

impl SignatureInput {
    /// The header of a request with a single signature.
    pub fn new(label: &str, params: SignatureParams) -> Result<Self, FieldError> {
        field::check_name(FIELD, label)?;
        Ok(Self {
            members: vec![(label.to_owned(), params)],
        })
    }

    /// Reads the value of a `Signature-Input` header; join several header lines with `", "` first.
    pub fn parse(header: impl AsRef<[u8]>) -> Result<Self, FieldError> {
        Self::parse_within(&FieldLimits::default(), header)
    }

    /// Reads the value of a `Signature-Input` header within other limits than the default ones.
    pub fn parse_within(
        limits: &FieldLimits,
        header: impl AsRef<[u8]>,
    ) -> Result<Self, FieldError> {
        let members = field::members(FIELD, header.as_ref(), limits)?
            .into_iter()
            .map(|(label, text)| Ok((label.to_owned(), SignatureParams::parse(text, limits)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self { members })
    }

    /// The parameters of the signature `label`.
    pub fn get(&self, label: &str) -> Option<&SignatureParams> {
        self.iter()
            .find(|(known, _)| *known == label)
            .map(|(_, params)| params)
    }

    /// All labels with their parameters, in the order received.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SignatureParams)> {
        self.members
            .iter()
            .map(|(label, params)| (label.as_str(), params))
    }
}

impl fmt::Display for SignatureInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (label, params) in self.iter() {
            write!(f, "{separator}{label}={params}")?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
