//! Device capabilities of rc.1 in all their drift (rc1-and-pre-draft.md section 8, ambiguities 28 to 31).
//!
//! Three shapes were published for rc.1: roles and nested `resources` with one `cpu` object (OpenAPI) or a list of
//! them (the text's example), and the late flat shape with `cpu` or `cpus`, `supportedRuntimes` and
//! `supportedDeploymentTypes`. A page from before rc.1 has peripherals and interfaces beside `resources`, and an
//! interface with a list of types. All are read, mixed as they may be; the first is written, because it is the
//! one that every server of this generation knows.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::application::{Architecture, DeploymentType};
use crate::capabilities::{
    Cpu, DeviceCapabilities, DeviceProperties, InterfaceType, LabelValue, Peripheral,
    PeripheralType, Runtime,
};
use crate::document::Format;
use crate::extra::Extra;
use crate::id::DeviceId;
use crate::scalar::Quantity;
use crate::version::SpecVersion;
use crate::wire::drift::{
    Enveloped, Interfaces, OneInList, OneOrMany, Rejected, no_clash, respell,
};
use crate::wire::roles::{self, Kept, Role};
use crate::write::{Unrepresentable, to_text};

/// The document. Labels do not exist in this generation, but a sender that mixes shapes may have some.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("patternProperties" = crate::schema::extensions()), transform = crate::schema::older::absent(&REFUSED))
)]
pub(in crate::wire) struct Manifest {
    #[serde(rename = "apiVersion", default, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    _api_version: IgnoredAny,
    #[serde(rename = "kind", default, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    _kind: IgnoredAny,
    properties: Properties,
    #[serde(default, skip_serializing)]
    labels: BTreeMap<String, LabelValue>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::older::alias("cpu", "cpus"))
)]
struct Properties {
    id: DeviceId,
    vendor: String,
    model_number: String,
    serial_number: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<Role>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<OneInList<Resources>>,
    #[serde(default, alias = "cpus", skip_serializing)]
    cpu: Option<OneOrMany<Cpu>>,
    #[serde(default, skip_serializing)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::LooseQuantity>")
    )]
    memory: Option<Quantity>,
    #[serde(default, skip_serializing)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::LooseQuantity>")
    )]
    storage: Option<Quantity>,
    #[serde(default, skip_serializing)]
    peripherals: Option<Vec<Peripheral>>,
    #[serde(default, skip_serializing)]
    interfaces: Option<Vec<Interfaces>>,
    #[serde(default, skip_serializing)]
    otel_collector: Option<bool>,
    #[serde(default, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    supported_runtimes: Option<Vec<Runtime>>,
    #[serde(default, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    supported_deployment_types: Option<Vec<DeploymentType>>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::older::alias("cpu", "cpus"))
)]
struct Resources {
    #[serde(default, alias = "cpus", skip_serializing_if = "Option::is_none")]
    cpu: Option<OneOrMany<Cpu>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::LooseQuantity>")
    )]
    memory: Option<Quantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::LooseQuantity>")
    )]
    storage: Option<Quantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peripherals: Option<Vec<Peripheral>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interfaces: Option<Vec<Interfaces>>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

impl TryFrom<Manifest> for DeviceCapabilities {
    type Error = Rejected;

