//! Device capabilities of the pre-draft (rc1-and-pre-draft.md section 16).
//!
//! `frequency` of a processor and `name` and `properties` of peripherals and interfaces stay with them as
//! members that the model does not define.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::application::Architecture;
use crate::capabilities::{Cpu, DeviceCapabilities, DeviceProperties, Peripheral, PeripheralType};
use crate::extra::Extra;
use crate::id::DeviceId;
use crate::scalar::Quantity;
use crate::version::SpecVersion;
use crate::wire::drift::{Enveloped, Interfaces, OneInList, Rejected, no_clash, respell};
use crate::wire::pre_draft::gigabytes::Gigabytes;
use crate::wire::rc1::capabilities::{respell_architecture, respell_offers};
use crate::wire::roles::{self, Kept, Role};
use crate::write::Unrepresentable;

/// The document.
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
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::older::absent(&NEWER_PROPERTIES))
)]
struct Properties {
    id: DeviceId,
    vendor: String,
    model_number: String,
    serial_number: String,
    #[cfg_attr(feature = "schema", schemars(with = "Vec<roles::PreDraftRole>"))]
    roles: Vec<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<OneInList<Resources>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peripherals: Option<Vec<OldPeripheral>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interfaces: Option<Vec<Interfaces>>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::older::alias("cpus", "cpu"))
)]
struct Resources {
    #[serde(default, alias = "cpu", skip_serializing_if = "Option::is_none")]
    cpus: Option<Vec<OldCpu>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<Gigabytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage: Option<Gigabytes>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

/// A processor. The table calls its architecture `cpuArchitecture`, the example `architecture`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Cpu", transform = crate::schema::older::alias("cpuArchitecture", "architecture"))
)]
struct OldCpu {
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    cores: Number,
    #[serde(
        default,
        alias = "architecture",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::ReportedArchitecture>")
    )]
    cpu_architecture: Option<Architecture>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Peripheral", transform = crate::schema::older::alias("modelNumber", "model"))
)]
struct OldPeripheral {
    #[serde(rename = "type")]
    peripheral_type: PeripheralType,
    #[serde(default, alias = "model", skip_serializing_if = "Option::is_none")]
    model_number: Option<String>,
    #[serde(default, skip_serializing)]
    manufacturer: Option<String>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

impl TryFrom<Manifest> for DeviceCapabilities {
    type Error = Rejected;

