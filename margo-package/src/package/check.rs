//! What strict validation of a package adds to that of its description (rc3.md sections 1.2, 8 and 11.3).

use margo_types::scalar::Revision;
use margo_types::{DocumentPath, Finding, Report, Rule, Severity};

use super::{ApplicationPackage, Resource, ResourceRole};

impl ApplicationPackage {
    /// Everything wrong with the package: its description, its files, and its version against the tag it
    /// was pulled by, if it was.
    pub fn validate(&self, tag: Option<&str>) -> Report {
        let mut findings = self.description.validate().findings().to_vec();
        findings.extend(self.version_finding(tag));
        for (role, resource) in &self.resources {
            findings.extend(content_finding(*role, resource));
        }
        for finding in &mut findings {
            finding.location = finding
                .location
                .or_else(|| self.description.locate(&finding.path));
        }
        Report::new(findings)
    }

    fn version_finding(&self, tag: Option<&str>) -> Option<Finding> {
        let path = DocumentPath::root().key("metadata").key("version");
        let version = self.version();
        if Revision::parse(version).is_err() {
            let message = format!("{version:?} cannot be the tag of a package");
            let fix = "write up to 128 letters, digits, '_', '.' and '-', such as 1.0.0";
            return Some(Finding::new(&VERSION_IS_TAG, path, message, fix));
        }
        let tag = tag.filter(|tag| *tag != version)?;
        let message = format!("the version is {version:?}, but the tag is {tag:?}");
        Some(Finding::new(
            &TAG_IS_VERSION,
            path,
            message,
            format!("push the package as {version}"),
        ))
    }
}

fn content_finding(role: ResourceRole, resource: &Resource) -> Option<Finding> {
    let path = DocumentPath::root()
        .key("metadata")
        .key("catalog")
        .key("application")
        .key(role.as_str());
    let found = Content::of(resource.bytes());
    let (broken, fix) = match role {
        ResourceRole::Icon if found != Content::Image => {
            (&ICON_IS_IMAGE, "use a PNG, JPEG, GIF, WebP or SVG image")
        }
        ResourceRole::DescriptionFile if found != Content::Text => {
            (&FILE_TYPE, "use Markdown or plain text in UTF-8")
        }
        ResourceRole::LicenseFile | ResourceRole::ReleaseNotes
            if !matches!(found, Content::Text | Content::Pdf) =>
        {
            (&FILE_TYPE, "use Markdown or plain text in UTF-8, or PDF")
        }
        _ => return None,
    };
    let message = format!("{} is {}", resource.path(), found.in_words());
    Some(Finding::new(broken, path, message, fix))
}

#[derive(Clone, Copy, PartialEq)]
enum Content {
    Empty,
    Image,
    Pdf,
    Text,
    Other,
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            Self::Empty
        } else if infer::is_image(bytes) || is_svg(bytes) {
            Self::Image
        } else if infer::archive::is_pdf(bytes) {
            Self::Pdf
        } else if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) {
            Self::Text
        } else {
            Self::Other
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Image => "an image",
            Self::Pdf => "a PDF file",
            Self::Text => "a text",
            Self::Other => "neither an image nor a PDF file nor a text",
        }
    }
}

fn is_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(1024)];
    let head = String::from_utf8_lossy(head);
    head.trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<')
        && head.contains("<svg")
}

static VERSION_IS_TAG: Rule = Rule::new(
    "package.version-tag",
    "rc3.md 8, P15, ambiguity 64",
    Severity::Error,
    "the version is one that a registry takes as a tag",
);
static TAG_IS_VERSION: Rule = Rule::new(
    "package.tag",
    "rc3.md 8, P15",
    Severity::Error,
    "the tag of a package is its version",
);
static ICON_IS_IMAGE: Rule = Rule::new(
    "package.icon",
    "rc3.md 1.2",
    Severity::Error,
    "an icon is an image",
);
static FILE_TYPE: Rule = Rule::new(
    "package.file-type",
    "rc3.md 1.2",
    Severity::Error,
    "description, licence and release notes are readable texts",
);
