//! What a fleet manager answers to a device that wants to be its client, and what the device keeps.

use std::fs;
use std::time::Duration;

use margo_client::onboarding::Standing;
use margo_client::outbox::Verdict;
use margo_client::state::FileStore;
use margo_client::{ErrorKind, FleetApi as _};
use margo_conformance::interop::Profile;
use margo_conformance::wfm::{Answer, FakeWfm};
use margo_types::endpoint::Operation;

use super::{Scene, authority, told};

async fn strict(scene: &Scene) -> FakeWfm {
    FakeWfm::start_signed(&scene.authority, Profile::STRICT).await
}

fn asked(wfm: &FakeWfm) -> usize {
    wfm.requests_for(Operation::Onboard).len()
}

fn json(status: u16, body: &str) -> Answer {
    Answer::body(status, "application/json", body.to_owned())
}

#[tokio::test]
async fn the_first_request_enrols_and_the_id_is_kept() {
    let scene = Scene::new();
    let wfm = strict(&scene).await;
    let api = scene.api(&wfm.url()).await;
    assert_eq!(api.enrolment().standing(), Standing::Unasked);
    api.manifest(None).await.expect("a manifest");
    let clients = wfm.clients();
    let id = clients.keys().next().expect("a client");
    let Standing::Enrolled { client_id, .. } = api.enrolment().standing() else {
        panic!("{:?}", api.enrolment().standing());
    };
    assert_eq!(client_id, *id);
    drop(api);

    let again = scene.enrolment(&wfm.url()).await;
    assert!(
        matches!(again.standing(), Standing::Enrolled { .. }),
        "before anybody is asked"
    );
    assert_eq!(again.client_id().await.expect("an id"), *id);
    assert_eq!(asked(&wfm), 1);
}

#[tokio::test]
async fn every_answer_has_its_meaning() {
    let enrolled = r#"{"clientId":"line-4"}"#;
    let early = r#"{"client_id":"line-4","endpoint_list":[]}"#;
    for (answer, expected) in [
        (json(201, enrolled), "line-4"),
        (json(200, enrolled), "line-4"),
        (json(201, early), "line-4"),
        // enrolled before, by a fleet manager that says as whom
        (json(409, early), "line-4"),
        (
            json(
                409,
                r#"{"type":"about:blank","title":"Conflict","clientId":"line-4"}"#,
            ),
            "line-4",
        ),
    ] {
        let scene = Scene::new();
        let wfm = strict(&scene).await;
        wfm.fail_always(Operation::Onboard, answer);
        let id = scene.enrolment(&wfm.url()).await.client_id().await;
        assert_eq!(id.expect("an id").as_str(), expected);
    }
}

