//! Name, version and catalogue data of an application (rc3.md section 1.2).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extra::Extra;

/// Name, version and catalogue data of an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Metadata {
    /// The name a person sees; blanks and special characters are allowed.
    pub name: String,
    /// What the application does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The version of the application, equal to the tag of its package. The specification sets no form.
    pub version: String,
    /// What a catalogue shows.
    pub catalog: Catalog,
    /// Unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Metadata {
    /// Metadata with what every description has.
    pub fn new(
        name: impl Into<String>,
        version: impl Into<String>,
        organization: Vec<Organization>,
    ) -> Self {
        let catalog = Catalog {
            organization,
            ..Catalog::default()
        };
        Self {
            name: name.into(),
            description: None,
            version: version.into(),
            catalog,
            extra: Extra::default(),
        }
    }
}

/// What a catalogue shows of an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Catalog {
    /// Links and keywords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationMetadata>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub author: Vec<Author>,
    /// Who offers it; at least one.
    pub organization: Vec<Organization>,
    /// Unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// Links and keywords of an application. Links are URLs or paths relative to the package, such as
/// `./resources/icon.png`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct ApplicationMetadata {
    /// A description, as Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description_file: Option<String>,
    /// An icon, such as a PNG image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// The licence, as plain text, Markdown or PDF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_file: Option<String>,
    /// The release notes, as Markdown or PDF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_notes: Option<String>,
    /// The web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// One line that says what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tagline: Option<String>,
    /// Keywords.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// An author of an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Author {
    /// The author's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An e-mail address. The specification's pattern is unanchored; strict validation wants an `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = ".*@[a-z0-9.-]*")))]
    pub email: Option<String>,
    /// Unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// An organisation that offers an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Organization {
    /// The organisation's name.
    pub name: String,
    /// Its web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Organization {
    /// An organisation with a name only.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}
