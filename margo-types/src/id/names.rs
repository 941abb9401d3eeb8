//! Identifiers without inner structure (rc3.md sections 1.1, 1.4, 2, 7.1; rc1-and-pre-draft.md section 2).

use std::fmt;

use uuid::Uuid;

use crate::text::{InvalidText, text_access, text_newtype};

/// Identifies an application: 1 to 200 of `a-z`, `0-9` and `-` (rc3.md section 1.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationId(String);

impl ApplicationId {
    /// Reads an application id.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        match lower_dashed_fault(text) {
            None if text.len() <= 200 => Ok(Self(text.to_owned())),
            fault => Err(InvalidText::new(
                text,
                "an application id",
                fault.unwrap_or_else(|| format!("it has {} characters", text.len())),
                "write 1 to 200 lower-case letters, digits and dashes",
            )),
        }
    }
}

text_newtype!(ApplicationId, pattern: "^[a-z0-9-]{1,200}$", example: "com-example-hello");
text_access!(ApplicationId);

/// Names a component inside a deployment profile: lower-case letters, digits and dashes (rc3.md section 1.4).
///
/// The specification gives no longest length; 253 is the limit of the Kubernetes names it ends up in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentName(String);

impl ComponentName {
    /// Reads a component name.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        match lower_dashed_fault(text) {
            None if text.len() <= 253 => Ok(Self(text.to_owned())),
            fault => Err(InvalidText::new(
                text,
                "a component name",
                fault.unwrap_or_else(|| format!("it has {} characters", text.len())),
                "write 1 to 253 lower-case letters, digits and dashes",
            )),
        }
    }
}

text_newtype!(ComponentName, pattern: "^[a-z0-9-]{1,253}$", example: "web");
text_access!(ComponentName);

/// Identifies a deployment: a UUID assigned by the workload fleet manager (rc3.md section 2).
///
/// Read in either case, written in lower case; equality ignores case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentId(Uuid);

impl DeploymentId {
    /// Reads a hyphenated UUID; braces, URN prefixes and the form without hyphens are refused.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let hyphenated = text.len() == 36;
        Uuid::try_parse(text)
            .ok()
            .filter(|_| hyphenated)
            .map(Self)
            .ok_or_else(|| {
                let fix = "write a UUID such as ad9b614e-8912-45f4-a523-372358765def";
                InvalidText::new(text, "a deployment id", "it is not a hyphenated UUID", fix)
            })
    }

    /// A deployment id from the 16 bytes of a UUID.
    pub const fn from_uuid_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the UUID.
    pub const fn as_uuid_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

text_newtype!(
    DeploymentId,
    pattern: "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    example: "ad9b614e-8912-45f4-a523-372358765def"
);

impl fmt::Display for DeploymentId {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(
            self.0
                .as_hyphenated()
                .encode_lower(&mut Uuid::encode_buffer()),
        )
    }
}

impl fmt::Debug for DeploymentId {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "DeploymentId({self})")
    }
}

/// Identifies a client of a workload fleet manager.
///
/// In the signed generation (rc.1) the fleet manager assigns it and it is a segment of every route; from
/// rc.2 on it is the `wfm-client-id` segment of the client's SPIFFE ID. Both are one URL-safe path segment:
/// RFC 3986 unreserved characters, not `.` or `..`. At most 255 characters (ours; none is specified).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// Reads a client id.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let fix = "write 1 to 255 letters, digits, '.', '_', '~' and '-', other than '.' and '..'";
        let why = if text.is_empty() {
            "it is empty".to_owned()
        } else if text.len() > 255 {
            format!("it has {} characters", text.len())
        } else if text == "." || text == ".." {
            "it is a relative path segment".to_owned()
        } else if let Some(bad) = text.chars().find(|c| !is_unreserved(*c)) {
            format!("{bad:?} is not allowed")
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(InvalidText::new(text, "a client id", why, fix))
    }
}

text_newtype!(ClientId, pattern: r"^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,255}$", example: "line-4-cell-2");
text_access!(ClientId);

/// RFC 3986 section 2.3.
pub(crate) const fn is_unreserved(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '~' | '-')
}

fn lower_dashed_fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty".to_owned());
    }
    let bad = text
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-'))?;
    Some(format!("{bad:?} is not allowed"))
}
