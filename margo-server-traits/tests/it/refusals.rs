//! Requests that no endpoint takes, bodies that cannot be read, and a fleet manager that fails.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use margo_types::id::ClientId;
use tower_service::Service;

use crate::exchange::{Answer, Builder, DEPLOYMENT, Exchange, client, get};
use crate::fake_fleet::Trouble;

fn put(body: &'static str) -> Builder {
    Builder::new("PUT", "/api/v1/capabilities/edge-1").body(body)
}

const IDLE: &str =
    r#"{"properties":{"id":"edge-1","vendor":"Example","modelNumber":"M","serialNumber":"1"}}"#;

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let exchange = Exchange::new();
    for path in [
        "/",
        "/api/v1",
        "/api/v1/deployments/",
        "/api/v2/deployments",
        "/api/v1/clients/press-1/deployments",
    ] {
        let problem = exchange.get(path).await.is_problem(404, "about:blank");
        assert_eq!(problem.title, "Not Found");
        assert_eq!(problem.instance.as_deref(), Some(path));
    }
    for (path, kind) in [
        ("/.well-known/margo", "discovery-document-not-found"),
        ("/.well-known/spiffe/bundle.json", "spiffe-bundle-not-found"),
    ] {
        exchange.get(path).await.is_problem(404, kind);
    }
    exchange
        .send(Builder::new("OPTIONS", "*"))
        .await
        .is_problem(404, "about:blank");
}

#[tokio::test]
async fn other_methods_are_told_the_right_ones() {
    let exchange = Exchange::new();
    let status = format!("/api/v1/deployments/{DEPLOYMENT}/status");
    for (method, path, allow) in [
        ("POST", "/api/v1/deployments", "GET, HEAD"),
        ("OPTIONS", "/api/v1/deployments", "GET, HEAD"),
        ("PUT", "/api/v1/bundles/x", "GET, HEAD"),
        ("PUT", &status, "GET, POST, HEAD"),
        ("GET", "/api/v1/capabilities/edge-1", "PUT, DELETE"),
        ("HEAD", "/api/v1/capabilities/edge-1", "PUT, DELETE"),
        ("FROBNICATE", "/api/v1/capabilities/edge-1", "PUT, DELETE"),
    ] {
        let answer = exchange.send(Builder::new(method, path)).await;
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        if method == "HEAD" {
            assert!(answer.is(405).body.is_empty());
        } else {
            answer.is_problem(405, "about:blank");
        }
    }
}

