//! The files a description refers to: their roles and formats (rc3.md section 8).

use margo_types::application::ApplicationMetadata;
use margo_types::media_type;

use super::{FileBytes, PackagePath};

/// A file of a package other than its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub(super) path: PackagePath,
    pub(super) bytes: FileBytes,
}

impl Resource {
    /// Where the file is in the package.
    pub fn path(&self) -> &PackagePath {
        &self.path
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a description uses a file for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ResourceRole {
    /// An icon: an image.
    Icon,
    /// A description: Markdown or plain text.
    DescriptionFile,
    /// A licence: plain text, Markdown or PDF.
    LicenseFile,
    /// Release notes: Markdown, plain text or PDF.
    ReleaseNotes,
}

impl ResourceRole {
    /// All roles.
    pub const ALL: [Self; 4] = [
        Self::Icon,
        Self::DescriptionFile,
        Self::LicenseFile,
        Self::ReleaseNotes,
    ];

    /// The member of `metadata.catalog.application`, and the value of the annotation
    /// `org.margo.app.resource`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Icon => "icon",
            Self::DescriptionFile => "descriptionFile",
            Self::LicenseFile => "licenseFile",
            Self::ReleaseNotes => "releaseNotes",
        }
    }

    /// The link of this role in a description.
    pub fn link(self, application: &ApplicationMetadata) -> Option<&str> {
        match self {
            Self::Icon => application.icon.as_deref(),
            Self::DescriptionFile => application.description_file.as_deref(),
            Self::LicenseFile => application.license_file.as_deref(),
            Self::ReleaseNotes => application.release_notes.as_deref(),
        }
    }

    /// The media type of a layer with a file of this role.
    pub fn media_type(self, path: &PackagePath) -> String {
        format!("{}{}", self.media_type_prefix(), format_of(path))
    }

    /// What the media type of a layer of this role starts with.
    pub const fn media_type_prefix(self) -> &'static str {
        match self {
            Self::Icon => media_type::PACKAGE_ICON_PREFIX,
            Self::DescriptionFile => media_type::PACKAGE_DESCRIPTION_FILE_PREFIX,
            Self::LicenseFile => media_type::PACKAGE_LICENSE_FILE_PREFIX,
            Self::ReleaseNotes => media_type::PACKAGE_RELEASE_NOTES_PREFIX,
        }
    }

    /// The role of a layer with this media type.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|role| media_type.starts_with(role.media_type_prefix()))
    }
}

/// The format in a media type: what the published example uses, else the file name's extension.
fn format_of(path: &PackagePath) -> String {
    match path.extension().as_deref() {
        Some("jpg" | "jpeg") => "jpeg".to_owned(),
        Some("md" | "markdown") => "markdown".to_owned(),
        Some("txt") | None => "plain".to_owned(),
        Some(other) => other.to_owned(),
    }
}
