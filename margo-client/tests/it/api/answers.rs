//! What the client asks, and what it makes of the answers.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use margo_client::api::ApiOptions;
use margo_client::outbox::Verdict;
use margo_client::{ErrorKind, FleetApi as _, Poll};
use margo_types::capabilities::{DeviceCapabilities, DeviceProperties};
use margo_types::etag::EntityTag;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::problem::ProblemType;
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus};

use super::{
    DEPLOYMENT, EMPTY_MANIFEST, Scene, bundle_reference, deployment_reference, hurried, impatient,
};
use crate::server::Reply;

#[tokio::test]
async fn a_poll_asks_below_the_prefix_and_gives_the_exact_manifest_and_its_tag() {
    let scene = Scene::new();
    let server = scene
        .server(|_| {
            Reply::new(200, EMPTY_MANIFEST)
                .header("etag", "\"abc\"")
                .header(
                    "content-type",
                    "application/vnd.margo.manifest.v1+json; charset=utf-8",
                )
                // what the reference fleet manager says of a manifest
                .header("cache-control", "public, max-age=31536000, immutable")
        })
        .await;
    let api = scene.api(&server);
    for number in 1..=2 {
        let Poll::Changed { manifest, tag, .. } = api.manifest(None).await.expect("a manifest")
        else {
            panic!("unchanged");
        };
        assert_eq!(manifest.bytes().as_ref(), EMPTY_MANIFEST.as_bytes());
        assert_eq!(manifest.value().manifest_version.get(), u64::MAX);
        assert_eq!(tag.expect("a tag").to_string(), "\"abc\"");
        assert_eq!(server.seen().len(), number, "nothing is cached");
    }
    let seen = server.last();
    assert_eq!(seen.line, "GET /v1alpha2/margo/api/v1/deployments");
    assert_eq!(
        seen.header("accept"),
        Some("application/vnd.margo.manifest.v1+json")
    );
    assert_eq!(seen.header("if-none-match"), None);
    assert!(
        seen.header("user-agent")
            .is_some_and(|agent| agent.starts_with("margo-client/"))
    );
}

#[tokio::test]
async fn a_held_manifest_is_asked_for_by_its_tag() {
    let scene = Scene::new();
    let server = scene.server(|_| Reply::new(304, "")).await;
    let held = EntityTag::parse("W/\"abc\"").expect("a tag");
    let poll = scene
        .api(&server)
        .manifest(Some(&held))
        .await
        .expect("an answer");
    assert!(matches!(poll, Poll::Unchanged));
    assert_eq!(server.last().header("if-none-match"), Some("W/\"abc\""));
}

#[tokio::test]
async fn a_304_that_was_not_asked_for_is_misbehaviour() {
    let scene = Scene::new();
    let server = scene.server(|_| Reply::new(304, "")).await;
    let api = scene.api(&server);
    let content = deployment_reference(b"apple");
    for error in [
        api.manifest(None).await.expect_err("misbehaviour"),
        api.deployment(&content).await.expect_err("misbehaviour"),
        api.bundle(&bundle_reference(b"apple"))
            .await
            .expect_err("misbehaviour"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misbehaved, "{error}");
        assert!(error.to_string().contains("304"), "{error}");
    }
}

#[tokio::test]
async fn an_unreadable_tag_is_none_and_a_manifest_of_another_algorithm_none_at_all() {
    let scene = Scene::new();
    let server = scene
        .server(|seen| match seen.number {
            0 => Reply::new(200, EMPTY_MANIFEST).header("etag", "unquoted"),
            _ => Reply::new(200, format!(
                r#"{{"manifestVersion":1,"bundle":{{"mediaType":"m","digest":"sha512:aa","url":"/"}},"deployments":[{{"deploymentId":"{DEPLOYMENT}","digest":"sha512:aa","url":"/"}}]}}"#
            )),
        })
        .await;
    let api = scene.api(&server);
    let poll = api.manifest(None).await.expect("a manifest");
    assert!(matches!(poll, Poll::Changed { tag: None, .. }), "{poll:?}");
    let error = api
        .manifest(None)
        .await
        .expect_err("a digest that is not supported");
    assert_eq!(error.kind(), ErrorKind::Misbehaved);
    let source = std::error::Error::source(&error)
        .expect("a reason")
        .to_string();
    assert!(source.contains("sha256"), "{source}");
}

