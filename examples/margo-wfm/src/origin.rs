//! What a deployment was made of, in the deployment itself: as an extension, or for clients of the signed generation, which has
//! none, as annotations.
//!
//! A deployment document names neither the version of its application nor the profile (rc3.md section 2). Kept in the document,
//! they are published in the same step as everything else.

use margo_types::deployment::ApplicationDeployment;
use margo_types::{ExtensionName, SpecVersion};
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
        let extension = deployment.spec.extra.extension(&Self::extension());
        let annotations = deployment.metadata.extra.0.get(ANNOTATIONS);
        let annotations = annotations.and_then(Value::as_object);
        let text = |object: Option<&Map<String, Value>>, name| {
            Some(object?.get(name)?.as_str()?.to_owned())
        };
        let member =
            |name, annotation| text(extension, name).or_else(|| text(annotations, annotation));
        if let (Some(version), Some(profile)) = (
            member(VERSION, VERSION_ANNOTATION),
            member(PROFILE, PROFILE_ANNOTATION),
        ) {
            return Ok(Self { version, profile });
        }
        let message = format!(
            "deployment {} was not made by this program; remove it and deploy again",
            deployment.id
        );
        Err(Failure::new(Kind::Refused, message))
    }

    /// Puts it into a deployment for a client of this generation, in the place of what is there.
    pub(crate) fn write_to(&self, deployment: &mut ApplicationDeployment, generation: SpecVersion) {
        let extension = Self::extension();
        deployment.spec.extra.0.remove(&extension.to_key());
        let metadata = &mut deployment.metadata.extra.0;
        let mut annotations = match metadata.remove(ANNOTATIONS) {
            Some(Value::Object(annotations)) => annotations,
            _ => Map::new(),
        };
        annotations.retain(|name, _| name != VERSION_ANNOTATION && name != PROFILE_ANNOTATION);
        let member = |name: &str, value: &str| (name.to_owned(), Value::from(value));
        if generation == SpecVersion::Rc1 {
            annotations.extend([
                member(VERSION_ANNOTATION, &self.version),
                member(PROFILE_ANNOTATION, &self.profile),
            ]);
        } else {
            let object = [
                member(VERSION, &self.version),
                member(PROFILE, &self.profile),
            ];
            let object = Map::from_iter(object);
            deployment.spec.extra.set_extension(&extension, object);
        }
        if !annotations.is_empty() {
            metadata.insert(ANNOTATIONS.to_owned(), Value::Object(annotations));
        }
    }

    /// The name of the extension.
    fn extension() -> ExtensionName {
        ExtensionName::parse("margo-wfm").expect("a constant of the right form")
    }
}

const VERSION: &str = "version";
const PROFILE: &str = "profile";
const ANNOTATIONS: &str = "annotations";
const VERSION_ANNOTATION: &str = "margo-wfm-version";
const PROFILE_ANNOTATION: &str = "margo-wfm-profile";
