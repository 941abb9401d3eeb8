//! Whole requests to the service.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use margo_conformance::corpus::input::{line, parts};
use margo_server_traits::store::{MemoryStore, Store};
use margo_types::id::DeviceId;

use super::plant::{Answer, SECRET, contains, filled, id, peer, runtime, service};

/// Requests, one after the other, with the caller in the first line:
///
/// ```text
/// press-1 PUT /api/v1/capabilities/edge-07
/// content-type: application/json
///
/// {"properties": …}
/// ```
///
/// The caller is a client (`press-1`), one that is not served any more (`press-0`), that of another fleet manager
/// (`stranger`), or `nobody`.
///
/// Whatever is asked, something right comes back, nothing of another client comes with it, and nothing of another client
/// changes. What was taken is kept byte for byte.
pub fn requests(bytes: &[u8]) {
    let input = filled(bytes);
    runtime().block_on(async {
        let store = Arc::new(MemoryStore::new());
        let service = service(store.clone()).await;
        let others = Others::of(&*store).await;
        for part in parts(&input).into_iter().take(MOST_REQUESTS) {
            let Some((caller, request)) = read(part) else {
                continue;
            };
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let body = request.body().clone();
            let answer = Answer::of(&service, request).await;
            let status = answer.status.as_u16();
            assert!(status < 500, "{status} without any fault of the store");
            if caller != "press-1" {
                assert_eq!(status, 403, "{caller} was served");
            }
            if !contains(&input, SECRET) {
                assert!(
                    !contains(&answer.body, SECRET),
                    "what belongs to somebody else"
                );
            }
            if method == Method::PUT && answer.status.is_success() {
                kept(&*store, &path, body).await;
            }
        }
        assert_eq!(
            Others::of(&*store).await,
            others,
            "what belongs to somebody else"
        );
    });
}

/// That the capabilities of the device in the path are these.
async fn kept(store: &dyn Store, path: &str, body: Full<Bytes>) {
    use http_body_util::BodyExt as _;
    let body = body.collect().await.unwrap_or_else(|never| match never {});
    let devices = store.devices(Some(&id("press-1"))).await.expect("read");
    let body = body.to_bytes();
    let device = DeviceId::parse(path.trim_start_matches("/api/v1/capabilities/")).ok();
    let is_kept = devices.iter().any(|it| {
        // An escaped path names it otherwise.
        it.capabilities == body && device.as_ref().is_none_or(|device| it.device == *device)
    });
    assert!(is_kept, "other bytes are kept of {path}");
}

/// Everything of the other client.
#[derive(Debug, PartialEq)]
struct Others(Option<Bytes>, usize, usize);

impl Others {
    async fn of(store: &dyn Store) -> Self {
        let other = id("press-2");
        Self(
            store.manifest(&other).await.expect("read"),
            store.devices(Some(&other)).await.expect("read").len(),
            store.statuses(Some(&other)).await.expect("read").len(),
        )
    }
}

fn read(bytes: &[u8]) -> Option<(&str, Request<Full<Bytes>>)> {
    let (first, mut rest) = line(bytes);
    let mut words = first.splitn(3, ' ');
    let caller = words.next()?;
    let mut request = Request::new(Full::default());
    *request.method_mut() = Method::try_from(words.next()?).ok()?;
    *request.uri_mut() = Uri::try_from(words.next()?).ok()?;
    match caller {
        "press-1" | "press-0" => drop(request.extensions_mut().insert(peer("plant-1", caller))),
        "stranger" => drop(request.extensions_mut().insert(peer("plant-2", "press-1"))),
        "nobody" => {}
        _ => return None,
    }
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (header, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.get(1..).unwrap_or_default();
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&header[..colon]).ok()?;
        let value = HeaderValue::from_bytes(header[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    *request.body_mut() = Full::from(rest.to_vec());
    Some((caller, request))
}

const MOST_REQUESTS: usize = 8;
