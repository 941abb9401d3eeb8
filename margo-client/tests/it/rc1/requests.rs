//! How requests are made: where they go, what signs them, and what becomes of a wrong clock.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use margo_client::{ErrorKind, FleetApi as _, Poll};
use margo_types::Digest;
use margo_types::auth::RequestParts;
use margo_types::capabilities::LabelValue;
use margo_types::etag::EntityTag;
use margo_types::id::DeviceId;
use margo_types::manifest::{BundleReference, DeploymentReference};
use margo_types::signature::{Policy, SigningKey, VerifyError, VerifyingKey, verify};

use super::{Scene, told};
use crate::server::{Reply, Seen, Server, plain_tls};

const MANIFEST: &str = r#"{"bundle":null,"deployments":[],"manifestVersion":3}"#;
const ENROLLED: &str = r#"{"clientId":"line-4"}"#;
const DEPLOYMENT: &str = "a3e2f5dc-912e-494f-8395-52cf3769bc06";

/// A server that enrols everybody, and gives this answer to all else.
async fn server(scene: &Scene, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
    let tls = plain_tls(&scene.authority.issue_tls("127.0.0.1"));
    Server::start(tls, move |seen| {
        if seen.line.ends_with("/api/v1/onboarding") {
            return Reply::new(201, ENROLLED);
        }
        answer(seen)
    })
    .await
}

fn url(server: &Server) -> String {
    format!("https://{}/v1alpha2/margo", server.address())
}

/// Whether a strict fleet manager takes the signature.
fn check(seen: &Seen, key: &VerifyingKey, at: Timestamp) -> Result<(), VerifyError> {
    let (method, target) = seen.line.split_once(' ').expect("a request line");
    let host = seen.header("host").expect("a host");
    let target = format!("https://{host}{target}");
    let header = |name: &str| seen.header(name).map(str::as_bytes).into_iter().collect();
    let parts = RequestParts::new(method, &target, header);
    verify(&parts, &seen.body, key, &Policy::default(), at).map(drop)
}

fn key(scene: &Scene) -> VerifyingKey {
    let key = SigningKey::from_pem(scene.read("key.pem").as_bytes());
    key.expect("a key").public().clone()
}

