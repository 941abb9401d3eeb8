//! Where things are, below the base URL.

use url::Url;

use crate::error::{Error, ErrorKind};

/// The base URL of a fleet manager.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    /// With a path that does not end in a slash.
    base: Url,
    peer: String,
}

impl Location {
    pub(crate) fn new(mut base: Url) -> Result<Self, Error> {
        let fault = if base.scheme() != "https" || base.host_str().is_none() {
            Some("is not https")
        } else if !base.username().is_empty() || base.password().is_some() {
            Some("has a user name or password, which no fleet manager asks for")
        } else if base.query().is_some() || base.fragment().is_some() {
            Some("has a query or fragment")
        } else {
            None
        };
        if let Some(fault) = fault {
            let _ = (base.set_username(""), base.set_password(None));
            let message = format!(
                "the URL of the fleet manager, {base}, {fault}; write it as https://<host>[:<port>][/<prefix>]"
            );
            return Err(Error::new(ErrorKind::Setup, message));
        }
        let prefix = base.path().trim_end_matches('/').to_owned();
        base.set_path(&prefix);
        let peer = format!(
            "the fleet manager at {}{prefix}",
            base.origin().ascii_serialization()
        );
        Ok(Self { base, peer })
    }

    /// The fleet manager, for messages.
    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// The base URL, which does not end in a slash.
    pub(crate) fn as_str(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The URL of a path of the specification.
    pub(crate) fn of_path(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.prefix()));
        url
    }

    /// The URL that a manifest gives, joined to the prefix (peers resolve it so) and never leaving the fleet manager.
    ///
    /// One that names another origin, such as an inner host name behind a proxy, or is no absolute path gives way to
    /// `usual`, the place that the specification prescribes.
    pub(crate) fn of_reference(&self, written: &str, usual: Url) -> Url {
        if !written.starts_with('/') && !written.starts_with("https://") {
            return usual;
        }
        let Ok(mut url) = self.base.join(written) else {
            return usual;
        };
        if url.origin() != self.base.origin() || !url.username().is_empty() || url.path() == "/" {
            return usual;
        }
        let below = url.path().strip_prefix(self.prefix());
        if !below.is_some_and(|rest| rest.starts_with('/')) {
            let path = format!("{}{}", self.prefix(), url.path());
            url.set_path(&path);
        }
        url.set_fragment(None);
        url
    }

    /// Empty, or a path that does not end in a slash.
    fn prefix(&self) -> &str {
        self.base.path().trim_end_matches('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(base: &str) -> Location {
        Location::new(base.parse().expect("a URL")).expect("a base URL")
    }

    #[test]
    fn paths_go_below_the_prefix() {
        for (base, expected) in [
            ("https://wfm.example", "https://wfm.example/api/v1/x"),
            ("https://wfm.example/", "https://wfm.example/api/v1/x"),
            (
                "https://wfm.example:8084/v1alpha2/margo",
                "https://wfm.example:8084/v1alpha2/margo/api/v1/x",
            ),
            (
                "https://wfm.example/a/b//",
                "https://wfm.example/a/b/api/v1/x",
            ),
        ] {
            assert_eq!(
                location(base).of_path("/api/v1/x").as_str(),
                expected,
                "{base}"
            );
        }
    }

    #[test]
    fn references_never_leave_the_fleet_manager() {
        let location = location("https://wfm.example/v1alpha2/margo");
        let usual = location.of_path("/usual");
        for (written, expected) in [
            (
                "/api/v1/bundles/sha256:ab",
                "https://wfm.example/v1alpha2/margo/api/v1/bundles/sha256:ab",
            ),
            // a fleet manager that knows its prefix
            (
                "/v1alpha2/margo/api/v1/b",
                "https://wfm.example/v1alpha2/margo/api/v1/b",
            ),
            (
                "https://wfm.example/v1alpha2/margo/b?c=d#e",
                "https://wfm.example/v1alpha2/margo/b?c=d",
            ),
            (
                "/v1alpha2/margot",
                "https://wfm.example/v1alpha2/margo/v1alpha2/margot",
            ),
            ("/../../b", "https://wfm.example/v1alpha2/margo/b"),
            ("https://wfm.margo.org/api/v1/b", usual.as_str()),
            ("//evil.example/api/v1/b", usual.as_str()),
            ("/\\evil.example/b", usual.as_str()),
            ("http://wfm.example/b", usual.as_str()),
            ("https://user@wfm.example/b", usual.as_str()),
            ("b", usual.as_str()),
            ("", usual.as_str()),
            ("/", usual.as_str()),
        ] {
            let url = location.of_reference(written, usual.clone());
            assert_eq!(url.as_str(), expected, "{written:?}");
        }
    }

    #[test]
    fn a_base_url_that_cannot_be_right_is_refused_and_says_how_to_write_it() {
        for base in [
            "http://wfm.example",
            "https://user:secret@wfm.example",
            "https://wfm.example/?query",
            "https://wfm.example/#fragment",
            "mailto:wfm@example.com",
        ] {
            let error = Location::new(base.parse().expect("a URL")).expect_err(base);
            assert_eq!(error.kind(), ErrorKind::Setup, "{base}");
            let text = error.to_string();
            assert!(
                text.contains("write it as https://") && !text.contains("secret"),
                "{text}"
            );
        }
    }
}
