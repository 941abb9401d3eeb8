//! Odd requests, byte by byte, to the real server with the real service: whatever comes, one request gets one answer.

use std::sync::Arc;
use std::time::Duration;

use margo_conformance::authority::{Authority, Lifetime};
use margo_server_traits::store::MemoryStore;
use margo_server_traits::{Fleet, FleetService, ServiceOptions, StoreFleet};
use margo_types::svid::Identity;

use super::device::Device;
use super::{Plant, domain, wfm};

const POLL: &str = "GET /api/v1/deployments HTTP/1.1\r\nHost: wfm.example\r\n";
const LAST: &str =
    "GET /api/v1/deployments HTTP/1.1\r\nHost: wfm.example\r\nConnection: close\r\n\r\n";

async fn plant(choose: impl FnOnce(&mut ServiceOptions)) -> Plant {
    let authority = Authority::new(&domain());
    let svid = authority.issue(&wfm(), Lifetime::default()).svid();
    let identity = Identity::new(svid, &authority.bundle()).unwrap();
    let fleet = StoreFleet::new(Arc::new(MemoryStore::new())).accept_namespace();
    let mut options = ServiceOptions::default();
    choose(&mut options);
    let service = FleetService::with_options(wfm(), Fleet::of(Arc::new(fleet)), options);
    Plant::serve(authority, identity, service, |_| {}).await
}

async fn device(plant: &Plant) -> Device {
    plant.connect(&plant.client("device-1")).await
}

/// The status codes of everything that was said.
fn statuses(said: &str) -> Vec<u16> {
    said.split("HTTP/1.")
        .skip(1)
        .map(|response| response[2..5].parse().unwrap())
        .collect()
}

/// A `PUT` of capabilities with these header lines and this body.
fn put(head: &str, body: &str) -> String {
    format!("PUT /api/v1/capabilities/edge HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}")
}

#[tokio::test]
async fn a_request_whose_end_is_in_doubt_is_the_last_one() {
    let plant = plant(|_| {}).await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    let length = "Content-Length: 4\r\n";
    let empty = "0\r\n\r\n";
    let cases = [
        (400, put(&format!("{length}{chunked}"), empty)),
        (400, put(&format!("{chunked}{length}"), empty)),
        (400, put(&format!("{length}Content-Length: 5\r\n"), "abcde")),
        (400, put("Content-Length: +2\r\n", "{}")),
        (400, put("Content-Length: -1\r\n", "{}")),
        (400, put("Content-Length: 2, 2\r\n", "{}")),
        (400, put("Transfer-Encoding: gzip\r\n", "{}")),
        (400, put("Transfer-Encoding: xchunked\r\n", empty)),
        (
            400,
            put(&format!("{chunked}Transfer-Encoding: identity\r\n"), empty),
        ),
        (400, put(chunked, "zz\r\n{}\r\n0\r\n\r\n")),
        (
            400,
            put(
                chunked,
                &format!("2;{}\r\n{{}}\r\n{empty}", "x".repeat(40_000)),
            ),
        ),
        (
            413,
            put("Expect: 100-continue\r\nContent-Length: 99999999\r\n", ""),
        ),
        (
            413,
            put(chunked, &format!("200000\r\n{}\r\n", " ".repeat(0x20_0000))),
        ),
        (400, "GET / HTTP/1.1\r\nHost : x\r\n\r\n".to_owned()),
        (
            400,
            "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n".to_owned(),
        ),
        (400, "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        (400, "GET /api/v1/deployments HTTP/1.1\r\n\r\n".to_owned()),
        (400, format!("{POLL}Host: other.example\r\n\r\n")),
        (
            431,
            format!("{POLL}X-Long: {}\r\n\r\n", "x".repeat(64 * 1024)),
        ),
        (
            431,
            format!("{POLL}If-None-Match: {}\r\n\r\n", "\"a\", ".repeat(10_000)),
        ),
        (
            431,
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 20)),
        ),
    ];
    for (status, request) in cases {
        let said = device(&plant)
            .await
            .exchange((request.clone() + LAST).as_bytes())
            .await;
        let request = request.get(..120).unwrap_or(&request);
        assert_eq!(statuses(&said), [status], "{request}");
    }
}

#[tokio::test]
async fn odd_requests_are_answered_and_the_next_one_too() {
    let plant = plant(|_| {}).await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    let cases = [
        (200, get("https://other.example/api/v1/deployments?x=1")),
        (404, get("/api/v1/x/../deployments")),
        (404, get("/api/v1/./deployments")),
        (404, get("//api/v1/deployments")),
        (404, get("/api/v1/deployment%73")),
        (404, get("*")),
        (404, "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        (404, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        (
            405,
            "OPTIONS /api/v1/deployments HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        ),
        (
            200,
            "HEAD /api/v1/deployments HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        ),
        (
            406,
            format!("{POLL}Accept: application/vnd.margo.manifest.v1+json;q=0\r\n\r\n"),
        ),
        // A body that nobody asked for is a body, not a request.
        (
            200,
            format!("{POLL}Content-Length: {}\r\n\r\n{LAST}", LAST.len()),
        ),
        (422, put("Content-Length: 2\r\nContent-Length: 2\r\n", "{}")),
        (
            422,
            put("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        ),
    ];
    for (status, request) in cases {
        let said = device(&plant)
            .await
            .exchange((request.clone() + LAST).as_bytes())
            .await;
        assert_eq!(statuses(&said), [status, 200], "{request}\n{said}");
    }
    let continued = put("Expect: 100-continue\r\nContent-Length: 2\r\n", "{}") + LAST;
    let said = device(&plant).await.exchange(continued.as_bytes()).await;
    assert_eq!(statuses(&said), [100, 422, 200]);
    let pipelined = format!("{POLL}\r\n{POLL}\r\n{LAST}");
    let said = device(&plant).await.exchange(pipelined.as_bytes()).await;
    assert_eq!(statuses(&said), [200, 200, 200]);
    let old = format!("GET /api/v1/deployments HTTP/1.0\r\n\r\n{LAST}");
    let said = device(&plant).await.exchange(old.as_bytes()).await;
    assert_eq!(
        statuses(&said),
        [200],
        "HTTP/1.0 has one request for a connection"
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_the_connection() {
    let plant = plant(|options| options.request_timeout = Duration::from_millis(300)).await;
    let slow = put("Content-Length: 20\r\n", "{");
    let said = device(&plant).await.exchange(slow.as_bytes()).await;
    assert_eq!(statuses(&said), [503]);
    assert!(said.contains("connection: close"), "{said}");
}
