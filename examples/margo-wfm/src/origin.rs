//! What a deployment was made of, as an extension in the deployment itself.
//!
//! A deployment document names neither the version of its application nor the profile (rc3.md section 2). Kept in the document,
//! they are published in the same step as everything else.

use margo_types::ExtensionName;
use margo_types::deployment::ApplicationDeployment;
use serde_json::{Map, Value};

use crate::failure::{Failure, Kind};

/// Version of the application and profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) version: String,
    pub(crate) profile: String,
}

impl Origin {
    pub(crate) fn new(version: &str, profile: &str) -> Self {
        Self {
            version: version.to_owned(),
            profile: profile.to_owned(),
        }
    }

    /// What is in this deployment.
    pub(crate) fn of(deployment: &ApplicationDeployment) -> Result<Self, Failure> {
        let member = |name| {
            let extension = deployment.spec.extra.extension(&Self::extension())?;
            extension.get(name)?.as_str()
        };
        if let (Some(version), Some(profile)) = (member(VERSION), member(PROFILE)) {
            return Ok(Self::new(version, profile));
        }
        let message = format!(
            "deployment {} was not made by this program; remove it and deploy again",
            deployment.id
        );
        Err(Failure::new(Kind::Refused, message))
    }

    /// The object of the extension.
    pub(crate) fn to_object(&self) -> Map<String, Value> {
        Map::from_iter([
            (VERSION.to_owned(), Value::from(self.version.as_str())),
            (PROFILE.to_owned(), Value::from(self.profile.as_str())),
        ])
    }

    /// The name of the extension.
    pub(crate) fn extension() -> ExtensionName {
        ExtensionName::parse("margo-wfm").expect("a constant of the right form")
    }
}

const VERSION: &str = "version";
const PROFILE: &str = "profile";
