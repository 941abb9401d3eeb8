//! Device roles, which told what a device can host until capabilities replaced them (direction.md, PR 197).
//!
//! A role becomes what it promises: cluster roles host Helm charts, a standalone device hosts Compose, and a
//! device that is nothing but a gateway hosts nothing. Several roles promise the same, so roles that the
//! capabilities alone would not lead back to are kept in an extension ([`Kept`]).

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::drift::Rejected;
use crate::application::DeploymentType;
use crate::capabilities::{DeviceProperties, Runtime};
use crate::extra::Extra;
use crate::text::shorten;
use crate::version::SpecVersion;
use crate::write::Unrepresentable;

/// What a device is, in the words of rc.1 and the pre-draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    StandaloneCluster,
    ClusterLeader,
    StandaloneDevice,
    /// Only late snapshots of rc.1 have it.
    Gateway,
}

impl Role {
    const ALL: [Self; 4] = [
        Self::StandaloneCluster,
        Self::ClusterLeader,
        Self::StandaloneDevice,
        Self::Gateway,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::StandaloneCluster => "Standalone Cluster",
            Self::ClusterLeader => "Cluster Leader",
            Self::StandaloneDevice => "Standalone Device",
            Self::Gateway => "Gateway",
        }
    }

    /// The role in any letter case; an example of the specification writes `cluster lead`
    /// (rc1-and-pre-draft.md ambiguity 28).
    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("cluster lead") {
            return Some(Self::ClusterLeader);
        }
        Self::ALL
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text))
    }

    const fn hosts(self) -> Option<DeploymentType> {
        match self {
            Self::StandaloneCluster | Self::ClusterLeader => Some(DeploymentType::Helm),
            Self::StandaloneDevice => Some(DeploymentType::Compose),
            Self::Gateway => None,
        }
    }
}

/// Puts what the roles promise into the properties.
///
/// Properties that say the same in the words of a later snapshot are accepted, contradictions are not.
pub(super) fn promise(roles: &[Role], properties: &mut DeviceProperties) -> Result<(), Rejected> {
    let hosted = hosted_by(roles);
    let written = properties.supported_deployment_types.as_deref();
    if written.is_some_and(|written| !same_members(written, &hosted)) {
        return Err(Rejected::at(
            ["properties", "supportedDeploymentTypes"],
            format!(
                "the roles promise {}; make both agree, or leave one out",
                in_words(&hosted)
            ),
        ));
    }
    if !hosted.is_empty() {
        properties.supported_deployment_types.get_or_insert(hosted);
        properties
            .supported_runtimes
            .get_or_insert_with(|| vec![Runtime::Oci]);
        properties.otel_collector.get_or_insert(true);
    }
    Ok(())
}

/// The roles that say what the properties say.
pub(super) fn of(
    properties: &DeviceProperties,
    kept: Option<Vec<Role>>,
    generation: SpecVersion,
) -> Result<Vec<Role>, Unrepresentable> {
    let unrepresentable = |member: &str, why: &str| {
        Unrepresentable::new(format!("properties.{member}"), generation, why)
    };
    if properties.hosts_workloads() {
        if properties.supported_runtimes.as_deref() != Some(&[Runtime::Oci]) {
            let why =
                "its roles imply the runtime oci and no other; set supportedRuntimes to [oci]";
            return Err(unrepresentable("supportedRuntimes", why));
        }
        if properties.otel_collector != Some(true) {
            let why = "every role that hosts workloads implies an OpenTelemetry collector; run one and \
                       set otelCollector to true";
            return Err(unrepresentable("otelCollector", why));
        }
    }
    let derived = derived(properties).ok_or_else(|| {
        let why = "its roles imply helm or compose, each once; leave out other deployment types";
        unrepresentable("supportedDeploymentTypes", why)
    })?;
    let Some(kept) = kept else {
        return Ok(derived);
    };
    if same_members(&hosted_by(&kept), &hosted_by(&derived)) {
        return Ok(kept);
    }
    let why =
        "the kept roles promise other deployment types than the properties; remove the extension";
    Err(Unrepresentable::new(
        format!("{}.roles", Kept::KEY),
        generation,
        why,
    ))
}

/// The roles to keep: those that [`of`] would not find out from the properties.
pub(super) fn to_keep(roles: Vec<Role>, properties: &DeviceProperties) -> Option<Vec<Role>> {
    (derived(properties).as_ref() != Some(&roles)).then_some(roles)
}

