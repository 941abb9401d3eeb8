//! Which devices can host a deployment.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use margo_server_traits::publish::{Publisher, placement};
use margo_server_traits::store::{DeviceRecord, MemoryStore, Store};
use margo_types::capabilities::DeviceCapabilities;

use crate::deployments::{client, deployment_for};

#[test]
fn a_named_device_must_be_reported_and_fit() {
    let devices = [
        host("edge-07", "compose"),
        host("edge-08", "helm"),
        gateway("gw"),
    ];
    for (target, expected) in [
        ("edge-07", Ok("edge-07")),
        (
            "edge-08",
            Err("device edge-08: not placeable: supports deployment type compose"),
        ),
        ("gw", Err("device gw: not placeable: hosts workloads")),
        (
            "edge-09",
            Err("not placeable: the client has not reported a device edge-09"),
        ),
        (
            "edge-07/*",
            Err("not placeable: the client has reported no device behind edge-07"),
        ),
    ] {
        let found = placement(&deployment_for(target, 1, "a"), &devices);
        let hosts: Vec<_> = found.hosts().map(ToString::to_string).collect();
        assert_eq!(found.is_placeable(), expected.is_ok(), "{target}: {found}");
        match expected {
            Ok(host) => assert_eq!(hosts, [host]),
            Err(why) => assert!(found.to_string().starts_with(why), "{target}: {found}"),
        }
    }
}

#[test]
fn behind_a_gateway_every_device_is_considered_but_the_gateway() {
    let devices = [
        host("gw", "compose"),
        host("gw/a", "compose"),
        host("gw/b", "helm"),
        host("gw/site/c", "compose"),
        host("gw-2/d", "compose"),
    ];
    let found = placement(&deployment_for("gw/*", 1, "a"), &devices);
    let hosts: Vec<_> = found.hosts().map(ToString::to_string).collect();
    assert_eq!(hosts, ["gw/a", "gw/site/c"]);
    assert_eq!(found.considered.len(), 3);
    let text = found.to_string();
    assert!(text.contains("device gw/b: not placeable"), "{text}");
}

#[tokio::test]
async fn the_devices_of_a_client_are_those_it_reported_itself() {
    let store = Arc::new(MemoryStore::new());
    let publisher = Publisher::new(store.clone());
    let (owner, other) = (client("press-1"), client("press-2"));
    let capabilities = host("edge-07", "compose");
    let bytes = margo_types::write(&capabilities, margo_types::SpecVersion::NEWEST).unwrap();
    let device = capabilities.properties.id.clone();
    let record = DeviceRecord::new(owner.clone(), device, Bytes::from(bytes), Timestamp::now());
    store.put_device(&record, 99).await.unwrap();
    let deployment = deployment_for("edge-07", 1, "a");
    let found = publisher.placement(&owner, &deployment).await.unwrap();
    assert!(found.is_placeable(), "{found}");
    let found = publisher.placement(&other, &deployment).await.unwrap();
    assert!(!found.is_placeable(), "{found}");
}

fn host(id: &str, deployment_type: &str) -> DeviceCapabilities {
    read(&format!(
        r#"{{"properties":{{"id":"{id}","vendor":"Northwind","modelNumber":"E7","serialNumber":"0001",
        "cpus":[{{"cores":2,"architecture":"amd64"}}],"memory":"4Gi","storage":"32Gi","peripherals":[],"interfaces":[],
        "otelCollector":true,"supportedRuntimes":["oci"],"supportedDeploymentTypes":["{deployment_type}"]}}}}"#
    ))
}

fn gateway(id: &str) -> DeviceCapabilities {
    read(&format!(
        r#"{{"properties":{{"id":"{id}","vendor":"Northwind","modelNumber":"G1","serialNumber":"0001"}}}}"#
    ))
}

fn read(text: &str) -> DeviceCapabilities {
    let read = margo_types::read::<DeviceCapabilities>(text.as_bytes());
    read.unwrap().into_value()
}