    fn try_from(manifest: Manifest) -> Result<Self, Rejected> {
        let Manifest {
            properties: wire,
            labels,
            extra,
            ..
        } = manifest;
        let mut properties =
            DeviceProperties::new(wire.id, wire.vendor, wire.model_number, wire.serial_number);
        let nested = wire.resources.map(|OneInList(nested)| nested);
        let mut resources = nested.unwrap_or_default();
        resources.add("cpu", |resources| &mut resources.cpu, wire.cpu)?;
        resources.add("memory", |resources| &mut resources.memory, wire.memory)?;
        resources.add("storage", |resources| &mut resources.storage, wire.storage)?;
        resources.add(
            "peripherals",
            |resources| &mut resources.peripherals,
            wire.peripherals,
        )?;
        resources.add(
            "interfaces",
            |resources| &mut resources.interfaces,
            wire.interfaces,
        )?;
        resources.respell();

        let mut kept = Kept::default();
        let hosts_nothing = |roles: &Vec<Role>| !roles::any_hosts(roles);
        if wire.roles.as_ref().is_some_and(hosts_nothing) {
            // A gateway may report resources although nothing can be deployed to it; in the model they
            // would say that it hosts workloads.
            kept.resources = resources.into_object()?;
        } else {
            kept.resources = resources.extra.0.into_iter().collect();
            properties.cpus = resources.cpu.map(|OneOrMany(cpus)| cpus);
            properties.memory = resources.memory;
            properties.storage = resources.storage;
            properties.peripherals = resources.peripherals;
            properties.interfaces = resources.interfaces.map(|interfaces| {
                interfaces
                    .into_iter()
                    .flat_map(Interfaces::into_each)
                    .collect()
            });
        }
        properties.otel_collector = wire.otel_collector;
        properties.supported_runtimes = wire.supported_runtimes;
        properties.supported_deployment_types = wire.supported_deployment_types;
        respell_hosting(&mut properties);
        properties.extra = wire.extra;
        if let Some(roles) = wire.roles {
            roles::promise(&roles, &mut properties)?;
            kept.roles = roles::to_keep(roles, &properties);
        }

        let mut capabilities = Self::new(properties);
        capabilities.labels = labels;
        capabilities.extra = extra;
        kept.store(&mut capabilities.extra)?;
        Ok(capabilities)
    }
}

/// The document as rc.1 has it.
pub(in crate::wire) fn write(
    capabilities: &DeviceCapabilities,
) -> Result<Enveloped<Manifest>, Unrepresentable> {
    let generation = SpecVersion::Rc1;
    let DeviceCapabilities {
        mut properties,
        labels,
        mut extra,
    } = capabilities.clone();
    respell_offers(&mut properties);
    if !labels.is_empty() {
        let why = "labels came with rc.2; leave them out";
        return Err(Unrepresentable::new("labels", generation, why));
    }
    let Kept { roles, resources } = Kept::take(&mut extra, generation)?;
    no_clash(&extra, "", &["apiVersion", "kind"], generation)?;
    no_clash(
        &properties.extra,
        "properties",
        &["roles", "resources", "cpu"],
        generation,
    )?;
    let roles = roles::of(&properties, roles, generation)?;

    let mut resources = Resources::from_kept(resources, generation)?;
    if properties.hosts_workloads() {
        if resources.says_what_is_offered() {
            let why = "the properties say what a host offers; remove it from the extension";
            let field = format!("{}.resources", Kept::KEY);
            return Err(Unrepresentable::new(field, generation, why));
        }
        resources.cpu = properties.cpus.map(OneOrMany);
        resources.memory = properties.memory;
        resources.storage = properties.storage;
        resources.peripherals = properties.peripherals;
        resources.interfaces = properties
            .interfaces
            .map(|interfaces| interfaces.into_iter().map(Into::into).collect());
    }
    let manifest = Manifest {
        _api_version: IgnoredAny,
        _kind: IgnoredAny,
        properties: Properties {
            id: properties.id,
            vendor: properties.vendor,
            model_number: properties.model_number,
            serial_number: properties.serial_number,
            roles: Some(roles),
            resources: (!resources.is_empty()).then_some(OneInList(resources)),
            cpu: None,
            memory: None,
            storage: None,
            peripherals: None,
            interfaces: None,
            otel_collector: None,
            supported_runtimes: None,
            supported_deployment_types: None,
            extra: properties.extra,
        },
        labels: BTreeMap::new(),
        extra,
    };
    Ok(Enveloped::new(API_VERSION, KIND, manifest))
}

