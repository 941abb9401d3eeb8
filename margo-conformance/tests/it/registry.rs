//! The registry: what our own client makes of it, and the corners of the protocol, by hand.

mod packages;

use margo_conformance::registry::Registry;
use margo_types::Digest;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn blobs_come_whole_in_chunks_and_in_ranges() {
    let registry = Registry::start().await;
    let digest = Digest::of(b"hello world");
    let unknown = format!("blobs/{digest}");
    assert_error(get(&registry, &unknown).await, 404, "NAME_UNKNOWN").await;

    // in chunks
    let begun = send(&registry, Method::POST, "blobs/uploads/", b"").await;
    assert_eq!(begun.status(), StatusCode::ACCEPTED);
    let upload = location(&begun);
    let chunk = |range: &'static str, bytes: &'static [u8]| {
        request(&registry, Method::PATCH, &upload)
            .header("content-range", range)
            .body(bytes)
            .send()
    };
    let first = chunk("0-4", b"hello").await.unwrap();
    assert_eq!(header(&first, "range"), "0-4");
    let gap = chunk("7-10", b"orld").await.unwrap();
    assert_error(gap, 416, "BLOB_UPLOAD_INVALID").await;
    let wrong = Digest::of(b"something else");
    let complete = |digest| format!("{upload}?digest={digest}");
    let refused = request(&registry, Method::PUT, &complete(wrong))
        .body("!")
        .send()
        .await;
    assert_error(refused.unwrap(), 400, "DIGEST_INVALID").await;

    // in one piece, in both ways
    let refused = format!("blobs/uploads/?digest={wrong}");
    let refused = send(&registry, Method::POST, &refused, b"hello world").await;
    assert_error(refused, 400, "DIGEST_INVALID").await;
    let whole = format!("blobs/uploads/?digest={digest}");
    let pushed = send(&registry, Method::POST, &whole, b"hello world").await;
    assert_eq!(pushed.status(), StatusCode::CREATED);
    let begun = send(&registry, Method::POST, "blobs/uploads/", b"").await;
    let target = format!("{}?digest={digest}", location(&begun));
    let pushed = request(&registry, Method::PUT, &target)
        .body("hello world")
        .send()
        .await
        .unwrap();
    assert_eq!(pushed.status(), StatusCode::CREATED);
    let blob = location(&pushed);
    let again = request(&registry, Method::PUT, &target)
        .body("hello world")
        .send()
        .await
        .unwrap();
    assert_error(again, 404, "BLOB_UPLOAD_UNKNOWN").await;

    let head = request(&registry, Method::HEAD, &blob)
        .send()
        .await
        .unwrap();
    assert_eq!(header(&head, "content-length"), "11");
    assert_eq!(header(&head, "docker-content-digest"), digest.to_string());
    for (range, part) in [
        ("0-4", "hello"),
        ("6-", "world"),
        ("-3", "rld"),
        ("6-99", "world"),
    ] {
        let range = format!("bytes={range}");
        let answer = request(&registry, Method::GET, &blob)
            .header("range", &range)
            .send();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(answer.text().await.unwrap(), part, "{range}");
    }
    let beyond = request(&registry, Method::GET, &blob)
        .header("range", "bytes=11-")
        .send();
    assert_eq!(
        header(&beyond.await.unwrap(), "content-range"),
        "bytes */11"
    );
}

