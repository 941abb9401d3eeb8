//! The root certificate, from a fleet manager that is recognised by other means.

use margo_client::ErrorKind;
use margo_client::onboarding::{fetch_root, keep_root};
use margo_client::trust::{ServerTrust, SpkiPin};
use margo_conformance::authority::Authority;
use margo_conformance::interop::{CertificateForm, Profile};
use margo_conformance::wfm::{Answer, FakeWfm};
use margo_types::endpoint::Operation;
use url::Url;

use super::{Scene, authority, told};
use crate::trust::pin;

fn url(wfm: &FakeWfm) -> Url {
    wfm.url().parse().expect("a URL")
}

fn anchored(authority: &Authority) -> ServerTrust {
    ServerTrust::anchor(authority.anchor())
}

fn json(certificate: &str) -> Answer {
    let body = serde_json::json!({ "certificate": certificate }).to_string();
    Answer::body(200, "application/json", body)
}

#[tokio::test]
async fn a_root_comes_in_three_encodings_and_is_kept() {
    for form in [
        CertificateForm::Base64Der,
        CertificateForm::Base64Pem,
        CertificateForm::Pem,
    ] {
        let scene = Scene::new();
        let mut rules = Profile::STRICT.fleet_manager;
        rules.root_certificate = Some(form);
        let wfm = FakeWfm::start_signed_with(&scene.authority, rules).await;
        let file = scene.path("fetched.pem");
        let root = keep_root(url(&wfm), &anchored(&scene.authority), &file).await;
        assert_eq!(root.expect("a root"), scene.authority.anchor(), "{form:?}");
        let kept = ServerTrust::anchors(scene.read("fetched.pem").as_bytes());
        fetch_root(url(&wfm), &kept.expect("anchors"))
            .await
            .expect("the same again");
    }
}

#[tokio::test]
async fn a_root_is_never_learnt_from_a_stranger() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let error = fetch_root(url(&wfm), &ServerTrust::default()).await;
    let error = error.expect_err("nobody is recognised by nothing");
    assert_eq!(error.kind(), ErrorKind::Setup, "{error}");
    let other = SpkiPin::parse("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").expect("a pin");
    for trust in [anchored(&authority()), ServerTrust::pins([other])] {
        let error = fetch_root(url(&wfm), &trust).await.expect_err("a stranger");
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{}", told(&error));
    }
    let plain = url(&wfm).to_string().replace("https", "http");
    let error = fetch_root(plain.parse().expect("a URL"), &anchored(&scene.authority)).await;
    assert_eq!(error.expect_err("no TLS").kind(), ErrorKind::Setup);
    assert!(wfm.requests().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn what_is_no_root_of_this_fleet_manager_is_refused() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let leaf = scene.authority.issue_tls("127.0.0.1").chain_pem;
    for (answer, expected) in [
        (json(""), "no usable root"),
        (json("!"), "no usable root"),
        (json("AAAA"), "no usable root"),
        (json(&leaf), "does not lead to"),
        (json(&authority().to_pem().0), "does not lead to"),
        (
            Answer::body(200, "application/json", "{}"),
            "no usable root",
        ),
        (Answer::html(200), "web page"),
        (Answer::problem(404), "its operator hands out"),
        (Answer::endless(), "more than"),
    ] {
        wfm.recover();
        wfm.fail_always(Operation::RootCertificate, answer.clone());
        let file = scene.path("fetched.pem");
        let error = keep_root(url(&wfm), &anchored(&scene.authority), &file).await;
        let error = error.expect_err("no root");
        assert!(
            told(&error).contains(expected),
            "{answer:?}: {}",
            told(&error)
        );
        assert!(!file.exists());
    }
}

#[tokio::test]
async fn a_pinned_key_is_enough_to_begin_with() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let issued = scene.authority.issue_tls("127.0.0.1");
    wfm.present(&scene.authority, &issued);
    let trust = ServerTrust::pins([pin(&issued.certificates()[0])]);
    let root = fetch_root(url(&wfm), &trust).await.expect("a root");
    assert_eq!(root, scene.authority.anchor());
}
