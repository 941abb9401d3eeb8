//! The address of an artefact: `registry[:port]/repository[:tag][@digest]`.
//!
//! The grammar is that of the OCI distribution specification 1.1 (section "Pulling manifests") and of
//! the reference syntax that every client shares. A Margo document writes the same with `oci://` in
//! front (rc3.md section 1.4).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use margo_types::Digest;

/// Where an artefact is: a registry, a repository in it, and a tag or digest or both.
///
/// The registry is always written out: there is no default registry and no default tag. When both a tag
/// and a digest are there, the digest says what is pulled and the tag is for people.
///
/// ```
/// use margo_package::oci::Reference;
///
/// let web: Reference = "oci://registry.example:5000/apps/web:1.4.0".parse()?;
/// assert_eq!(web.registry(), "registry.example:5000");
/// assert_eq!(web.repository(), "apps/web");
/// assert_eq!(web.tag(), Some("1.4.0"));
/// # Ok::<(), margo_package::oci::InvalidReference>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads a reference, with or without `oci://` in front.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let invalid = |why| InvalidReference::new(text, why);
        let rest = text.strip_prefix("oci://").unwrap_or(text);

        let (rest, digest) = match rest.split_once('@') {
            None => (rest, None),
            Some((rest, digest)) => {
                let digest = Digest::parse(digest).map_err(|_| invalid(Why::Digest))?;
                (rest, Some(digest))
            }
        };
        let (registry, rest) = rest.split_once('/').ok_or_else(|| invalid(Why::Missing))?;
        let (repository, tag) = match rest.split_once(':') {
            None => (rest, None),
            Some((repository, tag)) => (repository, Some(tag)),
        };

        if !is_registry(registry) {
            return Err(invalid(Why::Registry));
        }
        if !is_repository(repository) {
            return Err(invalid(Why::Repository));
        }
        if registry.len() + 1 + repository.len() > MAX_NAME {
            return Err(invalid(Why::Long));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid(Why::Tag));
        }
        Ok(Self {
            registry: registry.to_ascii_lowercase(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// The host of the registry with its port, if one was given. An IPv6 address is in brackets.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name of the repository in the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Registry and repository, without tag and digest: `registry.example:5000/apps/web`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository with this tag and no digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, InvalidReference> {
        if !is_tag(tag) {
            return Err(InvalidReference::new(tag, Why::Tag));
        }
        Ok(Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// The same repository and tag, pinned to this digest.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// What stands for the version in a registry's paths: the digest, or else the tag.
    pub(crate) fn version(&self) -> Option<String> {
        self.digest
            .map(|digest| digest.to_string())
            .or_else(|| self.tag.clone())
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// A text that is not a reference to an artefact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a reference to an artefact: {why}")]
pub struct InvalidReference {
    found: String,
    why: Why,
}

impl InvalidReference {
    fn new(found: &str, why: Why) -> Self {
        Self {
            found: found.chars().take(120).collect(),
            why,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Missing,
    Registry,
    Repository,
    Tag,
    Digest,
    Long,
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Missing => {
                "there is no registry or no repository; write registry.example/repository:tag"
            }
            Self::Registry => {
                "the registry is not a host with an optional port; write registry.example:5000 or [::1]:5000"
            }
            Self::Repository => {
                "the repository is not a path of lower-case letters, digits and single separators; \
                 write apps/web-server"
            }
            Self::Tag => {
                "the tag is not 1 to 128 letters, digits, '_', '.' or '-'; write 1.4.0, with '_' in place of '+'"
            }
            Self::Digest => {
                "the digest is not sha256: and 64 lower-case hexadecimal digits; copy it from the registry"
            }
            Self::Long => "registry and repository are longer than 255 characters; shorten them",
        })
    }
}

const MAX_NAME: usize = 255;

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, port)) => match port.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None => return false,
            },
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let host_is_good = if text.starts_with('[') {
        host.parse::<Ipv6Addr>().is_ok()
    } else {
        host.split('.').all(is_domain_label)
    };
    // `u16` also reads "+80".
    let port_is_good = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse().is_ok_and(|port: u16| port > 0)
    });
    host_is_good && port_is_good
}

fn is_domain_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(inner)
}

fn is_repository(text: &str) -> bool {
    text.split('/').all(|component| {
        let mut rest = component.trim_start_matches(is_alphanumeric);
        if rest.len() == component.len() {
            return false;
        }
        while !rest.is_empty() {
            let after = after_separator(rest);
            let Some(after) = after.filter(|after| after.starts_with(is_alphanumeric)) else {
                return false;
            };
            rest = after.trim_start_matches(is_alphanumeric);
        }
        true
    })
}

/// What follows one separator: `.`, `_`, `__` or any number of `-`.
fn after_separator(text: &str) -> Option<&str> {
    if text.starts_with('-') {
        return Some(text.trim_start_matches('-'));
    }
    ["__", "_", "."]
        .iter()
        .find_map(|separator| text.strip_prefix(separator))
}

fn is_alphanumeric(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

pub(crate) fn is_tag(text: &str) -> bool {
    margo_types::scalar::Revision::parse(text).is_ok()
}