/// An answer, and the kind, advice and text of the error it becomes.
type Case = (Answer, ErrorKind, bool, Option<u64>, &'static str);

/// Nothing is kept of such answers, no report is lost by them, and the next one may be another.
async fn check(cases: Vec<Case>) {
    let scene = Scene::new();
    let wfm = strict(&scene).await;
    let enrolment = scene.enrolment(&wfm.url()).await;
    for (answer, kind, is_retryable, wait, text) in cases {
        wfm.fail_next(Operation::Onboard, 1, answer.clone());
        let error = enrolment.client_id().await.expect_err("no id");
        let told = told(&error);
        assert_eq!(error.kind(), kind, "{answer:?}: {told}");
        assert_eq!(error.is_retryable(), is_retryable, "{answer:?}: {told}");
        let after = error.retry_advice().and_then(|advice| advice.after);
        assert_eq!(after, wait.map(Duration::from_secs), "{answer:?}");
        assert!(told.contains(text), "{answer:?}: {told}");
        assert_ne!(Verdict::of(&error), Verdict::GiveUp, "{answer:?}");
        assert!(!matches!(enrolment.standing(), Standing::Enrolled { .. }));
        assert!(!scene.read("enrolment.json").contains("\"id\""));
    }
    enrolment.client_id().await.expect("an id at last");
}

#[tokio::test]
async fn a_device_that_is_not_decided_on_asks_again() {
    use ErrorKind::Refused;
    let vendor = json(200, r#"{"status":"PENDING_APPROVAL"}"#).retry_after(90);
    let busy = Answer::problem(503).retry_after(7);
    check(vec![
        (
            Answer::pending(),
            Refused,
            true,
            Some(1),
            "approve the certificate",
        ),
        (
            Answer::status(202),
            Refused,
            true,
            None,
            "has not decided yet",
        ),
        (vendor, Refused, true, Some(90), "has not decided"),
        (busy, Refused, true, Some(7), "503"),
    ])
    .await;
}

#[tokio::test]
async fn a_device_that_is_refused_says_why() {
    use ErrorKind::{Unreachable, Untrusted};
    let invalid = json(400, r#"{"error":"Invalid certificate"}"#);
    let known = json(409, r#"{"error":"already onboarded"}"#);
    let unsigned = json(401, r#"{"error":"Invalid signature"}"#);
    check(vec![
        (
            Answer::rejected(),
            Untrusted,
            false,
            None,
            "Client rejected",
        ),
        (
            Answer::rejected(),
            Untrusted,
            false,
            None,
            "let its operator admit",
        ),
        (invalid, Untrusted, false, None, "Invalid certificate"),
        (known, Untrusted, false, None, "configure the client id"),
        (
            unsigned,
            Untrusted,
            false,
            None,
            "ask its operator whether that key",
        ),
        (Answer::status(404), Untrusted, false, None, "404"),
        // Somebody in between.
        (Answer::html(403), Unreachable, true, None, "web page"),
        (Answer::html(409), Unreachable, true, None, "web page"),
    ])
    .await;
}

#[tokio::test]
async fn an_answer_that_says_no_id_is_no_enrolment() {
    use ErrorKind::Misbehaved;
    let long = format!("{{\"clientId\":\"{}\"}}", "a".repeat(1 << 17));
    for body in [
        "",
        "{}",
        "null",
        r#"{"clientId":""}"#,
        r#"{"clientId":"../line-5"}"#,
        r#"{"clientId":"a","client_id":"b"}"#,
    ] {
        check(vec![(
            json(201, body),
            Misbehaved,
            false,
            None,
            "no valid client id",
        )])
        .await;
    }
    check(vec![
        (Answer::html(200), Misbehaved, false, None, "web page"),
        (json(201, &long), Misbehaved, false, None, "65536 bytes"),
    ])
    .await;
}

#[tokio::test]
async fn how_far_an_enrolment_is_can_be_seen() {
    let scene = Scene::new();
    let wfm = strict(&scene).await;
    let enrolment = scene.enrolment(&wfm.url()).await;
    wfm.fail_next(Operation::Onboard, 1, Answer::pending());
    enrolment.client_id().await.expect_err("pending");
    assert_eq!(enrolment.standing(), Standing::Pending);
    wfm.stop().await;
    enrolment.client_id().await.expect_err("nobody is there");
    assert_eq!(enrolment.standing(), Standing::Pending, "as it was");
    wfm.restart();
    wfm.fail_next(Operation::Onboard, 1, Answer::rejected());
    enrolment.client_id().await.expect_err("rejected");
    let Standing::Refused { why } = enrolment.standing() else {
        panic!("{:?}", enrolment.standing());
    };
    assert!(why.contains("Client rejected"), "{why}");
    enrolment.client_id().await.expect("enrolled in the end");
    assert!(matches!(enrolment.standing(), Standing::Enrolled { .. }));
}

#[tokio::test]
async fn a_kill_between_the_answer_and_the_write_makes_it_ask_again() {
    let scene = Scene::new();
    let wfm = strict(&scene).await;
    let enrolment = scene.enrolment(&wfm.url()).await;
    let before = scene.read("enrolment.json");
    let id = enrolment.client_id().await.expect("an id");
    drop(enrolment);
    scene.write("enrolment.json", before);
    let again = scene.enrolment(&wfm.url()).await.client_id().await;
    assert_eq!((again.expect("an id"), asked(&wfm)), (id, 2));
}

#[tokio::test]
async fn an_id_that_cannot_be_written_is_not_used_and_not_forgotten() {
    let scene = Scene::new();
    let wfm = strict(&scene).await;
    let enrolment = scene.enrolment(&wfm.url()).await;
    // What is written first is in the way.
    fs::create_dir(scene.path("enrolment.json.new")).expect("a folder");
    for _ in 0..2 {
        let error = enrolment.client_id().await.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::State, "{error}");
    }
    fs::remove_dir(scene.path("enrolment.json.new")).expect("room");
    enrolment.client_id().await.expect("an id");
    assert_eq!(asked(&wfm), 1, "the answer was kept");
    assert!(scene.read("enrolment.json").contains("\"id\""));
}

#[tokio::test]
async fn an_id_belongs_to_one_url_one_authority_and_one_key() {
    let scene = Scene::new();
    let wfm = strict(&scene).await;
    let enrol = async |url: String| {
        let enrolment = scene.enrolment(&url).await;
        enrolment.client_id().await.expect("an id");
        enrolment.owner()
    };
    let owner = enrol(wfm.url()).await;
    assert_eq!(enrol(wfm.url()).await, owner);
    assert_eq!(asked(&wfm), 1);

    // Another URL of the same server: another fleet manager, for all the device knows.
    let url = wfm.url().replace("127.0.0.1", "localhost");
    let other = enrol(url.clone()).await;
    assert_eq!(asked(&wfm), 2);
    assert_ne!(other, owner);
    let store = scene.path("state.redb");
    drop(FileStore::open(&store, owner).await.expect("a state"));
    let error = FileStore::open(&store, other)
        .await
        .expect_err("somebody else's");
    assert!(error.to_string().contains("localhost"), "{error}");

    // Another authority behind the same URL.
    let stranger = authority();
    wfm.move_to(&stranger, margo_conformance::authority::Lifetime::default());
    scene.write("ca.pem", stranger.to_pem().0);
    let owner = enrol(url.clone()).await;
    assert_eq!(asked(&wfm), 3);
    // Another key.
    scene.renew();
    assert_eq!(
        enrol(url.clone()).await,
        owner,
        "the state is not lost by it"
    );
    assert_eq!(asked(&wfm), 4);
    assert_eq!(enrol(url).await, owner);
    assert_eq!(asked(&wfm), 4);
}

#[tokio::test]
async fn an_authority_that_is_replaced_step_by_step_is_the_same_one() {
    let scene = Scene::new();
    let wfm = strict(&scene).await;
    let mut watch = scene.files().watch().expect("an identity");
    let settings = scene.settings(&wfm.url());
    let enrolment = margo_client::onboarding::Enrolment::open(settings, watch.identity().clone());
    let enrolment = enrolment.await.expect("an enrolment");
    let id = enrolment.client_id().await.expect("an id");
    let next = authority();
    let (old, new) = (scene.authority.to_pem().0, next.to_pem().0);
    for ca in [old + &new, new] {
        scene.write("ca.pem", ca);
        assert!(watch.poll().expect("anchors"));
        assert_eq!(enrolment.client_id().await.expect("an id"), id);
    }
    let again = scene.enrolment(&wfm.url()).await;
    assert_eq!(again.client_id().await.expect("an id"), id);
    assert_eq!(asked(&wfm), 1);
}

#[tokio::test]
async fn an_id_that_an_operator_says_is_used_without_asking() {
    let scene = Scene::new();
    let wfm = strict(&scene).await;
    let certificate =
        margo_types::onboarding::Certificate::from_text(scene.read("certificate.pem"));
    let id = margo_types::id::ClientId::parse("line-4").expect("an id");
    wfm.enrol(&id, &certificate);
    let mut settings = scene.settings(&wfm.url());
    settings.client_id = Some(id);
    let enrolment = margo_client::onboarding::Enrolment::open(settings, scene.identity()).await;
    let api = margo_client::api::Rc1Api::new(enrolment.expect("an enrolment"));
    api.manifest(None).await.expect("a manifest");
    assert_eq!(asked(&wfm), 0);
}

#[tokio::test]
async fn a_damaged_record_is_never_taken_for_none() {
    let scene = Scene::new();
    let url = "https://wfm.example";
    drop(scene.enrolment(url).await);
    let good = scene.read("enrolment.json");
    for (bad, expected) in [
        ("", "move it away"),
        ("{", "move it away"),
        ("[]", "move it away"),
        (&good[..good.len() / 2], "move it away"),
        (
            &*good.replace("\"format\": 1", "\"format\": 2"),
            "use the version",
        ),
    ] {
        scene.write("enrolment.json", bad);
        let opened =
            margo_client::onboarding::Enrolment::open(scene.settings(url), scene.identity());
        let error = opened.await.expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::State, "{bad}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(scene.read("enrolment.json"), bad, "it stays as it was");
    }
}
