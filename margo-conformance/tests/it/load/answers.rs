//! What counts as an answer, and what as an error.

use margo_conformance::interop::Profile;
use margo_conformance::load::{Connections, SimulatedDevice, Target};
use margo_conformance::wfm::{Answer, FakeWfm, Lie};
use margo_types::endpoint::Operation;
use margo_types::manifest::{ManifestVersion, StateManifest};
use margo_types::{Digest, SpecVersion, media_type, write};

use super::peer::Peer;
use super::{DEVICES, Plant, assert_only_error, settings};
use crate::wfm::deployment;

#[tokio::test(flavor = "multi_thread")]
async fn new_connection_that_is_closed_without_an_answer_is_an_error() {
    let plant = Plant::start().await;
    let peer = Peer::start(&plant.authority, &[]).await;
    for connections in [Connections::KeptAlive, Connections::PerRequest] {
        let load = plant.load_at(&peer.url, |settings| settings.connections = connections);
        let report = super::run(load, 5).await;
        assert_eq!(report.reconnections, 0, "{report:?}");
        assert_only_error(&report, "closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn used_connection_may_be_closed() {
    let plant = Plant::start().await;
    let answer = manifest_answer();
    let peer = Peer::start(&plant.authority, &[&answer]).await;
    let report = super::run(plant.load_at(&peer.url, |_| ()), 5).await;
    assert_eq!(report.errors.len(), 0, "{report:?}");
    assert!(report.reconnections > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_is_only_who_has_something() {
    let plant = Plant::start().await;
    let unasked = Answer::status(304);
    plant.wfm.fail_always(Operation::Manifest, unasked);
    let report = plant.run(5, |_| {}).await;
    assert_only_error(&report, "status 304");
    assert_eq!(report.unchanged, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn manifest_under_another_media_type_is_an_error() {
    let plant = Plant::start().await;
    let answer = |media_type: &str| {
        Answer::body(200, media_type, manifest()).header("etag", &Digest::of(&manifest()).to_etag())
    };
    let html = answer("text/html");
    plant.wfm.fail_always(Operation::Manifest, html);
    assert_only_error(&plant.run(5, |_| {}).await, "content type");
    plant.wfm.recover();
    // RFC 9110 section 8.3.1: neither case nor parameters make another type.
    let same = answer("Application/vnd.margo.manifest.v1+JSON; charset=utf-8");
    plant.wfm.fail_always(Operation::Manifest, same);
    let report = plant.run(5, |_| {}).await;
    assert_eq!(report.errors.len(), 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn manifest_without_its_digest_as_entity_tag_is_an_error() {
    let plant = Plant::start().await;
    plant.wfm.lie(Lie::NoEntityTag);
    assert_only_error(&plant.run(5, |_| {}).await, "entity tag");
    plant.wfm.recover();
    let digest = Digest::of(&manifest());
    for tag in [
        "\"1\"".to_owned(),
        digest.to_string(),
        format!("W/{}", digest.to_etag()),
        Digest::of(b"something else").to_etag(),
    ] {
        let answer = Answer::body(200, media_type::MANIFEST, manifest()).header("etag", &tag);
        plant.wfm.fail_always(Operation::Manifest, answer);
        assert_only_error(&plant.run(5, |_| {}).await, "entity tag");
        plant.wfm.recover();
        // Many devices would go on with it.
        let polls = plant.wfm.requests_for(Operation::Manifest);
        let sent = |tag: &str| {
            polls
                .iter()
                .any(|poll| poll.header("if-none-match") == Some(tag))
        };
        assert!(sent(&tag), "{tag}");
    }
}

/// Fleet managers in the field tag a manifest by its bundle.
#[tokio::test(flavor = "multi_thread")]
async fn tags_of_the_signed_generation_are_digests() {
    let plant = Plant::start().await;
    let mut rules = Profile::STRICT.fleet_manager;
    rules.tag_of_bundle = true;
    let wfm = FakeWfm::start_signed_with(&plant.authority, rules).await;
    let devices = SimulatedDevice::issue_signed(&plant.authority, "load", DEVICES).unwrap();
    for device in &devices {
        wfm.enrol(device.client(), device.certificate().unwrap());
    }
    wfm.assign(&deployment(1));
    let target = Target::resolve(&wfm.url().parse().unwrap()).unwrap();
    let load = || super::Load::new(target.clone(), devices.clone(), settings());
    let report = super::run(load(), 10).await;
    assert_eq!(report.errors.len(), 0, "{report:?}");
    assert!(report.unchanged > 0, "{report:?}");
    wfm.lie(Lie::NoEntityTag);
    assert_only_error(&super::run(load(), 5).await, "entity tag");
}

/// RFC 9112 sections 4 to 7.
#[tokio::test(flavor = "multi_thread")]
async fn answers_end_where_http_says() {
    let whole = String::from_utf8(manifest_answer()).unwrap();
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    let length = format!("content-length: {}\r\n", body.len());
    let open = head.replace(length.trim_end(), "x: y");
    let chunks = format!("{:x};a=b\r\n{body}\r\n0\r\n", body.len());
    let chunked = open.replace("x: y", "transfer-encoding: Chunked");
    let with = |header: &str| whole.replace("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"));
    for (name, answer, error) in [
        ("with a length", whole.clone(), None),
        (
            "after others",
            format!("HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n{whole}"),
            None,
        ),
        ("with a length twice", with(length.trim_end()), None),
        ("until the end", format!("{open}\r\n\r\n{body}"), None),
        ("chunks", format!("{chunked}\r\n\r\n{chunks}\r\n"), None),
        (
            "trailers",
            format!("{chunked}\r\n\r\n{chunks}a: b\r\n\r\n"),
            None,
        ),
        (
            "two lengths",
            with(&format!("content-length: 1{}", body.len())),
            Some("malformed"),
        ),
        (
            "signed length",
            whole.replace("content-length: ", "content-length: +"),
            Some("malformed"),
        ),
        (
            "length and chunks",
            format!("{chunked}\r\n{length}\r\n{chunks}\r\n"),
            Some("malformed"),
        ),
        (
            "compressed transfer",
            chunked.replace("Chunked", "gzip") + "\r\n\r\n" + body,
            Some("malformed"),
        ),
        ("more than asked for", whole.repeat(2), Some("malformed")),
        (
            "other protocol",
            with("upgrade: h2c").replace("200", "101"),
            Some("malformed"),
        ),
        ("closed in the head", head.to_owned(), Some("broken")),
        (
            "closed before the body",
            format!("{head}\r\n\r\n"),
            Some("broken"),
        ),
        (
            "closed between chunks",
            format!("{chunked}\r\n\r\n1\r\n{{\r\n"),
            Some("broken"),
        ),
        (
            "head without end",
            format!("{head}\r\nx: {}", "y".repeat(100_000)),
            Some("malformed"),
        ),
        (
            "chunk without size",
            format!("{chunked}\r\n\r\n1;{}", "y".repeat(100_000)),
            Some("malformed"),
        ),
    ] {
        let plant = Plant::start().await;
        let peer = Peer::start(&plant.authority, &[answer.as_bytes()]).await;
        let report = super::run(plant.load_at(&peer.url, |_| ()), 5).await;
        match error {
            None => assert_eq!(report.errors.len(), 0, "{name}: {report:?}"),
            Some(kind) => {
                let kinds: Vec<_> = report.errors.keys().map(String::as_str).collect();
                assert_eq!(kinds, [kind], "{name}: {report:?}");
            }
        }
    }
}

fn manifest_answer() -> Vec<u8> {
    let body = manifest();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\netag: {}\r\ncontent-length: {}\r\n\r\n",
        media_type::MANIFEST,
        Digest::of(&body).to_etag(),
        body.len(),
    );
    [head.as_bytes(), &body].concat()
}

fn manifest() -> Vec<u8> {
    let manifest = StateManifest::new(ManifestVersion::FIRST, None, Vec::new());
    write(&manifest, SpecVersion::Rc3).unwrap()
}