#[tokio::test]
async fn blobs_are_mounted_from_another_repository() {
    let registry = Registry::start().await;
    let digest = Digest::of(b"shared");
    let url = |rest: &str| format!("http://{}/v2/{rest}", registry.host());
    let client = reqwest::Client::new();
    let push = url(&format!("first/blobs/uploads/?digest={digest}"));
    client.post(push).body("shared").send().await.unwrap();

    let mount = |from: &str| {
        let mount = format!("second/blobs/uploads/?mount={digest}&from={from}");
        client
            .post(url(&mount))
            .header("content-length", "0")
            .send()
    };
    assert_eq!(mount("third").await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(mount("first").await.unwrap().status(), StatusCode::CREATED);
    let blob = url(&format!("second/blobs/{digest}"));
    let body = client.get(blob).send().await.unwrap().text().await.unwrap();
    assert_eq!(body, "shared");
}

#[tokio::test]
async fn manifests_are_checked_and_found_by_tag_and_digest() {
    let registry = Registry::start().await;
    let config = Digest::of(b"{}");
    let manifest = manifest(config, None);
    let put = |reference: &str, body: String| {
        let target = format!("/v2/apps/kiln/manifests/{reference}");
        request(&registry, Method::PUT, &target)
            .header("content-type", MANIFEST)
            .body(body)
            .send()
    };
    let early = put("1.0", manifest.clone()).await.unwrap();
    assert_error(early, 404, "MANIFEST_BLOB_UNKNOWN").await;
    send(
        &registry,
        Method::POST,
        &format!("blobs/uploads/?digest={config}"),
        b"{}",
    )
    .await;
    assert_error(
        put("1.0", "[]".into()).await.unwrap(),
        400,
        "MANIFEST_INVALID",
    )
    .await;
    assert_error(
        put(".1", manifest.clone()).await.unwrap(),
        400,
        "MANIFEST_INVALID",
    )
    .await;
    let other = put(&config.to_string(), manifest.clone()).await.unwrap();
    assert_error(other, 400, "DIGEST_INVALID").await;
    assert_error(
        get(&registry, "manifests/1.0").await,
        404,
        "MANIFEST_UNKNOWN",
    )
    .await;

    let digest = Digest::of(manifest.as_bytes());
    let pushed = put("1.0", manifest.clone()).await.unwrap();
    assert_eq!(pushed.status(), StatusCode::CREATED);
    assert_eq!(header(&pushed, "docker-content-digest"), digest.to_string());
    for reference in ["1.0".to_owned(), digest.to_string()] {
        let found = get(&registry, &format!("manifests/{reference}")).await;
        assert_eq!(header(&found, "content-type"), MANIFEST);
        assert_eq!(found.text().await.unwrap(), manifest);
    }

    let referrer = self::manifest(config, Some(digest));
    let answer = put(&Digest::of(referrer.as_bytes()).to_string(), referrer)
        .await
        .unwrap();
    assert_eq!(header(&answer, "oci-subject"), digest.to_string());
    let list = |query: &str| {
        let target = format!("/v2/apps/kiln/referrers/{digest}{query}");
        request(&registry, Method::GET, &target).send()
    };
    let index = json(list("").await.unwrap()).await;
    assert_eq!(index["manifests"][0]["artifactType"], "application/x-test");
    assert_eq!(index["manifests"][0]["annotations"]["a"], "b");
    let filtered = json(list("?artifactType=other%2Ftype").await.unwrap()).await;
    assert_eq!(filtered["manifests"], json!([]));

    let deleted = send(
        &registry,
        Method::DELETE,
        &format!("manifests/{digest}"),
        b"",
    )
    .await;
    assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    assert_error(
        get(&registry, "manifests/1.0").await,
        404,
        "MANIFEST_UNKNOWN",
    )
    .await;
}

#[tokio::test]
async fn tags_come_in_pages() {
    let registry = Registry::start().await;
    let config = Digest::of(b"{}");
    send(
        &registry,
        Method::POST,
        &format!("blobs/uploads/?digest={config}"),
        b"{}",
    )
    .await;
    for tag in ["b", "a", "c"] {
        let target = format!("/v2/apps/kiln/manifests/{tag}");
        let put = request(&registry, Method::PUT, &target).header("content-type", MANIFEST);
        put.body(manifest(config, None)).send().await.unwrap();
    }
    let first = get(&registry, "tags/list?n=2").await;
    let next = header(&first, "link");
    assert_eq!(json(first).await["tags"], json!(["a", "b"]));
    let next = next
        .strip_prefix('<')
        .and_then(|next| next.strip_suffix(">; rel=\"next\""))
        .unwrap();
    let last = request(&registry, Method::GET, next).send().await.unwrap();
    assert!(!last.headers().contains_key("link"));
    assert_eq!(json(last).await["tags"], json!(["c"]));
}

#[tokio::test]
async fn wrong_names_and_methods_have_their_errors() {
    let registry = Registry::start().await;
    let at = |path: &str| request(&registry, Method::GET, path).send();
    assert_eq!(at("/v2/").await.unwrap().status(), StatusCode::OK);
    assert_error(at("/v2/Apps/tags/list").await.unwrap(), 400, "NAME_INVALID").await;
    assert_error(
        at("/v2/a/blobs/md5:0").await.unwrap(),
        400,
        "DIGEST_INVALID",
    )
    .await;
    assert_error(at("/v1/").await.unwrap(), 404, "UNSUPPORTED").await;
    let post = send(&registry, Method::POST, "tags/list", b"").await;
    assert_error(post, 405, "UNSUPPORTED").await;
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn manifest(config: Digest, subject: Option<Digest>) -> String {
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/x-test",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2 },
        "layers": [],
        "annotations": { "a": "b" },
    });
    if let Some(subject) = subject {
        manifest["subject"] = json!({ "mediaType": MANIFEST, "digest": subject, "size": 1 });
    }
    manifest.to_string()
}

fn request(registry: &Registry, method: Method, target: &str) -> reqwest::RequestBuilder {
    let url = format!("http://{}{target}", registry.host());
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .request(method, url)
}

/// A request about the repository `apps/kiln`.
async fn send(registry: &Registry, method: Method, rest: &str, body: &'static [u8]) -> Response {
    let target = format!("/v2/apps/kiln/{rest}");
    request(registry, method, &target)
        .body(body)
        .send()
        .await
        .unwrap()
}

async fn get(registry: &Registry, rest: &str) -> Response {
    send(registry, Method::GET, rest, b"").await
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

fn header(response: &Response, name: &str) -> String {
    let value = response
        .headers()
        .get(name)
        .unwrap_or_else(|| panic!("{name}: {response:?}"));
    value.to_str().unwrap().to_owned()
}

fn location(response: &Response) -> String {
    header(response, "location")
}

async fn assert_error(response: Response, status: u16, code: &str) {
    assert_eq!(response.status(), status);
    let body = json(response).await;
    assert_eq!(body["errors"][0]["code"], code, "{body}");
}
