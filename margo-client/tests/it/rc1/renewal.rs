//! Renewed keys, certificates and authorities, while the device runs.

use margo_client::api::{Dialect, Rc1Api};
use margo_client::identity::SigningWatch;
use margo_client::onboarding::{Enrolment, Standing};
use margo_client::outbox::Verdict;
use margo_client::{ErrorKind, FleetApi as _};
use margo_conformance::authority::Lifetime;
use margo_conformance::interop::Profile;
use margo_conformance::wfm::{Answer, FakeWfm};
use margo_types::endpoint::Operation;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;

use super::{Scene, authority, told};

async fn running(scene: &Scene, wfm: &FakeWfm) -> (SigningWatch, Rc1Api) {
    let watch = scene.files().watch().expect("an identity");
    let enrolment = Enrolment::open(scene.settings(&wfm.url()), watch.identity().clone()).await;
    let api = Rc1Api::new(enrolment.expect("an enrolment"));
    api.manifest(None).await.expect("a manifest");
    (watch, api)
}

/// The key that signed the last poll.
fn last_key(wfm: &FakeWfm) -> String {
    let polls = wfm.requests_for(Operation::Manifest);
    let input = polls.last().and_then(|poll| poll.header("signature-input"));
    let (_, rest) = input
        .and_then(|it| it.split_once("keyid=\""))
        .expect("a key");
    rest.split('"').next().expect("a key").to_owned()
}

#[tokio::test]
async fn a_renewed_key_is_enrolled_while_the_one_before_goes_on() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let (mut watch, api) = running(&scene, &wfm).await;
    let owner = api.enrolment().owner();
    let first = last_key(&wfm);
    wfm.fail_next(Operation::Onboard, 1, Answer::pending());
    scene.renew();
    assert!(watch.poll().expect("another key"));
    // Twice in a row: the fleet manager is not asked with every request.
    for _ in 0..2 {
        api.manifest(None).await.expect("as the one before");
        assert_eq!(last_key(&wfm), first);
    }
    assert_eq!(wfm.requests_for(Operation::Onboard).len(), 2);
    let Standing::Enrolled { renewal, .. } = api.enrolment().standing() else {
        panic!("{:?}", api.enrolment().standing());
    };
    assert!(renewal.expect("a reason").contains("has not decided yet"));

    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_mins(2)).await;
    tokio::time::resume();
    api.manifest(None).await.expect("as the new one");
    assert_eq!(last_key(&wfm), watch.identity().key_id());
    assert_eq!(api.enrolment().owner(), owner);
    assert_eq!(wfm.clients().len(), 2, "this fleet manager gave another id");
    drop(api);
    let again = scene.enrolment(&wfm.url()).await;
    assert_eq!(again.owner(), owner, "also after a restart");
    again.client_id().await.expect("an id");
    assert_eq!(wfm.requests_for(Operation::Onboard).len(), 3);
}

#[tokio::test]
async fn a_renewed_certificate_of_the_same_key_keeps_its_id_through_a_conflict() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let (_, api) = running(&scene, &wfm).await;
    let id = api.enrolment().client_id().await.expect("an id");
    drop(api);
    // The same key in another certificate.
    let key = margo_conformance::authority::rcgen::KeyPair::from_pem(&scene.read("key.pem"));
    let params = margo_conformance::authority::rcgen::CertificateParams::default();
    let renewed = params
        .self_signed(&key.expect("a key"))
        .expect("a certificate");
    scene.write("certificate.pem", renewed.pem());
    let conflict = Answer::body(409, "application/json", r#"{"error":"known"}"#);
    wfm.fail_always(Operation::Onboard, conflict);
    let again = scene.enrolment(&wfm.url()).await;
    assert_eq!(again.client_id().await.expect("the one that is kept"), id);
    assert_eq!(wfm.requests_for(Operation::Onboard).len(), 2);
    drop(again);
    scene
        .enrolment(&wfm.url())
        .await
        .client_id()
        .await
        .expect("an id");
    assert_eq!(
        wfm.requests_for(Operation::Onboard).len(),
        2,
        "once for a certificate"
    );
}

#[tokio::test]
async fn a_fleet_manager_that_forgot_the_client_is_asked_again_but_not_all_the_time() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let (_, api) = running(&scene, &wfm).await;
    let id = api.enrolment().client_id().await.expect("an id");
    wfm.expel(&id);
    wfm.fail_always(Operation::Onboard, Answer::problem(401));
    for _ in 0..5 {
        api.manifest(None).await.expect_err("unknown");
    }
    assert_eq!(
        wfm.requests_for(Operation::Onboard).len(),
        1,
        "not within a minute"
    );
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_mins(2)).await;
    tokio::time::resume();
    for _ in 0..5 {
        api.manifest(None).await.expect_err("unknown");
    }
    assert_eq!(wfm.requests_for(Operation::Onboard).len(), 2);
    wfm.recover();
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_mins(2)).await;
    tokio::time::resume();
    api.manifest(None).await.expect("a manifest again");
    assert_eq!(wfm.requests_for(Operation::Onboard).len(), 3);
}

