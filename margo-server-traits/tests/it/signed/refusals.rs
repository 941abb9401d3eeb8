//! Requests that are refused, each with its status and its reason.

use jiff::SignedDuration;
use margo_types::problem::Problem;
use margo_types::signature::Profile;
use serde_json::json;

use super::device::{Device, HOUR, Sent, in_time};
use super::{MANIFEST_OF_1, Plant};
use crate::exchange::Answer;

const CAPABILITIES_OF_1: &str = "/api/v1/clients/press-1/capabilities";

/// A request with a body that would be accepted.
fn put() -> Sent {
    Sent::new("PUT", CAPABILITIES_OF_1).json(&json!({
        "properties": {
            "id": "edge-1", "vendor": "Example", "modelNumber": "M1", "serialNumber": "0001",
        },
    }))
}

/// Checks that a request was refused before the fleet manager was asked anything, with a reason that has these words.
#[track_caller]
fn assert_refused(plant: &Plant, answer: &Answer, words: &str) {
    let problem = answer.is_problem(401, "signature-verification-failed");
    let detail = problem.detail.unwrap();
    assert!(detail.contains(words), "{detail}");
    assert_eq!(answer.header("www-authenticate"), Some("Signature"));
    let body = String::from_utf8_lossy(&answer.body);
    assert!(
        body.contains("https://docs.margo.org/specification/problems/"),
        "{body}"
    );
    assert!(!plant.was_asked());
}

#[tokio::test]
async fn unsigned() {
    let plant = Plant::new();
    for sent in [Sent::get(MANIFEST_OF_1), put()] {
        let answer = plant.send(sent.clone()).await;
        assert_refused(&plant, &answer, "no Signature-Input");
        let half = sent.signed(&plant.press_1).without("signature");
        let answer = plant.send(half).await;
        assert_refused(&plant, &answer, "no Signature;");
    }
}

#[tokio::test]
async fn wrong_key_another_client_and_no_client_at_all() {
    let plant = Plant::new();
    let mut problems = Vec::<Problem>::new();
    for path in [MANIFEST_OF_1, "/api/v1/clients/nobody/deployments"] {
        for device in [&plant.press_2, &Device::new(), &Device::with_ed25519()] {
            let answer = plant.send(Sent::get(path).signed(device)).await;
            assert_refused(&plant, &answer, "no certificate that is enrolled");
            let mut problem = answer.problem();
            problem.instance = None;
            problems.push(problem);
        }
    }
    // Strangers do not learn which clients there are.
    assert!(problems.iter().all(|problem| *problem == problems[0]));
}

#[tokio::test]
async fn what_is_wrong_with_the_request_says_nothing_about_the_client_either() {
    let plant = Plant::new();
    for spoil in [
        (|sent: Sent| sent.without("signature")) as fn(Sent) -> Sent,
        |sent| sent.with("signature", "sig1=garbage"),
        |sent| sent.with("signature-input", "sig1=(\"@path\");created=1"),
    ] {
        let mut answers = Vec::new();
        for client in ["press-1", "nobody"] {
            let path = format!("/api/v1/clients/{client}/deployments");
            let signed = spoil(Sent::get(&path).signed(&plant.press_1));
            let mut problem = plant.send(signed).await.problem();
            problem.instance = None;
            answers.push(problem);
        }
        assert_eq!(answers[0], answers[1]);
    }
}

#[tokio::test]
async fn unknown_client_is_told_where_that_is_wanted() {
    let plant = Plant::with(|options| options.tell_unknown_clients = true);
    let unknown = Sent::get("/api/v1/clients/nobody/deployments").signed(&plant.press_1);
    let answer = plant.send(unknown).await;
    answer.is_problem(404, "invalid-client");
    plant.ask(Sent::get(MANIFEST_OF_1)).await.is(200);
}

