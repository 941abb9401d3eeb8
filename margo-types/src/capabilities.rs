//! Device capabilities: what a device is and offers (rc3.md section 4).

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::application::{Architecture, DeploymentType};
use crate::extra::Extra;
use crate::id::DeviceId;
use crate::open_enum::open_enum;
use crate::scalar::Quantity;

/// What one device is and offers, as reported by its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(extend("patternProperties" = crate::schema::extensions(), "additionalProperties" = false))
)]
#[non_exhaustive]
pub struct DeviceCapabilities {
    /// What property selectors refer to.
    pub properties: DeviceProperties,
    /// What label selectors refer to; keys are case-sensitive.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, LabelValue>,
    /// Extensions for the fleet manager, and unknown members.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl DeviceCapabilities {
    /// Capabilities without labels.
    pub fn new(properties: DeviceProperties) -> Self {
        Self {
            properties,
            labels: BTreeMap::new(),
            extra: Extra::default(),
        }
    }
}

/// The properties of a device.
///
/// A device that hosts workloads has all of them; a see-thru gateway that does not host has only the
/// first four ([`hosts_workloads`](Self::hosts_workloads)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct DeviceProperties {
    /// Identifies the device among those of its client; the hierarchy shows the gateway it is behind.
    pub id: DeviceId,
    /// Who makes it.
    pub vendor: String,
    /// The maker's model number.
    pub model_number: String,
    /// The maker's serial number.
    pub serial_number: String,
    /// Processors. Requirements are met by one entry; entries are never added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Vec<Cpu>>,
    /// Memory delegated to Margo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::LooseQuantity>")
    )]
    pub memory: Option<Quantity>,
    /// Storage delegated to Margo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::LooseQuantity>")
    )]
    pub storage: Option<Quantity>,
    /// Attached hardware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peripherals: Option<Vec<Peripheral>>,
    /// Communication interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<Interface>>,
    /// Whether an OpenTelemetry collector runs; true on every device that hosts workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otel_collector: Option<bool>,
    /// What runs workloads; at least one on a device that hosts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub supported_runtimes: Option<Vec<Runtime>>,
    /// What can be deployed; at least one on a device that hosts workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub supported_deployment_types: Option<Vec<DeploymentType>>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl DeviceProperties {
    /// The properties of a device that does not host workloads.
    pub fn new(
        id: DeviceId,
        vendor: impl Into<String>,
        model_number: impl Into<String>,
        serial_number: impl Into<String>,
    ) -> Self {
        Self {
            id,
            vendor: vendor.into(),
            model_number: model_number.into(),
            serial_number: serial_number.into(),
            cpus: None,
            memory: None,
            storage: None,
            peripherals: None,
            interfaces: None,
            otel_collector: None,
            supported_runtimes: None,
            supported_deployment_types: None,
            extra: Extra::default(),
        }
    }

    /// Whether the device hosts workloads: it does as soon as one of the properties of a host is present.
    ///
    /// A device that reports only some of them is meant to host, and strict validation says what is
    /// missing (rc3.md ambiguity 38).
    pub fn hosts_workloads(&self) -> bool {
        self.cpus.is_some()
            || self.memory.is_some()
            || self.storage.is_some()
            || self.peripherals.is_some()
            || self.interfaces.is_some()
            || self.otel_collector.is_some()
            || self.supported_runtimes.is_some()
            || self.supported_deployment_types.is_some()
    }
}

/// A processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Cpu {
    /// Cores delegated to Margo; fractions are allowed.
    #[cfg_attr(feature = "schema", schemars(range(min = 0.0)))]
    pub cores: f64,
    /// The architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::ReportedArchitecture>")
    )]
    pub architecture: Option<Architecture>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Cpu {
    /// A processor with so many cores.
    pub fn new(cores: f64, architecture: Option<Architecture>) -> Self {
        Self {
            cores,
            architecture,
            extra: Extra::default(),
        }
    }
}

/// Attached hardware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Peripheral {
    /// What it is.
    #[serde(rename = "type")]
    pub peripheral_type: PeripheralType,
    /// Who makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// The maker's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Peripheral {
    /// A peripheral of this type.
    pub fn new(peripheral_type: PeripheralType) -> Self {
        Self {
            peripheral_type,
            manufacturer: None,
            model: None,
            extra: Extra::default(),
        }
    }
}

/// A communication interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Interface {
    /// What it is.
    #[serde(rename = "type")]
    pub interface_type: InterfaceType,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Interface {
    /// An interface of this type.
    pub fn new(interface_type: InterfaceType) -> Self {
        Self {
            interface_type,
            extra: Extra::default(),
        }
    }
}

open_enum! {
    /// What a piece of attached hardware is.
    pub enum PeripheralType {
        /// A graphics or compute accelerator.
        Gpu = "gpu",
        /// A screen.
        Display = "display",
        /// A camera.
        Camera = "camera",
        /// A microphone.
        Microphone = "microphone",
        /// A speaker.
        Speaker = "speaker",
    }
}

open_enum! {
    /// What a communication interface is.
    pub enum InterfaceType {
        /// Ethernet.
        Ethernet = "ethernet",
        /// Wireless LAN.
        Wifi = "wifi",
        /// Mobile network.
        Cellular = "cellular",
        /// Bluetooth.
        Bluetooth = "bluetooth",
        /// USB.
        Usb = "usb",
        /// CAN bus.
        Canbus = "canbus",
        /// RS-232.
        Rs232 = "rs232",
    }
}

open_enum! {
    /// What runs workloads on a device.
    pub enum Runtime {
        /// A runtime of OCI containers.
        Oci = "oci",
        /// A runtime agreed between suppliers and selected by labels.
        Custom = "custom",
    }
}

/// The value of a label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub enum LabelValue {
    /// A text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// Texts.
    Texts(Vec<String>),
    /// Numbers.
    Numbers(Vec<Number>),
    /// Anything else: kept, matched by nothing, reported by strict validation.
    #[cfg_attr(feature = "schema", schemars(skip))]
    Other(Value),
}
