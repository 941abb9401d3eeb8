//! How many devices a second one core can check against a profile with two rules of three expressions.
//!
//! The peer is the obvious implementation: serialise the capabilities to a `serde_json::Value` and follow
//! `Value::pointer` for every expression.

#[path = "../tests/it/eligibility/naive.rs"]
mod naive;

use divan::{Bencher, black_box, counter::ItemsCount};
use margo_types::application::DeviceConstraints;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::eligibility::Constraints;
use serde_json::json;

/// Counts allocations: `compiled` must show none.
#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench]
fn compiled(bencher: Bencher) {
    let devices = fleet();
    let constraints = Constraints::compile(&profile());
    bencher
        .counter(ItemsCount::new(devices.len()))
        .bench_local(|| {
            let fits = |device: &&DeviceCapabilities| constraints.matches(black_box(device));
            devices.iter().filter(fits).count()
        });
}

#[divan::bench]
fn naive_over_json_values(bencher: Bencher) {
    let devices = fleet();
    let constraints = profile();
    bencher
        .counter(ItemsCount::new(devices.len()))
        .bench_local(|| {
            let fits = |device: &&DeviceCapabilities| {
                naive::some_rule_matches(&constraints, black_box(device))
            };
            devices.iter().filter(fits).count()
        });
}

#[divan::bench]
fn explained(bencher: Bencher) {
    let devices = fleet();
    let constraints = Constraints::compile(&profile());
    bencher
        .counter(ItemsCount::new(devices.len()))
        .bench_local(|| {
            let fits =
                |device: &&DeviceCapabilities| constraints.explain(black_box(device)).placeable;
            devices.iter().filter(fits).count()
        });
}

/// Two rules of three expressions; the first fails late for most devices.
fn profile() -> DeviceConstraints {
    serde_json::from_value(json!({
        "eligibilityRules": [
            {
                "propertySelector": { "matchExpressions": [
                    { "key": "/vendor", "operator": "In", "values": ["Alpha", "Beta"] },
                    { "key": "/peripherals", "operator": "ContainsAll", "itemSelector": { "matchExpressions": [
                        { "key": "/type", "operator": "In", "values": ["gpu"] },
                        { "key": "/manufacturer", "operator": "In", "values": ["Gamma"] },
                    ] } },
                ] },
                "labelSelector": { "matchExpressions": [
                    { "key": "example.com/tier", "operator": "In", "values": ["edge"] },
                ] },
            },
            {
                "propertySelector": { "matchExpressions": [
                    { "key": "/supportedRuntimes", "operator": "In", "values": ["oci"] },
                    { "key": "/cpus/0/cores", "operator": "Gt", "values": [3] },
                ] },
                "labelSelector": { "matchExpressions": [
                    { "key": "example.com/line", "operator": "NotIn", "values": [7, 8, 9] },
                ] },
            },
        ],
    }))
    .expect("the constraints are well-formed")
}

fn fleet() -> Vec<DeviceCapabilities> {
    let device = |number: u64| {
        serde_json::from_value(json!({
            "properties": {
                "id": format!("device-{number}"),
                "vendor": (if number.is_multiple_of(3) { "Alpha" } else { "Beta" }),
                "modelNumber": "M-400",
                "serialNumber": format!("{number:08}"),
                "cpus": [{ "cores": number % 8, "architecture": "amd64" }],
                "memory": "16Gi",
                "storage": "1Ti",
                "peripherals": [
                    { "type": "camera", "manufacturer": "Delta", "model": "C1" },
                    { "type": "gpu", "manufacturer": (if number.is_multiple_of(5) { "Gamma" } else { "Delta" }) },
                ],
                "interfaces": [{ "type": "ethernet" }, { "type": "wifi" }],
                "otelCollector": true,
                "supportedRuntimes": ["oci"],
                "supportedDeploymentTypes": ["compose"],
            },
            "labels": {
                "example.com/tier": "edge",
                "example.com/line": number % 10,
                "example.com/zones": ["a", "b"],
            },
        }))
        .expect("the capabilities are well-formed")
    };
    (0..1000).map(device).collect()
}