#[tokio::test]
async fn every_request_is_signed_and_goes_below_the_prefix() {
    let scene = Scene::new();
    let server = server(&scene, |seen| {
        if seen.line.contains("bundles") {
            return Reply::new(200, "archive");
        }
        if seen.line.ends_with("/deployments") {
            return Reply::new(200, MANIFEST).header("etag", "\"abc\"");
        }
        Reply::new(200, "apple")
    })
    .await;
    let api = scene.api(&url(&server)).await;
    let poll = api.manifest(None).await.expect("a manifest");
    assert!(
        matches!(poll, Poll::Changed { tag: Some(_), .. }),
        "{poll:?}"
    );
    let tag = EntityTag::parse("\"abc\"").expect("a tag");
    api.manifest(Some(&tag)).await.expect("a manifest");
    let digest = Digest::of(b"apple");
    let path = format!("/api/v1/clients/line-4/deployments/{DEPLOYMENT}/{digest}");
    let id = DEPLOYMENT.parse().expect("an id");
    let reference = DeploymentReference::new(id, digest, 5, path.clone());
    assert_eq!(
        &*api.deployment(&reference).await.expect("a document"),
        b"apple"
    );
    let bundle = Digest::of(b"archive");
    let bundle = BundleReference::new(
        bundle,
        7,
        format!("/api/v1/clients/line-4/bundles/{bundle}"),
    );
    assert_eq!(&*api.bundle(&bundle).await.expect("an archive"), b"archive");
    let device = super::host("edge");
    api.report_capabilities(&device).await.expect("taken");
    let status = super::status(id);
    api.report_status(&status).await.expect("taken");

    let base = "/v1alpha2/margo/api/v1";
    assert_eq!(
        server.lines(),
        [
            format!("POST {base}/onboarding"),
            format!("GET {base}/clients/line-4/deployments"),
            format!("GET {base}/clients/line-4/deployments"),
            format!("GET /v1alpha2/margo{path}"),
            format!("GET {base}/clients/line-4/bundles/{}", bundle.digest),
            format!("PUT {base}/clients/line-4/capabilities"),
            format!("POST {base}/clients/line-4/deployments/{DEPLOYMENT}/status"),
        ]
    );
    let seen = server.seen();
    for request in &seen {
        check(request, &key(&scene), Timestamp::now()).expect(&request.line);
        assert_eq!(
            request.header("content-digest").is_some(),
            !request.body.is_empty()
        );
    }
    assert_eq!(
        seen[1].header("accept"),
        Some("application/vnd.margo.manifest.v1+json")
    );
    assert_eq!(seen[2].header("if-none-match"), Some("\"abc\""));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_manifest_leads_to_nothing_but_what_is_the_clients_own() {
    let scene = Scene::new();
    let server = server(&scene, |_| Reply::new(200, "apple")).await;
    let api = scene.api(&url(&server)).await;
    let digest = Digest::of(b"apple");
    let usual = format!("/api/v1/clients/line-4/deployments/{DEPLOYMENT}/{digest}");
    for (written, expected) in [
        (usual.clone(), usual.clone()),
        // of a fleet manager that knows its prefix
        (
            format!("/v1alpha2/margo{usual}?v=2"),
            format!("{usual}?v=2"),
        ),
        (
            format!("/api/v1/clients/line-5/deployments/{DEPLOYMENT}/{digest}"),
            usual.clone(),
        ),
        (
            format!("/api/v1/clients/line-4/../line-5/{digest}"),
            usual.clone(),
        ),
        (
            format!("/api/v1/devices/edge/deployments/{DEPLOYMENT}/{digest}"),
            usual.clone(),
        ),
        (format!("https://evil.example{usual}"), usual.clone()),
        ("/".to_owned(), usual.clone()),
        (String::new(), usual.clone()),
    ] {
        let id = DEPLOYMENT.parse().expect("an id");
        let reference = DeploymentReference::new(id, digest, 5, written.clone());
        api.deployment(&reference).await.expect("a document");
        let line = server.last().line;
        assert_eq!(line, format!("GET /v1alpha2/margo{expected}"), "{written}");
        check(&server.last(), &key(&scene), Timestamp::now()).expect("signed as it was sent");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_nothing_is_signed_for_it() {
    let scene = Scene::new();
    let other = server(&scene, |_| Reply::new(200, MANIFEST)).await;
    for status in [301, 302, 307, 308] {
        let elsewhere = format!("{}/api/v1/clients/line-4/deployments", url(&other));
        let server = server(&scene, move |_| {
            Reply::new(status, "").header("location", &elsewhere)
        })
        .await;
        let error = scene.api(&url(&server)).await.manifest(None).await;
        let error = error.expect_err("a redirect");
        assert_eq!(error.kind(), ErrorKind::Misbehaved);
        assert!(
            error.to_string().contains("redirects are not followed"),
            "{error}"
        );
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn nothing_is_sent_to_a_fleet_manager_that_is_not_recognised() {
    let scene = Scene::new();
    let stranger = super::authority();
    let server = Server::start(plain_tls(&stranger.issue_tls("127.0.0.1")), |_| {
        Reply::new(201, ENROLLED)
    })
    .await;
    let error = scene.api(&url(&server)).await.manifest(None).await;
    let error = error.expect_err("no trust");
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert!(
        told(&error).contains("not trusted here"),
        "{}",
        told(&error)
    );
    // The right authority, and another name.
    let server = Server::start(plain_tls(&scene.authority.issue_tls("wfm.example")), |_| {
        Reply::new(201, ENROLLED)
    })
    .await;
    let error = scene.api(&url(&server)).await.manifest(None).await;
    assert_eq!(error.expect_err("no trust").kind(), ErrorKind::Untrusted);
    assert!(server.seen().is_empty());

    let mut files = scene.files();
    files.ca_certificates = None;
    let error = files.load().expect_err("nobody could be recognised");
    assert_eq!(error.kind(), ErrorKind::Setup);
    assert!(error.to_string().contains("anchors"), "{error}");
}

/// A fleet manager whose clock is so far ahead, and which says so when it refuses a signature.
async fn ahead(scene: &Scene, seconds: i64) -> Server {
    let key = Arc::new(key(scene));
    server(scene, move |seen| {
        let now = Timestamp::from_second(Timestamp::now().as_second() + seconds).expect("a time");
        let date = DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&now)
            .expect("a date");
        match check(seen, &key, now) {
            Ok(()) => Reply::new(200, MANIFEST).header("date", date),
            Err(error) => Reply::new(401, format!(r#"{{"error":"{error}"}}"#)).header("date", date),
        }
    })
    .await
}

#[tokio::test]
async fn a_wrong_clock_is_said_and_made_up_for() {
    for (seconds, expected) in [(7200, "behind"), (-7200, "ahead")] {
        let scene = Scene::new();
        let server = ahead(&scene, seconds).await;
        let api = scene.api(&url(&server)).await;
        let begun = Instant::now();
        let error = api.manifest(None).await.expect_err("a wrong clock");
        let text = error.to_string();
        // Two clocks of whole seconds are compared, the second a little later.
        let most = 1 + i64::try_from(begun.elapsed().as_secs()).expect("not for ever") + 1;
        let said = |off: i64| text.contains(&format!(" {} s {expected}", off.abs()));
        assert!((-1..=most).any(|late| said(seconds - late)), "{text}");
        assert!(error.is_retryable(), "the next one has the right time");
        api.manifest(None)
            .await
            .expect("signed with the right time");
        api.manifest(None).await.expect("and so on");
        let onboarding = server
            .lines()
            .into_iter()
            .filter(|line| line.ends_with("onboarding"));
        assert_eq!(onboarding.count(), 1, "it was not the client");
    }
}

#[tokio::test]
async fn a_clock_that_is_hopeless_has_to_be_set() {
    let scene = Scene::new();
    let server = ahead(&scene, 40 * 24 * 3600).await;
    let api = scene.api(&url(&server)).await;
    for _ in 0..2 {
        let error = api.manifest(None).await.expect_err("a wrong clock");
        assert!(
            error
                .to_string()
                .contains("too much to make up for; set it"),
            "{error}"
        );
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn what_the_generation_cannot_express_is_not_sent() {
    let scene = Scene::new();
    let server = server(&scene, |_| Reply::new(200, "")).await;
    let api = scene.api(&url(&server)).await;
    api.enrolment().client_id().await.expect("an id");
    let child = DeviceId::parse("gateway/child").expect("an id");
    let mut labelled = super::host("edge");
    labelled
        .labels
        .insert("line".to_owned(), LabelValue::Text("4".to_owned()));
    let mut status = super::status(DEPLOYMENT.parse().expect("an id"));
    status.device_id = Some(child.clone());
    for error in [
        api.report_capabilities(&super::host("gateway/child"))
            .await
            .expect_err("a child"),
        api.report_capabilities(&labelled)
            .await
            .expect_err("labels"),
        api.report_status(&status).await.expect_err("a child"),
        api.remove_device(&child)
            .await
            .expect_err("no such request"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(
            !error.is_retryable() && told(&error).contains("cannot express"),
            "{}",
            told(&error)
        );
    }
    assert_eq!(server.seen().len(), 1, "only the enrolment");
}