#[tokio::test]
async fn altered_on_its_way() {
    let plant = Plant::new();
    let get = || Sent::get(MANIFEST_OF_1).signed(&plant.press_1);
    let other_path = format!("{MANIFEST_OF_1}/");
    for altered in [
        get().path("/api/v1/clients/press-2/deployments"),
        get().path(&format!("{MANIFEST_OF_1}?all")),
        get().path(&other_path),
        get().method("DELETE"),
        get().with("host", "other.example:8443"),
        put().signed(&plant.press_1).method("POST"),
    ] {
        let answer = plant.send(altered).await;
        assert_refused(&plant, &answer, "no certificate that is enrolled");
    }
}

#[tokio::test]
async fn body_is_the_one_that_was_signed() {
    let plant = Plant::new();
    let signed = || put().signed(&plant.press_1);
    let digest_of_other = put().body("{}").signed(&plant.press_1);
    let digest_of_other = digest_of_other.header("content-digest").to_owned();
    for (altered, words) in [
        (signed().body("{}"), "does not match"),
        (signed().body(""), "does not match"),
        (signed().without("content-digest"), "no Content-Digest"),
        (
            signed().with("content-digest", "sha-256=:AAAA:"),
            "wrong value",
        ),
        (
            signed().with("content-digest", "md5=:AAAA:"),
            "neither sha-256",
        ),
    ] {
        let answer = plant.send(altered).await;
        // What is not the digest that was signed may also be found out by the signature.
        if answer.status != 401 {
            let problem = answer.is_problem(400, "invalid-digest-header");
            assert!(problem.detail.unwrap().contains(words));
        }
        assert!(!plant.was_asked());
    }
    let exchanged = signed().body("{}").with("content-digest", &digest_of_other);
    let answer = plant.send(exchanged).await;
    assert_refused(&plant, &answer, "no certificate that is enrolled");
    plant.send(signed()).await.is(201);
}

#[tokio::test]
async fn digest_has_to_be_there_and_covered() {
    let plant = Plant::new();
    let mut profile = Profile::COMMON;
    profile.covers_digest = false;
    let uncovered = put().signed_as(&plant.press_1, profile);
    let missing = uncovered.clone().without("content-digest");
    let answer = plant.send(missing).await;
    answer.is_problem(400, "invalid-digest-header");
    let answer = plant.send(uncovered).await;
    assert_refused(&plant, &answer, "does not cover content-digest");
}

#[tokio::test]
async fn stale_and_of_the_future() {
    let plant = Plant::new();
    for (created, words) in [(-400, "seconds ago"), (400, "in the future")] {
        let created = in_time(SignedDuration::from_secs(created));
        let signed = Sent::get(MANIFEST_OF_1).signed_at(&plant.press_1, created);
        let answer = plant.send(signed).await;
        assert_refused(&plant, &answer, words);
    }
}

#[tokio::test]
async fn replayed() {
    let plant = Plant::new();
    let signed = Sent::get(MANIFEST_OF_1).signed(&plant.press_1);
    plant.send(signed.clone()).await.is(200);
    plant.was_asked();
    let answer = plant.send(signed.clone()).await;
    assert_refused(&plant, &answer, "used before");
    // Clones of a service remember the same.
    let clone = plant.service.clone();
    let answer = plant.send_to(clone, signed, |_| {}).await;
    assert_refused(&plant, &answer, "used before");
    let anew = Sent::get(MANIFEST_OF_1).signed(&plant.press_1);
    plant.send(anew).await.is(200);

    // A request that was refused for its body was not used.
    let signed = put().signed(&plant.press_1);
    plant.send(signed.clone().body("{}")).await.is(400);
    plant.send(signed).await.is(201);
}

#[tokio::test]
async fn client_that_floods_the_memory_of_signatures() {
    let plant = Plant::with(|options| {
        options.replays = std::sync::Arc::new(margo_server_traits::signed::ReplayCache::new(2));
    });
    for _ in 0..2 {
        plant.ask(Sent::get(MANIFEST_OF_1)).await.is(200);
    }
    let answer = plant.ask(Sent::get(MANIFEST_OF_1)).await;
    answer.is_problem(429, "about:blank");
    let of_another = Sent::get("/api/v1/clients/press-2/deployments").signed(&plant.press_2);
    plant.send(of_another).await.is(200);
}

