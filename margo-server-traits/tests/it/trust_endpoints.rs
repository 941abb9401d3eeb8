//! Discovery document and trust bundle.

use http::Request;
use http_body_util::Empty;
use margo_server_traits::TrustEndpoints;
use margo_types::id::TrustDomain;
use margo_types::trust::{DiscoveryDocument, TrustBundle};
use tower_service::Service;

use crate::exchange::Answer;

const DISCOVERY: &str = "/.well-known/margo";
const BUNDLE: &str = "/.well-known/spiffe/bundle.json";

fn bundle(sequence: u64) -> TrustBundle {
    let text = format!(r#"{{"keys":[],"spiffe_sequence":{sequence}}}"#);
    serde_json::from_str(&text).unwrap()
}

async fn send(service: &TrustEndpoints, method: &str, path: &str, tag: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(tag) = tag {
        request = request.header("if-none-match", tag);
    }
    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
    Answer::of(service.clone().call(request).await.unwrap()).await
}

#[tokio::test]
async fn both_documents_are_served_with_tags() {
    let domain = TrustDomain::parse("factory.example").unwrap();
    let uri = "https://mis.factory.example/.well-known/spiffe/bundle.json";
    let discovery = DiscoveryDocument::new(domain, uri);
    let service = TrustEndpoints::new(&bundle(1)).unwrap();
    let service = service.with_discovery(&discovery).unwrap();

    let answer = send(&service, "GET", DISCOVERY, None).await;
    answer.is(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let read = margo_types::read::<DiscoveryDocument>(&answer.body).unwrap();
    assert_eq!(*read.value(), discovery);

    let answer = send(&service, "GET", BUNDLE, None).await;
    answer.is(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let tag = answer.header("etag").unwrap().to_owned();
    send(&service, "GET", BUNDLE, Some(&tag)).await.is(304);
    let head = send(&service, "HEAD", BUNDLE, None).await;
    assert!(head.is(200).body.is_empty());

    service.replace_bundle(&bundle(2)).unwrap();
    let answer = send(&service, "GET", BUNDLE, Some(&tag)).await;
    let read = margo_types::read::<TrustBundle>(&answer.is(200).body).unwrap();
    assert_eq!(read.value().spiffe_sequence, Some(2));
}

#[tokio::test]
async fn what_is_not_there_is_said_with_the_registered_type() {
    let service = TrustEndpoints::new(&bundle(1)).unwrap();
    send(&service, "GET", DISCOVERY, None)
        .await
        .is_problem(404, "discovery-document-not-found");
    send(&service, "GET", "/api/v1/deployments", None)
        .await
        .is_problem(404, "about:blank");
    let answer = send(&service, "POST", BUNDLE, None).await;
    answer.is_problem(405, "about:blank");
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
}
