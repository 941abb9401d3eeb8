//! The URL of a fleet manager as its clients have it in their settings.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// The root URL of a fleet manager, letter by letter as clients write it: what they sign begins with it.
///
/// A path in it is a prefix of every path of the interface. The service takes it off, unless something in front of it
/// has done so.
///
/// ```
/// use margo_server_traits::signed::PublicUrl;
///
/// let url = PublicUrl::parse("https://wfm.example/v1alpha2/margo")?;
/// assert_eq!(url.prefix(), "/v1alpha2/margo");
/// # Ok::<(), margo_server_traits::signed::InvalidPublicUrl>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicUrl {
    scheme: String,
    authority: String,
    prefix: String,
}

impl PublicUrl {
    /// Reads a root URL. Slashes at its end mean nothing.
    ///
    /// # Errors
    /// [`InvalidPublicUrl`] when it is not `http` or `https` with a host, or has a user, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, InvalidPublicUrl> {
        let invalid = || InvalidPublicUrl(text.to_owned());
        if text.contains(['?', '#', '@']) {
            return Err(invalid());
        }
        let uri = Uri::from_str(text).map_err(|_| invalid())?;
        let is_known = |scheme: &&Scheme| [Scheme::HTTP, Scheme::HTTPS].contains(*scheme);
        let scheme = uri.scheme().filter(is_known).ok_or_else(invalid)?;
        let host = uri.host().filter(|host| !host.is_empty());
        host.ok_or_else(invalid)?;
        // The letters of the text, not those of the library, which are lower case in the scheme.
        let (written, _) = text.split_at(scheme.as_str().len());
        Ok(Self {
            scheme: written.to_owned(),
            authority: uri.authority().ok_or_else(invalid)?.to_string(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// What precedes every path, without a slash at its end; empty as a rule.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn scheme(&self) -> &str {
        &self.scheme
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// The path of a request without the prefix, if it has that.
    pub(crate) fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(&*self.prefix)?;
        rest.starts_with('/').then_some(rest)
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        Self::parse(text)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            scheme,
            authority,
            prefix,
        } = self;
        write!(formatter, "{scheme}://{authority}{prefix}")
    }
}

/// This is not the root URL of a fleet manager.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the root URL of a fleet manager; write https://host, with a port and a path if clients do, and \
     nothing else"
)]
pub struct InvalidPublicUrl(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_kept_as_it_is_written() {
        for text in [
            "https://wfm.example",
            "https://WFM.Example:443",
            "HTTPS://wfm.example:8443/v1alpha2/margo",
            "http://[::1]:8080",
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap().to_string(), text);
        }
        let slashes = PublicUrl::parse("https://wfm.example/margo//").unwrap();
        assert_eq!(slashes.to_string(), "https://wfm.example/margo");
        assert_eq!(slashes.strip("/margo/api"), Some("/api"));
        assert_eq!(slashes.strip("/margot/api"), None);
        assert_eq!(slashes.strip("/margo"), None);
    }

    #[test]
    fn is_a_root_url_and_nothing_else() {
        for text in [
            "",
            "/",
            "wfm.example",
            "wfm.example:443",
            "ftp://wfm.example",
            "https://",
            "https:///path",
            "https://:443",
            "https://user@wfm.example",
            "https://wfm.example?query",
            "https://wfm.example#fragment",
            "https://wfm example",
        ] {
            let error = PublicUrl::parse(text).unwrap_err();
            assert!(error.to_string().contains("root URL"), "{text}");
        }
    }
}
