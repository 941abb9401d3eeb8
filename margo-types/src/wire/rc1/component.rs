//! Components and the types of profiles (rc1-and-pre-draft.md sections 10.1 and 10.2).
//!
//! Types went from `helm.v3` and `docker-compose` (2024) over `helm.v3` and `compose` to `helm` and `compose`
//! (late signed snapshots). All are read. `wait` is a text in the deployments of the earlier copies and a
//! boolean everywhere else (rc1-and-pre-draft.md ambiguity 46); both are read.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::application::{self, ComponentProperties, DeploymentType};
use crate::extra::Extra;
use crate::id::ComponentName;
use crate::scalar::{Repository, Revision, Timeout};
use crate::wire::convert::Place;
use crate::write::Unrepresentable;

/// A component.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("patternProperties" = crate::schema::extensions()))
)]
pub(crate) struct Component {
    name: ComponentName,
    properties: Properties,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

/// Where a component's artefact is and how it is installed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Properties {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<Repository>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    package_location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait: Option<Wait>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Timeout>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

/// How `wait` is spelled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WaitSpelling {
    /// `true`: descriptions.
    Boolean,
    /// `"true"`: deployments, where all properties are texts.
    Text,
}

impl Component {
    pub(crate) fn into_model(self) -> application::Component {
        let properties = ComponentProperties {
            repository: self.properties.repository,
            revision: self.properties.revision,
            wait: self.properties.wait.map(|wait| wait.value),
            timeout: self.properties.timeout,
            package_location: self.properties.package_location,
            key_location: self.properties.key_location,
            extra: self.properties.extra,
        };
        application::Component {
            name: self.name,
            properties,
            extra: self.extra,
        }
    }

    /// The components of a profile, whose list is at `place`.
    pub(crate) fn all_from_model(
        components: &[application::Component],
        deployment_type: &DeploymentType,
        spelling: WaitSpelling,
        place: &Place,
    ) -> Result<Vec<Self>, Unrepresentable> {
        let one = |(index, component)| {
            Self::from_model(component, deployment_type, spelling, &place.index(index))
        };
        components.iter().enumerate().map(one).collect()
    }

    fn from_model(
        component: &application::Component,
        deployment_type: &DeploymentType,
        spelling: WaitSpelling,
        place: &Place,
    ) -> Result<Self, Unrepresentable> {
        let inside = place.key("properties");
        let properties = &component.properties;
        if *deployment_type == DeploymentType::Helm {
            let no_archive = |value: &Option<String>, key| match value {
                None => Ok(()),
                Some(_) => Err(inside
                    .key(key)
                    .refuse("only Compose components are archives; name the chart's repository")),
            };
            no_archive(&properties.package_location, "packageLocation")?;
            no_archive(&properties.key_location, "keyLocation")?;
        }
        let properties = Properties {
            repository: properties.repository.clone(),
            revision: properties.revision.clone(),
            package_location: properties.package_location.clone(),
            key_location: properties.key_location.clone(),
            wait: properties.wait.map(|value| Wait { value, spelling }),
            timeout: properties.timeout.clone(),
            extra: properties.extra.clone(),
        };
        Ok(Self {
            name: component.name.clone(),
            properties,
            extra: place.pass_on_without_extensions(&component.extra, &[])?,
        })
    }
}

/// The type that a spelling of any older generation means; unknown ones are kept.
pub(crate) fn read_type(text: &str) -> DeploymentType {
    match text {
        "helm.v3" => DeploymentType::Helm,
        "docker-compose" => DeploymentType::Compose,
        other => other.into(),
    }
}

/// The spelling of a type in rc.1: the one of the state-manifest text, where `helm` is still `helm.v3`.
pub(crate) fn spell_type(
    deployment_type: &DeploymentType,
    place: &Place,
) -> Result<&'static str, Unrepresentable> {
    match deployment_type {
        DeploymentType::Helm => Ok("helm.v3"),
        DeploymentType::Compose => Ok("compose"),
        other => Err(place.key("type").refuse(format!(
            "profiles are for Helm or Compose, not {:?}; leave this one out",
            crate::text::shorten(other.as_str())
        ))),
    }
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    value: bool,
    spelling: WaitSpelling,
}

impl Serialize for Wait {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.spelling, self.value) {
            (WaitSpelling::Boolean, value) => serializer.serialize_bool(value),
            (WaitSpelling::Text, true) => serializer.serialize_str("true"),
            (WaitSpelling::Text, false) => serializer.serialize_str("false"),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Wait {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wait".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": [true, false, "true", "false"] })
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WaitVisitor)
    }
}

struct WaitVisitor;

impl serde::de::Visitor<'_> for WaitVisitor {
    type Value = Wait;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("true or false")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Wait, E> {
        Ok(Wait {
            value,
            spelling: WaitSpelling::Boolean,
        })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Wait, E> {
        let value = text
            .parse()
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
        Ok(Wait {
            value,
            spelling: WaitSpelling::Text,
        })
    }
}
