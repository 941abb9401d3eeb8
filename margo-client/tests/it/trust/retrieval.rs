//! Discovery and retrieval.

use margo_client::ErrorKind;
use margo_client::trust::{Fetched, ServerTrust};

use super::{Scene, bundle, told, url};
use crate::server::Reply;

#[tokio::test]
async fn discovery_leads_to_the_bundle() {
    let scene = Scene::new();
    let sent = bundle(&scene.domain, None);
    let expected = sent.clone();
    let server = scene
        .server(move |seen| match seen.line.as_str() {
            "GET /.well-known/margo" => {
                let host = seen.header("host").expect("a host");
                Reply::new(200, format!(
                    r#"{{"trustDomain":"factory.example","trustBundleUri":"https://{host}/domains/factory","unknown":1}}"#
                ))
            }
            "GET /domains/factory" => Reply::new(200, sent.clone()).header("etag", "\"1\""),
            other => panic!("{other}"),
        })
        .await;
    let mis = scene.mis().with_discovery(url(&server, "")).expect("https");
    let Fetched::Bundle(fetched) = mis.fetch(None).await.expect("a bundle") else {
        panic!("unchanged");
    };
    assert_eq!(fetched.bytes, expected, "exactly as it was sent");
    assert_eq!(
        fetched.bundle.anchors().expect("anchors"),
        [scene.domain.anchor()]
    );
    assert!(fetched.held.is_some());
    assert_eq!(server.connections(), 2, "every retrieval is authenticated");
}

#[tokio::test]
async fn discovery_that_misleads_is_refused() {
    for (document, expected) in [
        (
            r#"{"trustDomain":"other.example","trustBundleUri":"https://127.0.0.1/b"}"#,
            "not of factory.example",
        ),
        (
            r#"{"trustDomain":"factory.example","trustBundleUri":"http://127.0.0.1/b"}"#,
            "only https",
        ),
        (
            r#"{"trustDomain":"factory.example","trustBundleUri":"/b"}"#,
            "absolute",
        ),
        (r#"{"trustDomain":"factory.example"}"#, "discovery document"),
        ("<html>", "discovery document"),
    ] {
        let scene = Scene::new();
        let server = scene.server(move |_| Reply::new(200, document)).await;
        let configured = url(&server, "/bundle");
        let mis = scene.mis().with_discovery(url(&server, "")).expect("https");
        let mis = mis.with_bundle_uri(configured).expect("https");
        let error = mis.fetch(None).await.expect_err(document);
        assert_eq!(error.kind(), ErrorKind::Misbehaved, "{document}");
        assert!(
            told(&error).contains(expected),
            "{document}: {}",
            told(&error)
        );
        assert_eq!(server.lines(), ["GET /.well-known/margo"], "{document}");
    }
}

#[tokio::test]
async fn without_a_discovery_document_the_configured_uri_counts() {
    let scene = Scene::new();
    let sent = bundle(&scene.domain, None);
    let server = scene
        .server(move |seen| match seen.line.as_str() {
            "GET /bundle" => Reply::new(200, sent.clone()),
            _ => Reply::new(404, ""),
        })
        .await;
    let discovered = scene
        .mis()
        .with_discovery(url(&server, "/custom/discovery"))
        .expect("https");
    let error = discovered
        .fetch(None)
        .await
        .expect_err("nothing is configured");
    assert!(error.is_not_found(), "{error}");
    let mis = discovered
        .with_bundle_uri(url(&server, "/bundle"))
        .expect("https");
    mis.fetch(None).await.expect("a bundle");
    assert_eq!(
        server.lines()[1..],
        ["GET /custom/discovery", "GET /bundle"]
    );
}

#[tokio::test]
async fn any_other_failure_of_discovery_is_one() {
    let scene = Scene::new();
    let server = scene
        .server(|_| Reply::new(503, "").header("retry-after", "30"))
        .await;
    let mis = scene.mis().with_discovery(url(&server, "")).expect("https");
    let mis = mis.with_bundle_uri(url(&server, "/bundle")).expect("https");
    let error = mis.fetch(None).await.expect_err("busy");
    assert!(error.is_retryable(), "{error}");
    assert_eq!(server.lines(), ["GET /.well-known/margo"]);
}

#[tokio::test]
async fn unacceptable_bundles_are_refused() {
    for body in [
        r#"{"keys":[]}"#,
        r#"{"keys":[{"use":"jwt-svid","kty":"EC"}]}"#,
        r#"{"keys":[{"use":"x509-svid","x5c":["not base64!"]}]}"#,
        r#"{"keys":[{"use":"x509-svid","x5c":[]}]}"#,
        "[]",
        "",
    ] {
        let scene = Scene::new();
        let server = scene.server(move |_| Reply::new(200, body)).await;
        let mis = scene
            .mis()
            .with_bundle_uri(url(&server, "/bundle"))
            .expect("https");
        let error = mis.fetch(None).await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Misbehaved, "{body}: {error}");
    }
}

#[tokio::test]
async fn redirects_and_endless_bundles_are_refused() {
    let scene = Scene::new();
    let elsewhere = scene.server(|_| Reply::new(200, "")).await;
    let target = url(&elsewhere, "/bundle").to_string();
    let server = scene
        .server(move |seen| match seen.number {
            0 => Reply::new(302, "").header("location", &target),
            1 => Reply::endless(200),
            _ => Reply::new(304, ""),
        })
        .await;
    let mis = scene
        .mis()
        .with_bundle_uri(url(&server, "/bundle"))
        .expect("https");
    for expected in ["redirect", "more than", "304"] {
        let error = mis.fetch(None).await.expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::Misbehaved);
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn only_https_is_configured() {
    let scene = Scene::new();
    let plain = "http://mis.example".parse().expect("a URL");
    let error = scene.mis().with_discovery(plain).expect_err("plain");
    assert_eq!(error.kind(), ErrorKind::Setup);
    let plain = "http://mis.example/bundle".parse().expect("a URL");
    assert!(scene.mis().with_bundle_uri(plain).is_err());
    assert!(ServerTrust::anchors(b"hello").is_err());
}