/// This one says 400 to whatever it does not like.
#[tokio::test]
async fn a_report_is_not_given_up_for_a_vague_refusal() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::SYMPHONY_2025_12).await;
    let api = scene.api_in(Dialect::SYMPHONY_2025_12, &wfm).await;
    let id = api.enrolment().client_id().await.expect("an id");
    wfm.expel(&id);
    let status = super::status(
        "a3e2f5dc-912e-494f-8395-52cf3769bc06"
            .parse()
            .expect("an id"),
    );
    let error = api.report_status(&status).await.expect_err("unknown");
    assert_eq!(error.problem().map(|problem| problem.status), Some(400));
    assert_eq!(Verdict::of(&error), Verdict::Keep);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_mins(2)).await;
    tokio::time::resume();
    api.manifest(None).await.expect("enrolled again");
}

#[tokio::test]
async fn a_401_on_everything_is_no_reason_to_forget_the_id() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let (_, api) = running(&scene, &wfm).await;
    let id = api.enrolment().client_id().await.expect("an id");
    for operation in [Operation::Manifest, Operation::Onboard] {
        let body = r#"{"error":"Invalid signature","message":"X-Body-Signature"}"#;
        wfm.fail_always(operation, Answer::body(401, "application/json", body));
    }
    for _ in 0..3 {
        let error = api.manifest(None).await.expect_err("no signature is good");
        assert_eq!(error.kind(), ErrorKind::Untrusted);
        let told = told(&error);
        assert!(
            told.contains("Invalid signature") && told.contains("is enrolled"),
            "{told}"
        );
    }
    assert!(scene.read("enrolment.json").contains(id.as_str()));
}

#[tokio::test]
async fn files_that_do_not_fit_together_change_nothing() {
    let scene = Scene::new();
    let mut watch = scene.files().watch().expect("an identity");
    let before = watch.identity().key_id();
    assert!(!watch.poll().expect("nothing new"));
    let (key, certificate) = (scene.read("key.pem"), scene.read("certificate.pem"));
    for (file, content, expected) in [
        ("key.pem", "", "empty"),
        ("key.pem", "no key", "the private key"),
        (
            "key.pem",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "key.pem",
        ),
        ("certificate.pem", "no certificate", "certificate.pem"),
        (
            "certificate.pem",
            &*scene.authority.issue_with(|_| ()).chain_pem,
            "does not belong",
        ),
        ("ca.pem", "none", "ca.pem"),
    ] {
        let good = scene.read(file);
        scene.write(file, content);
        let error = watch.poll().expect_err(content);
        assert_eq!(error.kind(), ErrorKind::Setup);
        assert!(told(&error).contains(expected), "{}", told(&error));
        scene.write(file, good);
    }
    assert_eq!(watch.identity().key_id(), before);
    // Half of a renewal, then the other half.
    let renewed = scene.authority.issue_with(|_| ());
    scene.write("key.pem", &renewed.key_pem);
    watch.poll().expect_err("the certificate is missing");
    scene.write("certificate.pem", &renewed.chain_pem);
    assert!(watch.poll().expect("all of it"));
    assert_ne!(watch.identity().key_id(), before);
    scene.write("key.pem", key);
    scene.write("certificate.pem", certificate);
    assert!(watch.poll().expect("all of it"));
    assert_eq!(watch.identity().key_id(), before);
}

#[tokio::test]
async fn another_authority_counts_from_the_next_request_on() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let (mut watch, api) = running(&scene, &wfm).await;
    let polls = || wfm.requests_for(Operation::Manifest).len();
    scene.write("ca.pem", authority().to_pem().0);
    assert!(watch.poll().expect("anchors"));
    let error = api.manifest(None).await.expect_err("not trusted any more");
    assert_eq!(error.kind(), ErrorKind::Untrusted, "{}", told(&error));
    assert_eq!(polls(), 1, "no connection of before is used");
    let next = authority();
    wfm.move_to(&next, Lifetime::default());
    scene.write("ca.pem", next.to_pem().0);
    assert!(watch.poll().expect("anchors"));
    api.manifest(None).await.expect("a manifest");
}

#[tokio::test]
async fn a_client_that_was_registered_by_hand_enrols_under_its_id() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let id = ClientId::parse("line-4").expect("an id");
    wfm.enrol(&id, &Certificate::from_text(scene.read("certificate.pem")));
    let found = scene.enrolment(&wfm.url()).await.client_id().await;
    assert_eq!(found.expect("an id"), id);
}
