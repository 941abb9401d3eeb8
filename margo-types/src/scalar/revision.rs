//! Revisions of components (rc3.md section 1.4).

use std::sync::LazyLock;

use regex::Regex;

use crate::text::{InvalidText, text_access, text_newtype};

/// The revision of a component: an OCI tag.
///
/// Reading takes any OCI tag (`latest`, `v1.2`), because older generations set no rule. The newest
/// generation wants SemVer 2.0 without a leading `v` and with `_` in place of `+`:
/// [`is_conformant`](Self::is_conformant), checked by strict validation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(String);

impl Revision {
    /// Reads a revision.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let first_ok = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let rest_ok = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if first_ok && rest_ok && text.len() <= 128 {
            return Ok(Self(text.to_owned()));
        }
        let fix = "write a SemVer version such as 1.0.9 or 1.0.9-rc.1, with _ in place of +";
        Err(InvalidText::new(
            text,
            "a revision",
            "it is not an OCI tag",
            fix,
        ))
    }

    /// Whether this is SemVer 2.0, without a leading `v` and with `_` in place of `+`.
    pub fn is_conformant(&self) -> bool {
        static SEMVER_TAG: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(Revision::PATTERN).ok());
        SEMVER_TAG
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(&self.0))
    }

    /// The version in SemVer's own spelling, with `+` before build metadata.
    pub fn to_semver(&self) -> Option<String> {
        self.is_conformant().then(|| self.0.replacen('_', "+", 1))
    }
}

text_newtype!(
    Revision,
    pattern: r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:_([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$",
    example: "1.0.9"
);
text_access!(Revision);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformant_revisions_are_semver_tags() {
        for text in ["1.0.9", "1.0.0-rc.1", "1.0.0_b", "1.0.0-rc.1_b.7"] {
            assert!(Revision::parse(text).unwrap().is_conformant(), "{text}");
        }
        for text in ["1.0", "v1.0.0", "1.0.0-01", "latest"] {
            assert!(!Revision::parse(text).unwrap().is_conformant(), "{text}");
        }
        for text in ["1.0.0+b", "", "-1", ".1", "a b"] {
            assert!(Revision::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Revision::parse("1.0.0-rc.1_b.7")
                .unwrap()
                .to_semver()
                .unwrap(),
            "1.0.0-rc.1+b.7"
        );
    }
}
