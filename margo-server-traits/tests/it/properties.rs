//! Whatever is sent, something right comes back.

use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use margo_types::Digest;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::exchange::{BUNDLE, Builder, DEPLOYMENT, DOCUMENT, Exchange, MANIFEST};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
});

fn methods() -> impl Strategy<Value = String> {
    let usual = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"].map(str::to_owned);
    prop_oneof![8 => prop::sample::select(usual.to_vec()), 1 => "[A-Z]{1,12}"]
}

fn paths() -> impl Strategy<Value = String> {
    let bundle = Digest::of(BUNDLE);
    let document = Digest::of(DOCUMENT.as_bytes());
    let known = vec![
        "/api/v1/deployments".to_owned(),
        format!("/api/v1/bundles/{bundle}"),
        format!("/api/v1/deployments/{DEPLOYMENT}/{document}"),
        format!("/api/v1/deployments/{DEPLOYMENT}/status"),
        "/api/v1/capabilities/edge-1".to_owned(),
        "/api/v1/capabilities/gw/edge-1".to_owned(),
        "/.well-known/margo".to_owned(),
    ];
    prop_oneof![
        4 => prop::sample::select(known.clone()),
        2 => (prop::sample::select(known), "[ -~]{0,40}").prop_map(|(path, more)| path + &more),
        1 => "/api/v1/(capabilities|bundles|deployments)/[ -~]{0,60}",
        1 => "/[ -~]{0,60}",
        1 => "/\\PC{0,30}",
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let names = [
        "accept",
        "if-none-match",
        "content-type",
        "content-encoding",
        "client-cert",
    ];
    let name = prop_oneof![
        6 => prop::sample::select(names.map(str::to_owned).to_vec()),
        1 => "[a-z][a-z-]{0,12}",
    ];
    let value = prop_oneof![
        3 => prop::sample::select(vec![
            b"application/json".to_vec(),
            b"*/*".to_vec(),
            b"*".to_vec(),
            Digest::of(MANIFEST.as_bytes()).to_etag().into_bytes(),
        ]),
        2 => prop::collection::vec(any::<u8>(), 0..60),
        1 => "[ -~]{0,60}".prop_map(String::into_bytes),
    ];
    prop::collection::vec((name, value), 0..5)
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let idle =
        r#"{"properties":{"id":"edge-1","vendor":"E","modelNumber":"M","serialNumber":"1"}}"#;
    let report = format!(
        r#"{{"deploymentId":"{DEPLOYMENT}","adoptedManifestVersion":7,"status":{{"state":"pending"}},"components":[]}}"#
    );
    let documents = vec![idle.to_owned().into_bytes(), report.into_bytes()];
    let bent = (
        prop::sample::select(documents.clone()),
        any::<prop::sample::Index>(),
        any::<u8>(),
    );
    prop_oneof![
        2 => prop::sample::select(documents),
        4 => bent.prop_map(|(mut document, place, byte)| {
            let place = place.index(document.len());
            document[place] = byte;
            document
        }),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => "\\PC{0,100}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_request_is_answered_and_every_error_is_a_faultless_problem(
        method in methods(),
        path in paths(),
        headers in headers(),
        body in bodies(),
    ) {
        let (Ok(method), Ok(uri)) = (Method::try_from(&*method), Uri::try_from(path)) else {
            return Ok(());
        };
        let is_head = method == Method::HEAD;
        let mut request = Request::new(body.into());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                request.headers_mut().append(name, value);
            }
        }
        let exchange = Exchange::new();
        let answer = RUNTIME.block_on(exchange.send(Builder(request)));
        match answer.status.as_u16() {
            200 | 201 => {}
            204 | 304 => prop_assert!(answer.body.is_empty()),
            400..=499 if is_head => prop_assert!(answer.body.is_empty()),
            400..=499 => drop(answer.problem()),
            other => prop_assert!(false, "{other}: {answer:?}"),
        }
    }
}
