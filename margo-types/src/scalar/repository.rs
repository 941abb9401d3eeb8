//! Where a component's artefact is kept (rc3.md section 1.4).

use crate::text::{InvalidText, text_access, text_newtype};

/// The repository of a component's artefact, such as `oci://registry.example/charts/web`.
///
/// Reading takes any URI without blanks; the newest generation wants the scheme `oci`
/// ([`is_conformant`](Self::is_conformant), checked by strict validation). Its own pattern, `^oci://.+`, admits
/// blanks behind the first character; they are refused here, because no OCI reference has any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

impl Repository {
    /// Reads a repository.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let why = match text.split_once("://") {
            None => "the scheme is missing",
            Some((scheme, rest)) if scheme.is_empty() || rest.is_empty() => {
                "the scheme or the address is empty"
            }
            _ if text.len() > 2048 => "it has more than 2048 characters",
            _ if text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
                "it contains a blank or a control character"
            }
            _ => return Ok(Self(text.to_owned())),
        };
        let fix = "write an OCI reference without tag, such as oci://registry.example/charts/web";
        Err(InvalidText::new(text, "a repository", why, fix))
    }

    /// Whether this is an `oci://` reference.
    pub fn is_conformant(&self) -> bool {
        self.oci_name().is_some()
    }

    /// The reference without `oci://`: registry host and repository name.
    pub fn oci_name(&self) -> Option<&str> {
        self.0.strip_prefix("oci://")
    }
}

text_newtype!(Repository, pattern: r"^oci://\S+$", example: "oci://registry.example/charts/web");
text_access!(Repository);
