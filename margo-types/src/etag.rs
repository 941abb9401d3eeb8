//! Entity tags and `If-None-Match` (RFC 9110 sections 8.8.3 and 13.1.2).
//!
//! Every tag of the specification is a strong one around a [`Digest`] (rc3.md section 3.3), but what a peer
//! or a proxy sends back may be weak, a list, or anything else.

use std::fmt;

use crate::digest::Digest;
use crate::text::InvalidText;

/// An entity tag: opaque text in quotes, perhaps marked as weak.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityTag {
    opaque: String,
    weak: bool,
}

impl EntityTag {
    /// Reads one entity tag, such as `"abc"` or `W/"abc"`.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        match take_tag(text) {
            Some((tag, "")) => Ok(tag),
            _ => Err(InvalidText::new(
                text,
                "an entity tag",
                "it is not one text in double quotes, with W/ before it or not",
                "write the digest of the body in double quotes",
            )),
        }
    }

    /// The text between the quotes.
    pub fn opaque(&self) -> &str {
        &self.opaque
    }

    /// Whether the tag stands for equivalent bodies instead of equal bytes.
    pub const fn is_weak(&self) -> bool {
        self.weak
    }

    /// The digest inside a strong tag; `None` when it is weak or holds something else.
    pub fn digest(&self) -> Option<Digest> {
        Digest::parse(&self.opaque).ok().filter(|_| !self.weak)
    }

    /// Whether both are strong and equal: the same bytes (RFC 9110 section 8.8.3.2).
    pub fn matches_strongly(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Whether their texts are equal, strong or weak: what `If-None-Match` compares by.
    pub fn matches_weakly(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }
}

impl From<Digest> for EntityTag {
    fn from(digest: Digest) -> Self {
        Self {
            opaque: digest.to_string(),
            weak: false,
        }
    }
}

impl std::str::FromStr for EntityTag {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let weak = if self.weak { "W/" } else { "" };
        write!(formatter, "{weak}\"{}\"", self.opaque)
    }
}

/// The value of `If-None-Match`: which representations the client has already.
///
/// ```
/// use margo_types::{Digest, etag::IfNoneMatch};
///
/// let digest = Digest::of(b"manifest");
/// let condition = IfNoneMatch::parse(&digest.to_etag())?;
/// assert!(condition.matches(&digest)); // answer 304
/// # Ok::<(), margo_types::InvalidText>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "RFC 9110 section 13.1.2 has these two forms"
)]
pub enum IfNoneMatch {
    /// `*`: any representation.
    Any,
    /// One of these tags.
    Tags(Vec<EntityTag>),
}

impl IfNoneMatch {
    /// Reads the value of the header; several header lines are joined by commas first.
    ///
    /// A server that cannot read it ignores it and sends the whole body: that is always correct.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let invalid = |why: &str| {
            let fix = "write * or entity tags in double quotes, separated by commas";
            InvalidText::new(text, "a value of If-None-Match", why, fix)
        };
        let mut rest = text.trim_matches(BLANKS);
        if rest == "*" {
            return Ok(Self::Any);
        }
        let mut tags = Vec::new();
        loop {
            rest = rest.trim_start_matches(COMMAS_AND_BLANKS);
            if rest.is_empty() {
                break;
            }
            if tags.len() == MAX_TAGS {
                return Err(invalid("it has more than 64 tags"));
            }
            let (tag, after) = take_tag(rest).ok_or_else(|| invalid("a tag is malformed"))?;
            tags.push(tag);
            rest = after.trim_start_matches(BLANKS);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(invalid("two tags are not separated by a comma"));
            }
        }
        if tags.is_empty() {
            return Err(invalid("it has no tag"));
        }
        Ok(Self::Tags(tags))
    }

    /// Whether the client has the representation with this digest, so that the answer is 304.
    pub fn matches(&self, current: &Digest) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => {
                let current = EntityTag::from(*current);
                tags.iter().any(|tag| tag.matches_weakly(&current))
            }
        }
    }
}

impl std::str::FromStr for IfNoneMatch {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// More tags than any client has reason to send.
const MAX_TAGS: usize = 64;
const BLANKS: [char; 2] = [' ', '\t'];
const COMMAS_AND_BLANKS: [char; 3] = [',', ' ', '\t'];

/// One entity tag, and what follows it.
fn take_tag(text: &str) -> Option<(EntityTag, &str)> {
    let (weak, quoted) = match text.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
    // `etagc` of RFC 9110; characters beyond ASCII are its `obs-text`
    let is_allowed = |c: char| !c.is_ascii() || c == '!' || ('#'..='~').contains(&c);
    opaque.chars().all(is_allowed).then(|| {
        let opaque = opaque.to_owned();
        (EntityTag { opaque, weak }, rest)
    })
}
