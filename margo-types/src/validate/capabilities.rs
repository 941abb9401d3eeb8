//! Rules of device capabilities (rc3.md section 4, requirements D10 to D24).

use super::constraints::is_memory_unit;
use super::place::Place;
use super::rule::rule_table;
use super::{Validate, members};
use crate::application::{Architecture, DeploymentType};
use crate::capabilities::{Cpu, DeviceCapabilities, DeviceProperties, LabelValue, Runtime};
use crate::text::shorten;

impl Validate for DeviceCapabilities {
    fn check(&self, at: &Place<'_>) {
        properties(&at.key("properties"), &self.properties);
        if self.labels.is_empty() && is_custom(&self.properties) {
            at.key("labels").report(
                &CUSTOM_LABELS,
                "the device is custom, but nothing says which custom",
                "write labels that suppliers can select on",
            );
        }
        let labels = at.key("labels");
        for (key, value) in &self.labels {
            label(&labels.key(key), key, value);
        }
        members::closed(at, &self.extra);
    }
}

fn is_custom(properties: &DeviceProperties) -> bool {
    let mut runtimes = properties.supported_runtimes.iter().flatten();
    let mut types = properties.supported_deployment_types.iter().flatten();
    runtimes.any(|it| *it == Runtime::Custom) || types.any(|it| *it == DeploymentType::Custom)
}

fn properties(at: &Place<'_>, properties: &DeviceProperties) {
    members::text(&at.key("vendor"), &properties.vendor);
    members::text(&at.key("modelNumber"), &properties.model_number);
    members::text(&at.key("serialNumber"), &properties.serial_number);
    if properties.hosts_workloads() {
        host(at, properties);
    } else if properties.id.is_child() {
        at.report(
            &IDLE_CHILD,
            "the device is behind a gateway, but does not host workloads",
            "write the properties of a host, from cpus to supportedDeploymentTypes",
        );
    }
    members::open(at, &properties.extra);
}

fn host(at: &Place<'_>, properties: &DeviceProperties) {
    let present = [
        ("cpus", properties.cpus.is_some()),
        ("memory", properties.memory.is_some()),
        ("storage", properties.storage.is_some()),
        ("peripherals", properties.peripherals.is_some()),
        ("interfaces", properties.interfaces.is_some()),
        ("otelCollector", properties.otel_collector.is_some()),
        ("supportedRuntimes", properties.supported_runtimes.is_some()),
        (
            "supportedDeploymentTypes",
            properties.supported_deployment_types.is_some(),
        ),
    ];
    // Some of them mean that the device hosts (rc3.md ambiguity 38).
    for (key, is_present) in present {
        if !is_present && at.switches().host_properties.contains(&key) {
            at.key(key).report(
                &HOST_PROPERTY,
                format!("`{key}` is missing, but other properties of a host are there"),
                "write it; a gateway that does not host removes all of them instead",
            );
        }
    }
    hardware(at, properties);
    software(at, properties);
}

fn hardware(at: &Place<'_>, properties: &DeviceProperties) {
    if properties.cpus.as_ref().is_some_and(Vec::is_empty) {
        at.key("cpus").report(
            &CPUS,
            "the device has no processor, so it meets no requirement",
            "write an entry with its cores and architecture",
        );
    }
    at.key("cpus").each(properties.cpus.iter().flatten(), cpu);
    if let Some(memory) = &properties.memory
        && !is_memory_unit(memory)
    {
        at.key("memory").report(
            &MEMORY,
            format!("memory is not given in {}", memory.unit()),
            "write it in Ki, Mi or Gi, such as 2048Gi",
        );
    }
    let peripherals = properties.peripherals.iter().flatten();
    at.key("peripherals").each(peripherals, |at, peripheral| {
        if !peripheral.peripheral_type.is_known() {
            at.key("type").report(
                &PERIPHERAL,
                format!(
                    "{:?} is no type of peripheral",
                    shorten(peripheral.peripheral_type.as_str())
                ),
                "write gpu, display, camera, microphone or speaker, or use a label",
            );
        }
        members::open(at, &peripheral.extra);
    });
    let interfaces = properties.interfaces.iter().flatten();
    at.key("interfaces").each(interfaces, |at, interface| {
        if !interface.interface_type.is_known() {
            at.key("type").report(
                &INTERFACE,
                format!(
                    "{:?} is no type of interface",
                    shorten(interface.interface_type.as_str())
                ),
                "write ethernet, wifi, cellular, bluetooth, usb, canbus or rs232, or use a label",
            );
        }
        members::open(at, &interface.extra);
    });
}

fn cpu(at: &Place<'_>, cpu: &Cpu) {
    if !(cpu.cores.is_finite() && cpu.cores >= 0.0) {
        at.key("cores").report(
            &CORES,
            format!("a processor cannot have {} cores", cpu.cores),
            "write 0 or a positive number, such as 0.5",
        );
    }
    if let Some(architecture) = &cpu.architecture
        && !REPORTED.contains(architecture)
    {
        at.key("architecture").report(
            &ARCHITECTURE,
            format!(
                "a device cannot report {:?}",
                shorten(architecture.as_str())
            ),
            "write amd64, arm64 or arm, or leave it out and use a label",
        );
    }
    members::open(at, &cpu.extra);
}

