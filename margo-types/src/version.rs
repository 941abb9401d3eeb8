//! The three generations of the specification and what they do differently, as data
//! (rc1-and-pre-draft.md part IV).

mod rules;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::InvalidText;

pub use rules::{
    CallerIdentity, DesiredState, DevicePath, Enrolment, ErrorBodyStyle, PayloadSignature, Rules,
    StateSpelling, TlsVersion,
};

/// A generation of the specification.
///
/// Logic asks for a named switch of [`rules`](Self::rules), never for the generation itself. In
/// configuration a generation is written by its short name ([`as_str`](Self::as_str)); other usual
/// spellings are read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[non_exhaustive]
pub enum SpecVersion {
    /// The pre-draft of 2024: GitOps, OAuth2, `X-Payload-Signature`.
    PreDraft,
    /// 1.0.0-rc.1, Preview Release 1: requests signed by RFC 9421.
    Rc1,
    /// 1.0.0-rc.2 and rc.3: mutual TLS with SPIFFE identities.
    Rc3,
}

impl SpecVersion {
    /// All generations, oldest first.
    pub const ALL: [Self; 3] = [Self::PreDraft, Self::Rc1, Self::Rc3];
    /// The newest generation, which the model follows.
    pub const NEWEST: Self = Self::Rc3;

    /// A short stable name: `pre-draft`, `rc.1` or `rc.3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreDraft => "pre-draft",
            Self::Rc1 => "rc.1",
            Self::Rc3 => "rc.3",
        }
    }

    /// What this generation does differently from the others.
    pub const fn rules(self) -> &'static Rules {
        match self {
            Self::PreDraft => &Rules::PRE_DRAFT,
            Self::Rc1 => &Rules::RC1,
            Self::Rc3 => &Rules::RC3,
        }
    }

    /// Reads the name of a generation or of a release that belongs to it.
    ///
    /// Case, a leading `v` or `1.0.0-`, and the separator before the number do not matter: `rc.3`, `RC3`,
    /// `1.0.0-rc.2` and `v1.0.0-rc.3` are [`Rc3`](Self::Rc3); `rc.1`, `pr1` and `preview-1` are
    /// [`Rc1`](Self::Rc1); `pre-draft` and `predraft` are [`PreDraft`](Self::PreDraft).
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let name: String = text
            .chars()
            .take(MAX_NAME + 1)
            .filter(|c| !matches!(c, '.' | '-' | '_' | ' '))
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let name = name.strip_prefix('v').unwrap_or(&name);
        match name.strip_prefix("100").unwrap_or(name) {
            "predraft" => Ok(Self::PreDraft),
            "rc1" | "pr1" | "preview1" | "previewrelease1" => Ok(Self::Rc1),
            "rc2" | "rc3" | "pr2" | "pr3" => Ok(Self::Rc3),
            _ => Err(InvalidText::new(
                text,
                "a generation of the specification",
                "no generation has this name",
                "write pre-draft, rc.1 or rc.3",
            )),
        }
    }
}

impl FromStr for SpecVersion {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for SpecVersion {
    type Error = InvalidText;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<SpecVersion> for &'static str {
    fn from(version: SpecVersion) -> Self {
        version.as_str()
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The longest name that is looked at.
const MAX_NAME: usize = 32;