#[tokio::test]
async fn body_has_to_be_json() {
    let exchange = Exchange::new();
    for accepted in ["application/json", "Application/JSON; charset=utf-8"] {
        let answer = exchange
            .send(put(IDLE).header("content-type", accepted))
            .await;
        assert!(answer.status.is_success(), "{accepted}");
    }
    exchange.send(put(IDLE)).await.is(200);
    let identity = put(IDLE).header("content-encoding", "identity");
    exchange.send(identity).await.is(200);

    for refused in ["text/plain", "application/yaml", "application", ""] {
        let answer = exchange
            .send(put(IDLE).header("content-type", refused))
            .await;
        answer.is_problem(415, "about:blank");
        assert_eq!(answer.header("accept"), Some("application/json"));
    }
    let answer = exchange
        .send(put(IDLE).header("content-encoding", "gzip"))
        .await;
    answer.is_problem(415, "about:blank");
    assert_eq!(answer.header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn what_is_no_json_is_an_invalid_request() {
    let exchange = Exchange::new();
    for body in [
        "",
        " ",
        "{",
        "not json",
        "properties:\n  id: edge-1\n  vendor: Example\n  modelNumber: M\n  serialNumber: '1'\n",
        "{properties: {id: edge-1, vendor: Example, modelNumber: M, serialNumber: '1'}}",
        "{properties: {id: edge-1}}",
        r#"{"properties":{"id":"edge-1","id":"edge-2"}}"#,
        "\u{0}",
    ] {
        let answer = exchange.send(put(body)).await;
        assert_eq!(answer.status, 400, "{body}");
        answer.is_problem(400, "invalid-request");
    }
    let not_utf8 =
        Builder::new("PUT", "/api/v1/capabilities/edge-1").body(&b"{\"a\":\"\xff\"}"[..]);
    exchange
        .send(not_utf8)
        .await
        .is_problem(400, "invalid-request");
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let deep = Builder::new("PUT", "/api/v1/capabilities/edge-1").body(deep);
    exchange.send(deep).await.is_problem(400, "invalid-request");
    assert!(exchange.fleet.state().devices.is_empty());
}

#[tokio::test(start_paused = true)]
async fn long_body_is_refused_at_its_announcement() {
    let exchange = Exchange::with(|options| options.max_body_bytes = IDLE.len());
    exchange.send(put(IDLE)).await.is(201);
    let exchange = Exchange::with(|options| options.max_body_bytes = IDLE.len() - 1);
    exchange
        .send(put(IDLE))
        .await
        .is_problem(413, "about:blank");

    let mut body = Script::new(0, Then::Hang);
    body.announced = IDLE.len() as u64;
    let answer = send(&exchange, body).await;
    answer.is_problem(413, "about:blank");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn endless_body_is_not_read_on() {
    let exchange = Exchange::with(|options| options.max_body_bytes = 10_000);
    let body = Script::new(usize::MAX, Then::Break);
    let frames_read = Arc::clone(&body.frames_read);
    let answer = send(&exchange, body).await;
    answer.is_problem(413, "about:blank");
    assert_eq!(answer.header("connection"), Some("close"));
    // The limit is ten frames, and is passed with the eleventh.
    assert_eq!(frames_read.load(Ordering::Relaxed), 11);
    assert!(!exchange.calls().contains(&"put"));
}

#[tokio::test]
async fn broken_body_changes_nothing() {
    let exchange = Exchange::new();
    let body = Script::new(1, Then::Break);
    send(&exchange, body)
        .await
        .is_problem(400, "invalid-request");
    assert!(!exchange.calls().contains(&"put"));
}

#[tokio::test(start_paused = true)]
async fn body_that_never_comes_is_given_up() {
    let exchange = Exchange::new();
    let body = Script::new(1, Then::Hang);
    let answer = send(&exchange, body).await;
    answer.is_problem(503, "about:blank");
    assert_eq!(answer.header("retry-after"), Some("10"));
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test(start_paused = true)]
async fn slow_fleet_manager_is_given_up_in_time() {
    let exchange = Exchange::with(|options| {
        options.request_timeout = Duration::from_secs(3);
        options.retry_after_seconds = 77;
    });
    exchange.fleet.state().trouble = Some(Trouble::Hang);
    let begun = tokio::time::Instant::now();
    let answer = exchange.get("/api/v1/deployments").await;
    let problem = answer.is_problem(503, "about:blank");
    assert_eq!(problem.retry_after_seconds, Some(77));
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn trouble_of_the_fleet_manager_is_not_told_in_detail() {
    let exchange = Exchange::new();
    for (trouble, status, retry_after) in [
        (Trouble::Unavailable { retry_after: 42 }, 503, "42"),
        (Trouble::Internal, 500, "10"),
        (Trouble::Panic, 500, "10"),
    ] {
        exchange.fleet.state().trouble = Some(trouble);
        for request in [
            get("/api/v1/deployments"),
            get(&format!("/api/v1/bundles/{}", margo_types::Digest::of(b""))),
            put(IDLE),
            Builder::new("DELETE", "/api/v1/capabilities/edge-1"),
        ] {
            let answer = exchange.send(request).await;
            answer.is_problem(status, "about:blank");
            assert_eq!(answer.header("retry-after"), Some(retry_after));
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            assert!(!text.contains("secret"), "{text}");
        }
    }
    exchange.fleet.state().trouble = Some(Trouble::Refused);
    let problem = exchange
        .send(put(IDLE))
        .await
        .is_problem(403, "not-authorized");
    assert_eq!(problem.detail.as_deref(), Some("not on Sundays"));

    exchange.fleet.state().trouble = None;
    exchange.get("/api/v1/deployments").await.is(200);
}

#[tokio::test]
async fn long_texts_come_back_in_excerpts() {
    let exchange = Exchange::new();
    let long = "x".repeat(60_000);
    let bodies = [
        format!("{{\"{long}\":1,{}", &IDLE[1..]),
        format!("{{\"properties\":{{\"id\":\"{long}/\"}}}}"),
        format!("[{long}"),
    ];
    for body in bodies {
        let path = format!("/api/v1/capabilities/edge-1?{long}");
        let answer = exchange.send(Builder::new("PUT", &path).body(body)).await;
        answer.problem();
        assert!(answer.body.len() < 3000, "{answer:?}");
    }
    let answer = exchange.get(&format!("/{}", &long[..50_000])).await;
    answer.is_problem(404, "about:blank");
    assert!(answer.body.len() < 3000);

    let id = ClientId::parse("press-1").unwrap();
    exchange.fleet.state().refused.insert(id, long);
    let answer = exchange.get("/api/v1/deployments").await;
    answer.is_problem(403, "not-authorized");
    assert!(answer.body.len() < 3000);
}

/// Sends this body to an endpoint that reads it.
async fn send(exchange: &Exchange, body: Script) -> Answer {
    let mut request = Request::put("/api/v1/capabilities/edge-1")
        .body(body)
        .unwrap();
    request.extensions_mut().insert(client("press-1"));
    Answer::of(exchange.service().call(request).await.unwrap()).await
}

/// A body of so many frames of 1000 bytes, and what comes then.
struct Script {
    frames: usize,
    then: Then,
    frames_read: Arc<AtomicUsize>,
    /// The least length that is known beforehand.
    announced: u64,
}

enum Then {
    Break,
    Hang,
}

impl Script {
    fn new(frames: usize, then: Then) -> Self {
        Self {
            frames,
            then,
            frames_read: Arc::default(),
            announced: 0,
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(left) = self.frames.checked_sub(1) {
            self.frames = left;
            self.frames_read.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1000])))));
        }
        match self.then {
            Then::Break => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            Then::Hang => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.announced);
        hint
    }
}