    fn try_from(manifest: Manifest) -> Result<Self, Rejected> {
        let Manifest {
            properties: old,
            extra,
            ..
        } = manifest;
        must_not_have(&extra, &["labels"], &[])?;
        must_not_have(&old.extra, &NEWER_PROPERTIES, &["properties"])?;
        if let Some(index) = old.roles.iter().position(|role| *role == Role::Gateway) {
            let why = "the pre-draft has no gateways; write Standalone Cluster, Cluster Leader or \
                       Standalone Device";
            return Err(Rejected::at(["properties", "roles"], why).element(index));
        }
        let nested = old.resources.map(|OneInList(nested)| nested);
        let resources = nested.unwrap_or_default();
        let mut properties =
            DeviceProperties::new(old.id, old.vendor, old.model_number, old.serial_number);
        properties.cpus = resources
            .cpus
            .map(|cpus| cpus.into_iter().map(Into::into).collect());
        properties.memory = resources.memory.map(|Gigabytes(amount)| amount);
        properties.storage = resources.storage.map(|Gigabytes(amount)| amount);
        properties.peripherals = old
            .peripherals
            .map(|peripherals| peripherals.into_iter().map(Into::into).collect());
        properties.interfaces = old.interfaces.map(|interfaces| {
            interfaces
                .into_iter()
                .flat_map(Interfaces::into_each)
                .collect()
        });
        properties.extra = old.extra;
        roles::promise(&old.roles, &mut properties)?;
        let kept = Kept {
            roles: roles::to_keep(old.roles, &properties),
            resources: resources.extra.0.into_iter().collect(),
        };
        let mut capabilities = Self::new(properties);
        capabilities.extra = extra;
        kept.store(&mut capabilities.extra)?;
        Ok(capabilities)
    }
}

/// The document as the pre-draft has it.
pub(in crate::wire) fn write(
    capabilities: &DeviceCapabilities,
) -> Result<Enveloped<Manifest>, Unrepresentable> {
    let DeviceCapabilities {
        mut properties,
        labels,
        mut extra,
    } = capabilities.clone();
    respell_offers(&mut properties);
    if !labels.is_empty() {
        let why = "labels came with rc.2; leave them out";
        return Err(unrepresentable("labels", why));
    }
    if !properties.hosts_workloads() {
        let why = "it has no gateways; report only devices that host workloads";
        return Err(unrepresentable("properties.supportedDeploymentTypes", why));
    }
    let kept = Kept::take(&mut extra, GENERATION)?;
    no_clash(&extra, "", &["apiVersion", "kind"], GENERATION)?;
    no_clash(
        &properties.extra,
        "properties",
        &["roles", "resources"],
        GENERATION,
    )?;
    let roles = roles::of(&properties, kept.roles, GENERATION)?;
    if roles.contains(&Role::Gateway) {
        let why = "it has no gateways; remove the role from the extension";
        return Err(unrepresentable(format!("{}.roles", Kept::KEY), why));
    }
    let kept_resources = Extra(kept.resources.into_iter().collect());
    let inside = format!("{}.resources", Kept::KEY);
    no_clash(&kept_resources, &inside, &RESOURCES, GENERATION)?;
    let amount = |amount: Option<Quantity>, field| {
        let gigabytes = amount.map(Gigabytes::of).transpose();
        gigabytes.map_err(|why| unrepresentable(field, why))
    };
    let resources = Resources {
        cpus: each(properties.cpus, "properties.cpus", old_cpu)?,
        memory: amount(properties.memory, "properties.memory")?,
        storage: amount(properties.storage, "properties.storage")?,
        extra: kept_resources,
    };
    let manifest = Manifest {
        _api_version: IgnoredAny,
        _kind: IgnoredAny,
        properties: Properties {
            id: properties.id,
            vendor: properties.vendor,
            model_number: properties.model_number,
            serial_number: properties.serial_number,
            roles,
            resources: Some(OneInList(resources)),
            peripherals: each(
                properties.peripherals,
                "properties.peripherals",
                old_peripheral,
            )?,
            interfaces: properties
                .interfaces
                .map(|interfaces| interfaces.into_iter().map(Into::into).collect()),
            extra: properties.extra,
        },
        extra,
    };
    Ok(Enveloped::new(
        "device.margo/v1",
        "DeviceCapabilities",
        manifest,
    ))
}

impl From<OldCpu> for Cpu {
    fn from(old: OldCpu) -> Self {
        // A number that serde_json holds without its arbitrary precision is always a float as well.
        let cores = old.cores.as_f64().unwrap_or(f64::NAN);
        let mut cpu = Self::new(cores, old.cpu_architecture);
        cpu.extra = old.extra;
        respell_architecture(&mut cpu);
        cpu
    }
}

impl From<OldPeripheral> for Peripheral {
    fn from(old: OldPeripheral) -> Self {
        let mut peripheral = Self::new(old.peripheral_type);
        respell(&mut peripheral.peripheral_type, PeripheralType::KNOWN, &[]);
        peripheral.manufacturer = old.manufacturer;
        peripheral.model = old.model_number;
        peripheral.extra = old.extra;
        peripheral
    }
}

fn old_cpu(cpu: Cpu, field: &str) -> Result<OldCpu, Unrepresentable> {
    no_clash(&cpu.extra, field, &["cpuArchitecture"], GENERATION)?;
    let whole = cpu.cores.to_string().parse::<u64>().map_err(|_| {
        let why = "it counts whole cores; report a whole number";
        unrepresentable(format!("{field}.cores"), why)
    })?;
    Ok(OldCpu {
        cores: whole.into(),
        cpu_architecture: cpu.architecture,
        extra: cpu.extra,
    })
}

fn old_peripheral(peripheral: Peripheral, field: &str) -> Result<OldPeripheral, Unrepresentable> {
    no_clash(&peripheral.extra, field, &["modelNumber"], GENERATION)?;
    if peripheral.manufacturer.is_some() {
        let why =
            "a peripheral has no manufacturer; leave it out, or write it into its `properties`";
        return Err(unrepresentable(format!("{field}.manufacturer"), why));
    }
    Ok(OldPeripheral {
        peripheral_type: peripheral.peripheral_type,
        model_number: peripheral.model,
        manufacturer: None,
        extra: peripheral.extra,
    })
}

/// Converts the elements of a list; `convert` is told each one's field.
fn each<T, U>(
    list: Option<Vec<T>>,
    field: &str,
    convert: impl Fn(T, &str) -> Result<U, Unrepresentable>,
) -> Result<Option<Vec<U>>, Unrepresentable> {
    let convert = |(index, element)| convert(element, &format!("{field}[{index}]"));
    list.map(|list| list.into_iter().enumerate().map(convert).collect())
        .transpose()
}

fn must_not_have(extra: &Extra, names: &[&str], inside: &[&str]) -> Result<(), Rejected> {
    match names.iter().find(|name| extra.0.contains_key(**name)) {
        None => Ok(()),
        Some(newer) => {
            let why = "the pre-draft has no such member; write the whole document in one generation's shape";
            let keys = inside.iter().chain([newer]).copied();
            Err(Rejected::at(keys, why))
        }
    }
}

fn unrepresentable(field: impl Into<String>, why: &str) -> Unrepresentable {
    Unrepresentable::new(field, GENERATION, why)
}

const GENERATION: SpecVersion = SpecVersion::PreDraft;
/// Members of newer generations that would be taken for the model's own if they were kept.
const NEWER_PROPERTIES: [&str; 6] = [
    "cpus",
    "memory",
    "storage",
    "otelCollector",
    "supportedRuntimes",
    "supportedDeploymentTypes",
];
/// What `resources` means in some older generation.
const RESOURCES: [&str; 6] = [
    "cpu",
    "cpus",
    "memory",
    "storage",
    "peripherals",
    "interfaces",
];
/// Members of the document that are refused.
#[cfg(feature = "schema")]
const REFUSED: [&str; 2] = ["labels", Kept::KEY];