/// Whether a device with these roles hosts workloads.
pub(super) fn any_hosts(roles: &[Role]) -> bool {
    roles.iter().any(|role| role.hosts().is_some())
}

/// What the model has no member for, kept in a root extension so that it survives every generation.
///
/// The extension is read from and written to documents of the newest generation like any other, and
/// consumed when the document is written for an older one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Kept {
    /// The roles, where the properties do not lead back to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) roles: Option<Vec<Role>>,
    /// Members of `resources` that are unknown, or that a gateway without hosting role reports.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) resources: Map<String, Value>,
}

impl Kept {
    pub(super) const KEY: &str = "x-margo-rc1-extensions";

    /// Puts the extension into a document that was read from an older generation.
    pub(super) fn store(self, extra: &mut Extra) -> Result<(), Rejected> {
        if extra.0.contains_key(Self::KEY) {
            let why = "the extension is reserved for documents of newer generations; remove it";
            return Err(Rejected::at([Self::KEY], why));
        }
        if self.roles.is_none() && self.resources.is_empty() {
            return Ok(());
        }
        let object = serde_json::to_value(self)
            .map_err(|error| Rejected::at([Self::KEY], error.to_string()))?;
        extra.0.insert(Self::KEY.to_owned(), object);
        Ok(())
    }

    /// Takes the extension out of a document that is written for an older generation.
    pub(super) fn take(
        extra: &mut Extra,
        generation: SpecVersion,
    ) -> Result<Self, Unrepresentable> {
        match extra.0.remove(Self::KEY) {
            None => Ok(Self::default()),
            Some(object) => serde_json::from_value(object).map_err(|error| {
                let why = format!("{error}; write an object of `roles` and `resources` only");
                Unrepresentable::new(Self::KEY, generation, why)
            }),
        }
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Role {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Role".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(&Self::ALL)
    }
}

/// A role in the pre-draft, which has no gateways.
#[cfg(feature = "schema")]
pub(super) struct PreDraftRole;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for PreDraftRole {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Role".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let is_known = |role: &Role| *role != Role::Gateway;
        schema_of(&Role::ALL.into_iter().filter(is_known).collect::<Vec<_>>())
    }
}

#[cfg(feature = "schema")]
fn schema_of(roles: &[Role]) -> schemars::Schema {
    let names = roles.iter().map(|role| role.as_str());
    crate::schema::older::in_any_case(names, &["cluster lead"])
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RoleVisitor;

        impl Visitor<'_> for RoleVisitor {
            type Value = Role;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a role")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Role, E> {
                Role::parse(text).ok_or_else(|| {
                    let allowed = Role::ALL.map(Role::as_str).join(", ");
                    let found = shorten(text);
                    E::custom(format_args!(
                        "the role {found:?} is unknown; write one of {allowed}"
                    ))
                })
            }
        }

        deserializer.deserialize_str(RoleVisitor)
    }
}

fn derived(properties: &DeviceProperties) -> Option<Vec<Role>> {
    if !properties.hosts_workloads() {
        return Some(vec![Role::Gateway]);
    }
    let types = properties.supported_deployment_types.as_deref()?;
    let roles: Vec<_> = types
        .iter()
        .map(|hosted| match hosted {
            DeploymentType::Helm => Some(Role::StandaloneCluster),
            DeploymentType::Compose => Some(Role::StandaloneDevice),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let each_once = hosted_by(&roles).len() == roles.len() && !roles.is_empty();
    each_once.then_some(roles)
}

/// The deployment types in the order in which the roles first promise them.
fn hosted_by(roles: &[Role]) -> Vec<DeploymentType> {
    let mut hosted = Vec::new();
    for deployment_type in roles.iter().filter_map(|role| role.hosts()) {
        if !hosted.contains(&deployment_type) {
            hosted.push(deployment_type);
        }
    }
    hosted
}

fn same_members(some: &[DeploymentType], others: &[DeploymentType]) -> bool {
    some.iter().all(|one| others.contains(one)) && others.iter().all(|one| some.contains(one))
}

fn in_words(hosted: &[DeploymentType]) -> String {
    match hosted {
        [] => "no deployment type".to_owned(),
        some => some
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" and "),
    }
}