/// The answer to a poll, and the kind, advice and text of the error it becomes.
type Case = (Reply, ErrorKind, bool, Option<u64>, &'static str);

async fn check(cases: Vec<Case>) {
    for (reply, kind, retryable, after, text) in cases {
        let scene = Scene::new();
        let case = format!("{reply:?}");
        let server = scene.server(move |_| reply.clone()).await;
        let error = scene.api(&server).manifest(None).await.expect_err(&case);
        let found = (error.kind(), error.is_retryable());
        assert_eq!(found, (kind, retryable), "{case}: {error}");
        let advice = error.retry_advice().expect("advice");
        assert_eq!(advice.after, after.map(Duration::from_secs), "{case}");
        assert!(error.to_string().contains(text), "{case}: {error}");
        assert_eq!(error.is_not_found(), case.contains(" 404 "), "{case}");
    }
}

fn problem(status: u16, content_type: &str) -> Reply {
    let body = r#"{"type":"https://docs.margo.org/specification/problem-types#semantic-error","title":"Semantic error","status":422,"detail":"no such field","errors":[{"field":"status.state","message":"unknown"}]}"#;
    Reply::new(status, body).header("content-type", content_type)
}

const LATER: &str =
    r#"{"type":"about:blank","title":"Later","status":403,"retryable":true,"retryAfterSeconds":9}"#;

#[tokio::test]
async fn refusals_keep_their_problem_and_its_advice() {
    use ErrorKind::Refused;
    let busy = |status| Reply::new(status, "");
    check(vec![
        (
            problem(422, "application/problem+json;charset=utf-8"),
            Refused,
            false,
            None,
            "status.state: unknown",
        ),
        (
            problem(422, "text/plain"),
            Refused,
            false,
            None,
            "no such field",
        ),
        (Reply::new(403, LATER), Refused, true, Some(9), "Later"),
        (
            busy(429).header("retry-after", 7),
            Refused,
            true,
            Some(7),
            "429",
        ),
        (busy(404), Refused, false, None, "404 Not Found"),
    ])
    .await;
}

#[tokio::test]
async fn no_body_of_an_error_is_lost() {
    use ErrorKind::Refused;
    let page = Reply::new(503, "<html>maintenance</html>").header("content-type", "text/html");
    let compressed = Reply::new(500, gzip(b"compressed reason"));
    check(vec![
        (
            Reply::new(500, "out of\r\nmemory"),
            Refused,
            true,
            None,
            "out of  memory",
        ),
        (
            page.header("retry-after", 60),
            Refused,
            true,
            Some(60),
            "<html>maintenance</html>",
        ),
        (Reply::cut(403, "cut off"), Refused, false, None, "cut off"),
        (
            compressed.header("content-encoding", "gzip"),
            Refused,
            true,
            None,
            "compressed reason",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_answer_of_a_fleet_manager_is_told_apart() {
    use ErrorKind::{Misbehaved, Unreachable, Untrusted};
    let answer = |status| Reply::new(status, "");
    let contradiction = Reply::new(200, LATER).header("content-type", "application/problem+json");
    check(vec![
        (answer(401), Untrusted, false, None, "SVID"),
        (answer(502), Unreachable, true, None, "502"),
        (answer(504), Unreachable, true, None, "504"),
        (answer(206), Misbehaved, false, None, "206"),
        (answer(204), Misbehaved, false, None, "204"),
        (contradiction, Misbehaved, true, Some(9), "Later"),
    ])
    .await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let scene = Scene::new();
    let elsewhere = scene.server(|_| Reply::new(200, EMPTY_MANIFEST)).await;
    let target = format!("https://{}/", elsewhere.address());
    let server = scene
        .server(move |_| Reply::new(307, "").header("location", &target))
        .await;
    let error = scene
        .api(&server)
        .manifest(None)
        .await
        .expect_err("a redirect");
    assert_eq!(error.kind(), ErrorKind::Misbehaved);
    assert!(error.to_string().contains("redirect"), "{error}");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_web_page_does_not_refuse_a_report() {
    let scene = Scene::new();
    let server = scene
        .server(|_| Reply::new(404, "<html>").header("content-type", "text/html"))
        .await;
    let id = DeploymentId::from_uuid_bytes([7; 16]);
    let component = ComponentStatus::new("web".parse().unwrap(), DeploymentState::Installed);
    let status = DeploymentStatus::new(id, ManifestVersion::FIRST, vec![component]);
    let sent = scene.api(&server).report_status(&status).await;
    let error = sent.expect_err("a page");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.is_retryable());
    assert_ne!(Verdict::of(&error), Verdict::GiveUp);
    assert!(error.to_string().contains("web page"), "{error}");
}

#[tokio::test]
async fn a_web_page_is_no_document() {
    let scene = Scene::new();
    let server = scene
        .server(|seen| {
            let status = if seen.line.starts_with("DELETE") {
                404
            } else {
                200
            };
            Reply::new(status, "<html>").header("content-type", "text/html")
        })
        .await;
    let api = scene.api(&server);
    for error in [
        api.manifest(None).await.expect_err("a page"),
        api.deployment(&deployment_reference(b"<html>"))
            .await
            .expect_err("a page"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misbehaved, "{error}");
        assert!(error.to_string().contains("web page"), "{error}");
    }
    let device = DeviceId::parse("gw/edge").expect("an id");
    assert!(
        api.remove_device(&device).await.is_err(),
        "a page is not the fleet manager's word"
    );
}

#[tokio::test]
async fn what_is_too_long_or_too_slow_ends_with_an_error() {
    // Whoever decodes it to its end finds out that the end is missing.
    let mut bomb = gzip(&vec![0; 3 << 20]);
    bomb.truncate(bomb.len() - 8);
    let patient = ApiOptions::default;
    for (reply, options, kind, text) in [
        (
            Reply::endless(200),
            patient(),
            ErrorKind::Misbehaved,
            "more than",
        ),
        (
            Reply::new(200, "").header("content-length", 1u64 << 40),
            patient(),
            ErrorKind::Misbehaved,
            "more than",
        ),
        (
            Reply::new(200, bomb).header("content-encoding", "gzip"),
            patient(),
            ErrorKind::Misbehaved,
            "more than",
        ),
        (
            Reply::new(200, "not gzip").header("content-encoding", "gzip"),
            patient(),
            ErrorKind::Misbehaved,
            "not the gzip",
        ),
        (
            Reply::new(200, "?").header("content-encoding", "br"),
            patient(),
            ErrorKind::Misbehaved,
            "\"br\"",
        ),
        (
            Reply::drip(200),
            hurried(),
            ErrorKind::Unreachable,
            "did not finish",
        ),
        (
            Reply::silence(200),
            impatient(),
            ErrorKind::Unreachable,
            "silent",
        ),
        (
            Reply::cut(200, "apple"),
            patient(),
            ErrorKind::Unreachable,
            "broke",
        ),
    ] {
        let scene = Scene::new();
        let case = format!("{reply:.60?}");
        let server = scene.server(move |_| reply.clone()).await;
        let api = scene.api_with(&server, options);
        let error = api
            .deployment(&deployment_reference(b"apple"))
            .await
            .expect_err(&case);
        assert_eq!(error.kind(), kind, "{case}: {error}");
        assert!(error.to_string().contains(text), "{case}: {error}");
    }
}

#[tokio::test]
async fn errors_that_never_end_are_still_told() {
    let scene = Scene::new();
    let server = scene
        .server(|seen| {
            if seen.number == 0 {
                Reply::endless(403)
            } else {
                Reply::drip(403)
            }
        })
        .await;
    let api = scene.api(&server);
    for _ in 0..2 {
        let error = api.manifest(None).await.expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        let detail = error.problem().and_then(|problem| problem.detail.clone());
        assert!(
            detail.is_some_and(|detail| detail.starts_with('[')),
            "{error}"
        );
    }
}

#[tokio::test]
async fn content_coding_is_undone() {
    let scene = Scene::new();
    let content = b"kind: ApplicationDeployment".repeat(100);
    let encoded = gzip(&content);
    let server = scene
        .server({
            let encoded = encoded.clone();
            move |_| Reply::new(200, encoded.clone()).header("content-encoding", "GZIP")
        })
        .await;
    let api = scene.api(&server);
    let found = api
        .deployment(&deployment_reference(&content))
        .await
        .expect("a document");
    assert_eq!(found, content);
    assert_eq!(server.last().header("accept-encoding"), Some("gzip"));
    // an archive that is gzip by itself, labelled as if it had been encoded for transfer
    let found = api
        .bundle(&bundle_reference(&encoded))
        .await
        .expect("a bundle");
    assert_eq!(found, encoded);
    // ... and one that really was
    let server = scene
        .server({
            let twice = gzip(&encoded);
            move |_| Reply::new(200, twice.clone()).header("content-encoding", "gzip")
        })
        .await;
    let found = scene
        .api(&server)
        .bundle(&bundle_reference(&encoded))
        .await
        .expect("a bundle");
    assert_eq!(found, encoded);
    assert_eq!(server.last().header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn references_are_joined_to_the_prefix() {
    let scene = Scene::new();
    let server = scene.server(|_| Reply::new(200, "apple")).await;
    let api = scene.api(&server);
    let mut reference = deployment_reference(b"apple");
    api.deployment(&reference).await.expect("a document");
    let usual = format!(
        "GET /v1alpha2/margo/api/v1/deployments/{DEPLOYMENT}/{}",
        reference.digest
    );
    reference.url = "https://wfm.margo.org/elsewhere".to_owned();
    api.deployment(&reference).await.expect("a document");
    reference.url = "/v1alpha2/margo/files/1".to_owned();
    api.deployment(&reference).await.expect("a document");
    let bundle = bundle_reference(b"apple");
    api.bundle(&bundle).await.expect("a bundle");
    let expected = [
        usual.clone(),
        usual,
        "GET /v1alpha2/margo/files/1".to_owned(),
        format!("GET /v1alpha2/margo/api/v1/bundles/{}", bundle.digest),
    ];
    assert_eq!(server.lines(), expected);
    assert_eq!(
        server.last().header("accept"),
        Some("application/vnd.margo.bundle.v1+tar+gzip")
    );
}

#[tokio::test]
async fn reports_are_done_whatever_the_success_is_called() {
    for status in [200, 201, 204] {
        let scene = Scene::new();
        let server = scene.server(move |_| Reply::new(status, "")).await;
        let api = scene.api(&server);
        let device = DeviceId::parse("gw/edge").expect("an id");
        let properties = DeviceProperties::new(device.clone(), "vendor", "model", "serial");
        api.report_capabilities(&DeviceCapabilities::new(properties))
            .await
            .expect("done");
        let deployment = DEPLOYMENT.parse().expect("an id");
        let report = DeploymentStatus::new(deployment, ManifestVersion::FIRST, Vec::new());
        api.report_status(&report).await.expect("done");
        api.remove_device(&device).await.expect("done");
        let prefix = "/v1alpha2/margo/api/v1";
        let expected = [
            format!("PUT {prefix}/capabilities/gw/edge"),
            format!("POST {prefix}/deployments/{DEPLOYMENT}/status"),
            format!("DELETE {prefix}/capabilities/gw/edge"),
        ];
        assert_eq!(server.lines(), expected, "{status}");
        let report = &server.seen()[1];
        assert_eq!(report.header("content-type"), Some("application/json"));
        let body: serde_json::Value = serde_json::from_slice(&report.body).expect("JSON");
        assert_eq!(body["deploymentId"], DEPLOYMENT);
    }
}

#[tokio::test]
async fn a_device_that_is_unknown_there_is_gone_and_a_child_without_gateway_is_told() {
    let body = r#"{"type":"https://docs.margo.org/specification/problem-types#gateway-not-found","title":"Gateway not found","status":404}"#;
    let scene = Scene::new();
    let server = scene
        .server(move |_| Reply::new(404, body).header("content-type", "application/problem+json"))
        .await;
    let api = scene.api(&server);
    let device = DeviceId::parse("gw/edge").expect("an id");
    api.remove_device(&device).await.expect("it is gone");
    let properties = DeviceProperties::new(device, "vendor", "model", "serial");
    let error = api
        .report_capabilities(&DeviceCapabilities::new(properties))
        .await
        .expect_err("no gateway");
    assert_eq!(error.problem_type(), Some(&ProblemType::GatewayNotFound));
    assert!(error.is_not_found() && !error.is_retryable());
}

#[tokio::test]
async fn a_long_manifest_is_read_and_a_longer_one_refused() {
    let entry = format!(
        r#"{{"deploymentId":"{DEPLOYMENT}","digest":"{}","url":"/x"}}"#,
        deployment_reference(b"").digest
    );
    let entries = vec![entry; 10_000].join(",");
    let manifest = format!(r#"{{"manifestVersion":1,"bundle":null,"deployments":[{entries}]}}"#);
    let length = manifest.len();
    let scene = Scene::new();
    let server = scene
        .server(move |_| Reply::new(200, manifest.clone()))
        .await;
    let Poll::Changed { manifest, .. } =
        scene.api(&server).manifest(None).await.expect("a manifest")
    else {
        panic!("unchanged");
    };
    assert_eq!(manifest.value().deployments.len(), 10_000);
    let mut options = ApiOptions::default();
    options.max_manifest = length - 1;
    let error = scene
        .api_with(&server, options)
        .manifest(None)
        .await
        .expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::Misbehaved);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[tokio::test]
async fn a_report_is_given_up_for_the_word_of_the_fleet_manager_only() {
    let page = "<html>default backend: no such service</html>";
    let cases = [
        (
            Reply::new(404, page).header("content-type", "text/html"),
            Verdict::Pause,
        ),
        (
            Reply::new(404, "404 page not found\n").header("content-type", "text/plain"),
            Verdict::Pause,
        ),
        (Reply::new(413, page), Verdict::Pause),
        (problem(422, "application/problem+json"), Verdict::GiveUp),
        (Reply::new(404, r#"{"error":"Not Found"}"#), Verdict::GiveUp),
        (Reply::new(404, ""), Verdict::GiveUp),
    ];
    for (reply, verdict) in cases {
        let scene = Scene::new();
        let case = format!("{reply:?}");
        let server = scene.server(move |_| reply.clone()).await;
        let refused = scene.api(&server).report_status(&report()).await;
        let found = Verdict::of(&refused.expect_err(&case));
        assert_eq!(found, verdict, "{case}");
    }
}

#[tokio::test]
async fn a_report_is_not_given_up_for_a_word_that_does_not_come() {
    let scene = Scene::new();
    let server = scene.server(|_| Reply::silence(404)).await;
    let api = scene.api_with(&server, impatient());
    let refused = api.report_status(&report()).await;
    let found = Verdict::of(&refused.expect_err("half an answer"));
    assert_eq!(found, Verdict::Pause);
}

fn report() -> DeploymentStatus {
    DeploymentStatus::new(
        DEPLOYMENT.parse().expect("an id"),
        ManifestVersion::FIRST,
        Vec::new(),
    )
}
