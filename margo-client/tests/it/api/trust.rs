//! Whom the client talks to, as whom, and over which connections.

use std::time::Duration;

use margo_client::api::{ApiOptions, Rc3Api};
use margo_client::{Error, ErrorKind, FleetApi as _};
use margo_conformance::authority::{Authority, Lifetime};
use margo_types::id::TrustDomain;
use margo_types::svid::Identity;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::{EMPTY_MANIFEST, Scene, api_of, arc, client_id, domain, wfm_id};
use crate::server::{Reply, Server, plain_tls};

async fn refusal(server: &Server, client: &Identity) -> Error {
    let api = api_of(client, server.address(), ApiOptions::default());
    let error = api.manifest(None).await.expect_err("no trust");
    assert!(server.seen().is_empty(), "nothing was asked");
    error
}

fn told(error: &Error) -> String {
    let source = std::error::Error::source(error);
    format!(
        "{error}: {}",
        source.map(ToString::to_string).unwrap_or_default()
    )
}

#[tokio::test]
async fn only_the_own_fleet_manager_is_trusted() {
    let scene = Scene::new();
    let other_domain = TrustDomain::parse("other.example").expect("a domain");
    let stranger = Authority::new(&domain());
    let expired = scene.authority.issue(&wfm_id("wfm-1"), Lifetime::expired());
    for (certificate, expected) in [
        (
            scene.authority.issue(&wfm_id("wfm-2"), Lifetime::default()),
            "not the fleet manager",
        ),
        (
            scene
                .authority
                .issue(&client_id("wfm-1"), Lifetime::default()),
            "not the fleet manager",
        ),
        (
            Authority::new(&other_domain).issue(
                &margo_types::id::SpiffeId::wfm(&other_domain, "wfm-1").expect("an id"),
                Lifetime::default(),
            ),
            "trust domain",
        ),
        (
            stranger.issue(&wfm_id("wfm-1"), Lifetime::default()),
            "an authority that is not trusted",
        ),
        (expired, "expired"),
        (scene.authority.issue_tls("127.0.0.1"), "no URI"),
    ] {
        let server =
            Server::start(plain_tls(&certificate), |_| Reply::new(200, EMPTY_MANIFEST)).await;
        let error = refusal(&server, &scene.client).await;
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
        assert!(told(&error).contains(expected), "{}", told(&error));
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_fleet_manager_that_does_not_take_the_svid_is_understood() {
    let scene = Scene::new();
    // trusts another authority than the one that issued the client's SVID
    let other = Authority::new(&domain());
    let svid = scene
        .authority
        .issue(&wfm_id("wfm-1"), Lifetime::default())
        .svid();
    let wfm = Identity::new(svid, &other.bundle()).expect("an identity");
    let server = Server::start(arc(&wfm), |_| Reply::new(200, EMPTY_MANIFEST)).await;
    let error = refusal(&server, &scene.client).await;
    assert_eq!(error.kind(), ErrorKind::Untrusted, "{}", told(&error));
    assert!(
        error
            .to_string()
            .contains("authority of this device's SVID"),
        "{error}"
    );
}

#[tokio::test]
async fn an_own_svid_out_of_its_time_is_said_before_connecting() {
    let scene = Scene::new();
    let server = scene.server(|_| Reply::new(200, EMPTY_MANIFEST)).await;
    for (lifetime, expected) in [
        (Lifetime::expired(), "renew it"),
        (Lifetime::future(), "set the clock"),
    ] {
        let svid = scene.authority.issue(&client_id("wfm-1"), lifetime).svid();
        let client = Identity::new(svid, &scene.authority.bundle()).expect("an identity");
        let error = refusal(&server, &client).await;
        assert_eq!(error.kind(), ErrorKind::Setup);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(server.connections(), 0);
    }
}

#[tokio::test]
async fn a_fleet_manager_cannot_be_a_client() {
    let scene = Scene::new();
    let base = "https://wfm.example".parse().expect("a URL");
    let error = Rc3Api::new(base, scene.wfm()).expect_err("the wrong role");
    assert_eq!(error.kind(), ErrorKind::Setup);
    assert!(error.to_string().contains("/client/"), "{error}");
}

#[tokio::test]
async fn what_does_not_speak_tls_or_is_not_there_is_told_apart() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let plain = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let _ = connection
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await;
        let _ = connection.shutdown().await;
        connection
    });
    let api = api_of(&scene.client, &address, ApiOptions::default());
    let error = api.manifest(None).await.expect_err("no TLS");
    assert_eq!(error.kind(), ErrorKind::Misbehaved, "{}", told(&error));
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    drop(plain.await);
    let error = api.manifest(None).await.expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{}", told(&error));
    assert!(
        error.is_retryable() && error.to_string().contains(&address),
        "{error}"
    );
}

#[tokio::test]
async fn connections_are_used_again_until_the_identity_changes() {
    let scene = Scene::new();
    let server = scene.server(|_| Reply::new(200, EMPTY_MANIFEST)).await;
    let api = scene.api(&server);
    for _ in 0..3 {
        api.manifest(None).await.expect("a manifest");
    }
    assert_eq!(server.connections(), 1);
    let renewed = scene
        .authority
        .issue(&client_id("wfm-1"), Lifetime::default())
        .svid();
    scene.client.replace_svid(renewed).expect("the same id");
    for _ in 0..3 {
        api.manifest(None).await.expect("a manifest");
    }
    assert_eq!(
        server.connections(),
        2,
        "a new connection shows the new SVID"
    );

    let other = Authority::new(&domain());
    scene
        .client
        .replace_bundle(&other.bundle())
        .expect("a bundle");
    let error = api
        .manifest(None)
        .await
        .expect_err("its authority is not trusted any more");
    assert_eq!(error.kind(), ErrorKind::Untrusted);
}

#[tokio::test]
async fn connections_have_a_maximum_age() {
    let scene = Scene::new();
    let server = scene.server(|_| Reply::new(200, EMPTY_MANIFEST)).await;
    let mut options = ApiOptions::default();
    options.connection_age = Duration::ZERO;
    let api = scene.api_with(&server, options);
    for _ in 0..3 {
        api.manifest(None).await.expect("a manifest");
    }
    assert_eq!(server.connections(), 3);
}
