//! Paths inside a package.

use std::fmt;

/// The path of a file inside a package: relative, with `/`, without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackagePath(String);

impl PackagePath {
    /// Reads a path as descriptions have it, such as `./resources/icon.png`.
    ///
    /// # Errors
    /// A sentence that says why the path is not one inside a package.
    pub fn parse(text: &str) -> Result<Self, String> {
        let relative = text.strip_prefix("./").unwrap_or(text);
        if relative.starts_with('/') || relative.contains(['\\', ':', '\0']) {
            return Err(
                "is not a relative path; write it relative to margo.yaml, with slashes".to_owned(),
            );
        }
        if relative.len() > 512 {
            return Err("is longer than 512 bytes; shorten it".to_owned());
        }
        match relative
            .split('/')
            .find(|segment| matches!(*segment, "" | "." | ".."))
        {
            Some("..") => Err("leaves the package; move the file into it".to_owned()),
            Some(_) => Err("has an empty or `.` segment; write it without".to_owned()),
            None => Ok(Self(relative.to_owned())),
        }
    }

    /// The path as text, such as `resources/icon.png`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the last dot of the file name, in lower case.
    pub fn extension(&self) -> Option<String> {
        let name = self.0.rsplit('/').next()?;
        name.rsplit_once('.')
            .filter(|(stem, _)| !stem.is_empty())
            .map(|(_, extension)| extension.to_ascii_lowercase())
    }
}

impl fmt::Display for PackagePath {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Whether a link of a description points into the package rather than to a web site.
pub(super) fn is_inside(link: &str) -> bool {
    !link.contains("://")
}