#[tokio::test]
async fn labels() {
    let plant = Plant::new();
    let mut profile = Profile::COMMON;
    profile.label = "other";
    let signed = Sent::get(MANIFEST_OF_1);
    let signed = signed.signed_as(&plant.press_1, profile);
    let answer = plant.send(signed.clone()).await;
    assert_refused(&plant, &answer, "label other is not accepted");

    let beside = Sent::get(MANIFEST_OF_1).signed(&plant.press_1);
    let both = ["signature-input", "signature"].map(|name| {
        let lines = [&beside, &signed].map(|sent| sent.header(name).to_owned());
        lines.join(", ")
    });
    let two = signed
        .with("signature-input", &both[0])
        .with("signature", &both[1]);
    let answer = plant.send(two).await;
    assert_refused(&plant, &answer, "2 signatures");
}

#[tokio::test]
async fn huge_headers() {
    let plant = Plant::new();
    let long = format!("sig1=(\"{}\");created=1", "a".repeat(1 << 20));
    for name in ["signature-input", "signature"] {
        let signed = Sent::get(MANIFEST_OF_1).signed(&plant.press_1);
        let answer = plant.send(signed.with(name, &long)).await;
        assert_refused(&plant, &answer, "bytes where 8192 are allowed");
    }
    let signed = Sent::get(MANIFEST_OF_1).with("content-digest", &long);
    let answer = plant.ask(signed).await;
    answer.is_problem(400, "invalid-digest-header");
}

#[tokio::test]
async fn certificate_has_to_be_valid_now() {
    let plant = Plant::new();
    for (from, until) in [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)] {
        let device = Device::valid_between(from, until);
        plant.enrolment.enrol_as("press-1", &device);
        let signed = Sent::get(MANIFEST_OF_1).signed(&device);
        let answer = plant.send(signed).await;
        let problem = answer.is_problem(403, "certificate-not-trusted");
        assert!(problem.detail.unwrap().contains("renew it"));
        assert!(!plant.was_asked());
    }
    // Others go on.
    plant.ask(Sent::get(MANIFEST_OF_1)).await.is(200);
}

#[tokio::test]
async fn client_that_the_policy_refuses() {
    let plant = Plant::new();
    let client = margo_types::id::ClientId::parse("press-1").unwrap();
    let reason = "retired in May".to_owned();
    plant.fleet.state().refused.insert(client, reason);
    for path in [MANIFEST_OF_1, "/api/v1/clients/press-1/nowhere"] {
        let answer = plant.ask(Sent::get(path)).await;
        let problem = answer.is_problem(403, "certificate-not-trusted");
        assert_eq!(problem.title, "Certificate not trusted");
        assert_eq!(problem.detail.as_deref(), Some("retired in May"));
    }
    assert_eq!(plant.fleet.state().calls, ["admit"; 2]);
}

#[tokio::test]
async fn path_that_names_no_client() {
    let plant = Plant::new();
    for path in [
        "/",
        "/api/v1/deployments",
        "/api/v1/clients",
        "/api/v1/clients/a%2Fb/deployments",
        "/api/v1/clients/%FF/deployments",
        "/.well-known/margo",
    ] {
        let answer = plant.ask(Sent::get(path)).await;
        assert_refused(&plant, &answer, "names no client");
    }
}

#[tokio::test]
async fn enrolment_that_is_away() {
    let plant = Plant::new();
    plant.enrolment.state().is_away = true;
    let answer = plant.ask(Sent::get(MANIFEST_OF_1)).await;
    let problem = answer.is_problem(503, "about:blank");
    assert_eq!(problem.retry_after_seconds, Some(7));
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
}

#[tokio::test]
async fn request_that_names_no_host_or_two() {
    let plant = Plant::new();
    let signed = || Sent::get(MANIFEST_OF_1).signed(&plant.press_1);
    let none = signed().without("host");
    for sent in [none, signed().and("host", "other.example")] {
        let answer = plant.send(sent).await;
        answer.is_problem(400, "invalid-request");
    }
}