impl Resources {
    /// Adds a member of the flat shape.
    fn add<T>(
        &mut self,
        name: &str,
        member: impl FnOnce(&mut Self) -> &mut Option<T>,
        flat: Option<T>,
    ) -> Result<(), Rejected> {
        let nested = member(self);
        if nested.is_some() && flat.is_some() {
            let why = "it is also in `resources`; keep one of them";
            return Err(Rejected::at(["properties", name], why));
        }
        if flat.is_some() {
            *nested = flat;
        }
        Ok(())
    }

    fn respell(&mut self) {
        for cpu in self.cpu.iter_mut().flat_map(|OneOrMany(cpus)| cpus) {
            respell_architecture(cpu);
        }
        for peripheral in self.peripherals.iter_mut().flatten() {
            respell(&mut peripheral.peripheral_type, PeripheralType::KNOWN, &[]);
        }
    }

    /// The resources as they are written, so that numbers have the same form after another round trip.
    fn into_object(self) -> Result<Map<String, Value>, Rejected> {
        let text = to_text(&self, Format::Json).map_err(|error| error.to_string());
        text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
            .map_err(|why| Rejected::at(["properties", "resources"], why))
    }

    fn from_kept(
        kept: Map<String, Value>,
        generation: SpecVersion,
    ) -> Result<Self, Unrepresentable> {
        serde_json::from_value(Value::Object(kept)).map_err(|error| {
            let why = format!("{error}; write members of rc.1 resources only");
            Unrepresentable::new(format!("{}.resources", Kept::KEY), generation, why)
        })
    }

    fn is_empty(&self) -> bool {
        self.extra.is_empty() && !self.says_what_is_offered()
    }

    fn says_what_is_offered(&self) -> bool {
        self.cpu.is_some()
            || self.memory.is_some()
            || self.storage.is_some()
            || self.peripherals.is_some()
            || self.interfaces.is_some()
    }
}

fn respell_hosting(properties: &mut DeviceProperties) {
    for runtime in properties.supported_runtimes.iter_mut().flatten() {
        respell(runtime, Runtime::KNOWN, &[]);
    }
    let older_names = [
        ("helm.v3", DeploymentType::Helm),
        ("docker-compose", DeploymentType::Compose),
    ];
    for hosted in properties.supported_deployment_types.iter_mut().flatten() {
        respell(hosted, DeploymentType::KNOWN, &older_names);
    }
}

/// What a device offers, in the words of the model. Letter case does not matter in the older generations, so a
/// value that they read as a known one is written as that.
pub(in crate::wire) fn respell_offers(properties: &mut DeviceProperties) {
    for cpu in properties.cpus.iter_mut().flatten() {
        respell_architecture(cpu);
    }
    for peripheral in properties.peripherals.iter_mut().flatten() {
        respell(&mut peripheral.peripheral_type, PeripheralType::KNOWN, &[]);
    }
    for interface in properties.interfaces.iter_mut().flatten() {
        respell(&mut interface.interface_type, InterfaceType::KNOWN, &[]);
    }
    respell_hosting(properties);
}

/// An architecture in any letter case; the text of rc.1 also lists `x86_64` (rc1-and-pre-draft.md ambiguity
/// 28), and the example of the pre-draft says `Intel x64`.
pub(in crate::wire) fn respell_architecture(cpu: &mut Cpu) {
    if let Some(architecture) = &mut cpu.architecture {
        let synonyms = ["x86_64", "intel x64"].map(|name| (name, Architecture::Amd64));
        respell(architecture, Architecture::KNOWN, &synonyms);
    }
}

const API_VERSION: &str = "device.margo.org/v1alpha1";
const KIND: &str = "DeviceCapabilitiesManifest";
/// Members of the document that are refused.
#[cfg(feature = "schema")]
const REFUSED: [&str; 1] = [Kept::KEY];