fn software(at: &Place<'_>, properties: &DeviceProperties) {
    if properties.otel_collector == Some(false) && at.switches().otel_collector {
        at.key("otelCollector").report(
            &OTEL_COLLECTOR,
            "a device that hosts workloads runs an OpenTelemetry collector",
            "run one and write true; a gateway that does not host removes the properties of a host",
        );
    }
    if let Some(runtimes) = &properties.supported_runtimes {
        let at = at.key("supportedRuntimes");
        if runtimes.is_empty() {
            at.report(
                &NO_RUNTIME,
                "the device has no runtime",
                "write oci or custom",
            );
        }
        at.each(runtimes, |at, runtime| {
            if !runtime.is_known() {
                at.report(
                    &RUNTIME,
                    format!("{:?} is no runtime", shorten(runtime.as_str())),
                    "write custom, and name the runtime in a label",
                );
            }
        });
    }
    if let Some(types) = &properties.supported_deployment_types {
        let at = at.key("supportedDeploymentTypes");
        if types.is_empty() {
            at.report(
                &NO_DEPLOYMENT_TYPE,
                "nothing can be deployed on the device",
                "write helm, compose or custom",
            );
        }
        at.each(types, |at, deployment_type| {
            if !deployment_type.is_known() {
                at.report(
                    &DEPLOYMENT_TYPE,
                    format!(
                        "{:?} is no deployment type",
                        shorten(deployment_type.as_str())
                    ),
                    "write custom, and name the type in a label",
                );
            }
        });
    }
}

fn label(at: &Place<'_>, key: &str, value: &LabelValue) {
    if matches!(value, LabelValue::Other(_)) {
        at.report(
            &LABEL_VALUE,
            "the value of the label is neither simple nor a list of strings or of numbers",
            "write a string, number or boolean, or a list of strings only or numbers only",
        );
    }
    if !key.contains('.') {
        at.report(
            &LABEL_KEY,
            format!(
                "another supplier may use the label {:?} for something else",
                shorten(key)
            ),
            "put a domain of yours in front, such as example.com/site",
        );
    }
}

/// The architectures that a device may report (rc3.md ambiguity 5).
const REPORTED: [Architecture; 3] = [Architecture::Amd64, Architecture::Arm64, Architecture::Arm];

rule_table! {
    HOST_PROPERTY: Error, "capabilities.host-property", "rc3.md 4, D4, D15, D17, ambiguity 38",
        "a device that hosts workloads reports all properties of a host, any other none";
    IDLE_CHILD: Warning, "capabilities.idle-child", "rc3.md 4, ambiguity 39",
        "a device behind a gateway hosts workloads";
    OTEL_COLLECTOR: Error, "capabilities.otel-collector", "rc3.md 4, D14",
        "a device that hosts workloads reports otelCollector true";
    CPUS: Warning, "capabilities.no-cpu", "rc3.md 4",
        "a device that hosts workloads reports a processor";
    CORES: Error in schema, "capabilities.cores", "rc3.md 4",
        "the cores of a processor are 0 or a positive number";
    ARCHITECTURE: Error in schema, "capabilities.architecture", "rc3.md 4, ambiguity 5",
        "a reported architecture is amd64, arm64 or arm";
    MEMORY: Error, "capabilities.memory", "rc3.md 4",
        "reported memory is in Ki, Mi or Gi";
    PERIPHERAL: Error in schema, "capabilities.peripheral-type", "rc3.md 4",
        "the type of a peripheral is one of the five";
    INTERFACE: Error in schema, "capabilities.interface-type", "rc3.md 4",
        "the type of an interface is one of the seven";
    NO_RUNTIME: Error in schema, "capabilities.no-runtime", "rc3.md 4, D15, 13",
        "a device that hosts workloads supports a runtime";
    RUNTIME: Error in schema, "capabilities.runtime", "rc3.md 4, ambiguity 6",
        "a runtime is oci or custom";
    NO_DEPLOYMENT_TYPE: Error in schema, "capabilities.no-deployment-type", "rc3.md 4, D15",
        "a device that hosts workloads supports a deployment type";
    DEPLOYMENT_TYPE: Error in schema, "capabilities.deployment-type", "rc3.md 4, ambiguity 6",
        "a deployment type is helm, compose or custom";
    CUSTOM_LABELS: Error, "capabilities.custom-labels", "rc3.md 4, D23",
        "a device with a custom runtime or deployment type has labels";
    LABEL_VALUE: Error in schema, "capabilities.label-value", "rc3.md 4, D21",
        "the value of a label is a string, number, boolean, or a list of strings or of numbers";
    LABEL_KEY: Warning, "capabilities.label-key", "rc3.md 4, D22",
        "the key of a label contains a domain";
}
