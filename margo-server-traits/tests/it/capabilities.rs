//! `PUT` and `DELETE` of `/api/v1/capabilities/{deviceId}`.

use margo_types::application::DeploymentType;
use margo_types::capabilities::Runtime;
use margo_types::id::{ClientId, DeviceId};
use serde_json::{Value, json};

use crate::exchange::{Answer, Builder, Exchange, client};

fn idle(id: &str) -> Value {
    json!({
        "properties": {
            "id": id, "vendor": "Example", "modelNumber": "M1", "serialNumber": "0001",
        },
    })
}

fn host(id: &str) -> Value {
    json!({
        "properties": {
            "id": id, "vendor": "Example", "modelNumber": "M1", "serialNumber": "0001",
            "cpus": [{ "cores": 4, "architecture": "arm64" }],
            "memory": "8Gi", "storage": "64Gi", "peripherals": [],
            "interfaces": [{ "type": "ethernet" }], "otelCollector": true,
            "supportedRuntimes": ["oci"], "supportedDeploymentTypes": ["compose"],
        },
        "labels": { "example.com/site": "north" },
    })
}

/// The host with another value at this place.
fn host_with(pointer: &str, value: Value) -> Value {
    let mut host = host("edge-1");
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    host.pointer_mut(parent).unwrap()[key] = value;
    host
}

fn put(path: &str, body: &Value) -> Builder {
    Builder::new("PUT", &format!("/api/v1/capabilities/{path}")).json(body.to_string())
}

fn delete(path: &str) -> Builder {
    Builder::new("DELETE", &format!("/api/v1/capabilities/{path}"))
}

fn knows(exchange: &Exchange, client: &str, device: &str) -> bool {
    let client = ClientId::parse(client).unwrap();
    let device = DeviceId::parse(device).unwrap();
    exchange.fleet.state().devices.contains(&(client, device))
}

#[track_caller]
fn fields(answer: &Answer) -> Vec<String> {
    let problem = answer.is_problem(422, "semantic-error");
    assert!(problem.errors.iter().all(|error| !error.message.is_empty()));
    problem
        .errors
        .into_iter()
        .map(|error| error.field)
        .collect()
}

#[tokio::test]
async fn device_is_created_once_and_then_updated() {
    let exchange = Exchange::new();
    let body = host("edge-1");
    let answer = exchange.send(put("edge-1", &body)).await;
    assert!(answer.is(201).body.is_empty());
    let answer = exchange.send(put("edge-1", &body)).await;
    assert!(answer.is(200).body.is_empty());

    let other = Some(client("press-2"));
    exchange.send_as(other, put("edge-1", &body)).await.is(201);

    let received = &exchange.fleet.state().capabilities[0];
    let bytes: &[u8] = received.document.bytes();
    assert_eq!(bytes, body.to_string().as_bytes());
    assert!(received.findings.findings().is_empty());
}

#[tokio::test]
async fn child_needs_its_gateway_and_not_what_is_between() {
    let exchange = Exchange::new();
    let child = host("gw/hall/edge-1");
    let problem = exchange
        .send(put("gw/hall/edge-1", &child))
        .await
        .is_problem(404, "gateway-not-found");
    assert!(problem.detail.unwrap().contains("gw"));
    assert!(!knows(&exchange, "press-1", "gw/hall/edge-1"));

    let other = Some(client("press-2"));
    exchange
        .send_as(other, put("gw", &idle("gw")))
        .await
        .is(201);
    exchange
        .send(put("gw/hall/edge-1", &child))
        .await
        .is_problem(404, "gateway-not-found");

    exchange.send(put("gw", &idle("gw"))).await.is(201);
    exchange.send(put("gw/hall/edge-1", &child)).await.is(201);
    // Both ways of writing the slash (rc3.md ambiguity 33).
    exchange
        .send(put("gw%2Fhall%2Fedge-1", &child))
        .await
        .is(200);
}

#[tokio::test]
async fn path_and_body_are_about_the_same_device() {
    let exchange = Exchange::new();
    let answer = exchange.send(put("edge-2", &host("edge-1"))).await;
    assert_eq!(fields(&answer), ["properties.id"]);
    assert!(exchange.fleet.state().devices.is_empty());
}

#[tokio::test]
async fn what_breaks_the_schema_is_refused_with_its_field() {
    let exchange = Exchange::new();
    let null = Value::Null;
    for (pointer, value, field) in [
        (
            "/properties/cpus",
            json!([{ "cores": -1 }]),
            "properties.cpus[0].cores",
        ),
        ("/properties/cpus", json!(4), "properties.cpus"),
        ("/properties/vendor", null.clone(), "properties.vendor"),
        ("/properties/memory", json!("much"), "properties.memory"),
        (
            "/properties/supportedRuntimes",
            json!([]),
            "properties.supportedRuntimes",
        ),
        (
            "/properties/supportedRuntimes",
            json!(["wasm"]),
            "properties.supportedRuntimes[0]",
        ),
        (
            "/properties/supportedDeploymentTypes",
            json!(["compose", "wasm"]),
            "properties.supportedDeploymentTypes[1]",
        ),
        (
            "/properties/interfaces",
            json!([{ "type": "telex" }]),
            "properties.interfaces[0].type",
        ),
        (
            "/labels/example.com~1x",
            json!(["a", 1]),
            "labels[\"example.com~1x\"]",
        ),
        ("/unknown", json!(1), "unknown"),
    ] {
        let answer = exchange
            .send(put("edge-1", &host_with(pointer, value)))
            .await;
        assert_eq!(fields(&answer), [field], "{pointer}");
    }
    let answer = exchange.send(put("edge-1", &json!([1]))).await;
    assert_eq!(fields(&answer), ["document"]);
    let answer = exchange
        .send(put("edge-1", &json!({ "properties": {} })))
        .await;
    assert!(!fields(&answer).is_empty());
    assert!(exchange.fleet.state().devices.is_empty());
}

