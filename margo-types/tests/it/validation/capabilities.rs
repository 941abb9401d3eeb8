//! Device capabilities (rc3.md 4).

use serde_json::{Value, json};

use super::case::{Case, case, check, remove, report_on, set};

pub(super) fn valid() -> Value {
    json!({
        "properties": {
            "id": "cell-2/press-4",
            "vendor": "Example Presses",
            "modelNumber": "P4",
            "serialNumber": "0042",
            "cpus": [{ "cores": 3.5, "architecture": "arm64" }],
            "memory": "7.5 Gi",
            "storage": "2 Ti",
            "peripherals": [{ "type": "camera", "model": "C1" }],
            "interfaces": [{ "type": "canbus" }],
            "otelCollector": true,
            "supportedRuntimes": ["oci", "custom"],
            "supportedDeploymentTypes": ["compose", "custom"],
        },
        "labels": {
            "example.com/hall": 7,
            "example.com/plc": true,
            "example.com/name": "north",
            "example.com/names": ["a", "b"],
            "example.com/slots": [1, 2.5],
        },
        "x-acme-extensions": { "shelf": 7 },
    })
}

pub(super) const CASES: &[Case] = &[
    case(
        "D12: empty vendor",
        |d| set(d, "/properties/vendor", ""),
        "text.empty",
        "properties.vendor",
    ),
    case(
        "D12: empty model number",
        |d| set(d, "/properties/modelNumber", ""),
        "text.empty",
        "properties.modelNumber",
    ),
    case(
        "D12: empty serial number",
        |d| set(d, "/properties/serialNumber", ""),
        "text.empty",
        "properties.serialNumber",
    ),
    case(
        "D15: no cpus",
        |d| remove(d, "/properties/cpus"),
        "capabilities.host-property",
        "properties.cpus",
    ),
    case(
        "D15: no memory",
        |d| remove(d, "/properties/memory"),
        "capabilities.host-property",
        "properties.memory",
    ),
    case(
        "D15: no storage",
        |d| remove(d, "/properties/storage"),
        "capabilities.host-property",
        "properties.storage",
    ),
    case(
        "D15: no peripherals",
        |d| remove(d, "/properties/peripherals"),
        "capabilities.host-property",
        "properties.peripherals",
    ),
    case(
        "D15: no interfaces",
        |d| remove(d, "/properties/interfaces"),
        "capabilities.host-property",
        "properties.interfaces",
    ),
    case(
        "D14: no collector",
        |d| remove(d, "/properties/otelCollector"),
        "capabilities.host-property",
        "properties.otelCollector",
    ),
    case(
        "D4: no runtimes",
        |d| remove(d, "/properties/supportedRuntimes"),
        "capabilities.host-property",
        "properties.supportedRuntimes",
    ),
    case(
        "D4: no deployment types",
        |d| remove(d, "/properties/supportedDeploymentTypes"),
        "capabilities.host-property",
        "properties.supportedDeploymentTypes",
    ),
    case(
        "D16: a gateway that does not host reports nothing of a host",
        |d| {
            *d = json!({ "properties": {
                "id": "cell-2", "vendor": "E", "modelNumber": "G", "serialNumber": "1", "interfaces": [],
            } });
        },
        "capabilities.host-property",
        "properties.cpus",
    ),
    case(
        "4: device behind a gateway that does not host",
        |d| {
            *d = json!({ "properties": {
                "id": "cell-2/press-4", "vendor": "E", "modelNumber": "P", "serialNumber": "1",
            } });
        },
        "capabilities.idle-child",
        "properties",
    ),
    case(
        "D14: collector that does not run",
        |d| set(d, "/properties/otelCollector", false),
        "capabilities.otel-collector",
        "properties.otelCollector",
    ),
    case(
        "4: empty list of cpus",
        |d| set(d, "/properties/cpus", json!([])),
        "capabilities.no-cpu",
        "properties.cpus",
    ),
    case(
        "4: negative cores",
        |d| set(d, "/properties/cpus/0/cores", -1.5),
        "capabilities.cores",
        "properties.cpus[0].cores",
    ),
    case(
        "4: unknown architecture",
        |d| set(d, "/properties/cpus/0/architecture", "x86_64"),
        "capabilities.architecture",
        "properties.cpus[0].architecture",
    ),
    case(
        "4: architecture for requirements only",
        |d| set(d, "/properties/cpus/0/architecture", "riscv64"),
        "capabilities.architecture",
        "properties.cpus[0].architecture",
    ),
    case(
        "4: memory in Ti",
        |d| set(d, "/properties/memory", "1Ti"),
        "capabilities.memory",
        "properties.memory",
    ),
    case(
        "4: unknown type of peripheral",
        |d| set(d, "/properties/peripherals/0/type", "GPU"),
        "capabilities.peripheral-type",
        "properties.peripherals[0].type",
    ),
    case(
        "4: unknown type of interface",
        |d| set(d, "/properties/interfaces/0/type", "profibus"),
        "capabilities.interface-type",
        "properties.interfaces[0].type",
    ),
    case(
        "D15: empty list of runtimes",
        |d| set(d, "/properties/supportedRuntimes", json!([])),
        "capabilities.no-runtime",
        "properties.supportedRuntimes",
    ),
    case(
        "4: unknown runtime",
        |d| set(d, "/properties/supportedRuntimes/1", "wasm"),
        "capabilities.runtime",
        "properties.supportedRuntimes[1]",
    ),
    case(
        "D15: empty list of deployment types",
        |d| set(d, "/properties/supportedDeploymentTypes", json!([])),
        "capabilities.no-deployment-type",
        "properties.supportedDeploymentTypes",
    ),
    case(
        "4: unknown deployment type",
        |d| set(d, "/properties/supportedDeploymentTypes/0", "wasm"),
        "capabilities.deployment-type",
        "properties.supportedDeploymentTypes[0]",
    ),
    case(
        "D23: custom without labels",
        |d| remove(d, "/labels"),
        "capabilities.custom-labels",
        "labels",
    ),
    case(
        "D21: object as the value of a label",
        |d| set(d, "/labels/example.com~1hall", json!({ "number": 7 })),
        "capabilities.label-value",
        "labels[\"example.com/hall\"]",
    ),
    case(
        "D21: mixed list as the value of a label",
        |d| set(d, "/labels/example.com~1hall", json!([7, "a"])),
        "capabilities.label-value",
        "labels[\"example.com/hall\"]",
    ),
    case(
        "D21: list of booleans as the value of a label",
        |d| set(d, "/labels/example.com~1hall", json!([true])),
        "capabilities.label-value",
        "labels[\"example.com/hall\"]",
    ),
    case(
        "D22: label without a domain",
        |d| set(d, "/labels/hall", 7),
        "capabilities.label-key",
        "labels.hall",
    ),
    case(
        "4: unknown member of the root",
        |d| set(d, "/roles", json!([])),
        "member.forbidden",
        "roles",
    ),
    case(
        "P10: extension that is no object",
        |d| set(d, "/x-acme-extensions", "shelf 7"),
        "extension.value",
        "x-acme-extensions",
    ),
    case(
        "D24: extension in the properties",
        |d| set(d, "/properties/x-acme-extensions", json!({})),
        "extension.place",
        "properties.x-acme-extensions",
    ),
    case(
        "9: unknown member of the properties",
        |d| set(d, "/properties/colour", "red"),
        "member.unknown",
        "properties.colour",
    ),
];

#[test]
fn capabilities() {
    check(&valid(), CASES);
}

/// D16, and rc3.md section 4: a host may have no peripherals and no interfaces.
#[test]
fn gateways_that_do_not_host_and_bare_hosts_are_valid() {
    let gateway = json!({ "properties": {
        "id": "cell-2", "vendor": "E", "modelNumber": "G", "serialNumber": "1",
    } });
    assert!(report_on(&gateway).findings().is_empty());

    let mut host = valid();
    set(&mut host, "/properties/peripherals", json!([]));
    set(&mut host, "/properties/interfaces", json!([]));
    assert!(report_on(&host).findings().is_empty());
}