#[tokio::test]
async fn what_only_breaks_a_rule_is_recorded_or_refused_on_demand() {
    for (pointer, value, rule) in [
        (
            "/properties/otelCollector",
            json!(false),
            "capabilities.otel-collector",
        ),
        ("/properties/memory", json!("1Ti"), "capabilities.memory"),
    ] {
        let request = || put("edge-1", &host_with(pointer, value.clone()));
        let lenient = Exchange::new();
        lenient.send(request()).await.is(201);
        let received = lenient.fleet.state().capabilities.remove(0);
        let found = &received.findings.findings()[0];
        assert_eq!(found.rule.name, rule);

        let strict = Exchange::with(|options| options.refuse_findings = true);
        let answer = strict.send(request()).await;
        assert_eq!(
            fields(&answer),
            [pointer.replace('/', ".").trim_start_matches('.')]
        );
        assert!(strict.fleet.state().devices.is_empty());
    }
}

#[tokio::test]
async fn warnings_are_recorded_and_never_refused() {
    let exchange = Exchange::with(|options| options.refuse_findings = true);
    let mut body = host("edge-1");
    body["labels"]["site"] = json!("north");
    exchange.send(put("edge-1", &body)).await.is(201);
    let received = &exchange.fleet.state().capabilities[0];
    assert_eq!(received.findings.warnings().count(), 1);
}

#[tokio::test]
async fn unknown_extensions_do_no_harm() {
    let exchange = Exchange::with(|options| options.refuse_findings = true);
    let mut body = host("edge-1");
    body["x-acme-extensions"] = json!({ "colour": "blue" });
    exchange.send(put("edge-1", &body)).await.is(201);
}

#[tokio::test]
async fn unknown_runtimes_become_custom_on_demand() {
    for refuse_findings in [false, true] {
        let exchange = Exchange::with(|options| {
            options.map_unknown_to_custom = true;
            options.refuse_findings = refuse_findings;
        });
        let mut body = host("edge-1");
        body["properties"]["supportedRuntimes"] = json!(["wasm", "oci", "unikernel"]);
        body["properties"]["supportedDeploymentTypes"] = json!(["compose", "wasm"]);
        body["x-acme-extensions"] = json!({ "colour": "blue" });
        exchange.send(put("edge-1", &body)).await.is(201);

        let received = &exchange.fleet.state().capabilities[0];
        let properties = &received.document.value().properties;
        assert_eq!(
            properties.supported_runtimes,
            Some(vec![Runtime::Custom, Runtime::Oci])
        );
        assert_eq!(
            properties.supported_deployment_types,
            Some(vec![DeploymentType::Compose, DeploymentType::Custom])
        );
        let text = String::from_utf8(received.document.bytes().to_vec()).unwrap();
        assert!(!text.contains("wasm") && text.contains("blue"), "{text}");
        let findings = received.findings.to_string();
        assert!(findings.contains("wasm") && findings.contains("unikernel"));
    }
    // Everything else is refused as before.
    let exchange = Exchange::with(|options| options.map_unknown_to_custom = true);
    let body = host_with("/properties/interfaces", json!([{ "type": "telex" }]));
    fields(&exchange.send(put("edge-1", &body)).await);
}

#[tokio::test]
async fn so_many_errors_are_listed_and_not_more() {
    let exchange = Exchange::new();
    let mut body = host("edge-1");
    for index in 0..90 {
        body[format!("member{index}")] = json!({});
    }
    let answer = exchange.send(put("edge-1", &body)).await;
    assert_eq!(fields(&answer).len(), 32);
    assert!(answer.problem().detail.unwrap().contains("58 more"));
}

#[tokio::test]
async fn device_ids_that_no_device_can_have_are_refused() {
    let exchange = Exchange::new();
    for path in ["..", "a/../b", "a//b", "%FF", "a%20b", ""] {
        let answer = exchange.send(put(path, &host("edge-1"))).await;
        assert_eq!(fields(&answer), ["deviceId"], "{path}");
        exchange
            .send(delete(path))
            .await
            .is_problem(404, "device-not-found");
    }
}

#[tokio::test]
async fn device_is_removed_once() {
    let exchange = Exchange::new();
    exchange.send(put("edge-1", &host("edge-1"))).await.is(201);
    exchange
        .send_as(Some(client("press-2")), delete("edge-1"))
        .await
        .is_problem(404, "device-not-found");
    let answer = exchange.send(delete("edge-1")).await;
    assert!(answer.is(204).body.is_empty());
    assert_eq!(answer.header("content-length"), None);
    exchange
        .send(delete("edge-1"))
        .await
        .is_problem(404, "device-not-found");
}
