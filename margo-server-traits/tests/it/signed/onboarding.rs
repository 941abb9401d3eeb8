//! How a client becomes one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_server_traits::Enrolled;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use serde_json::{Value, json};

use super::Plant;
use super::device::{Device, HOUR, Sent};

const ONBOARDING: &str = "/api/v1/onboarding";
const WEAK: &str = include_str!("rsa-1024.cert.pem");

fn request(certificate: &str) -> Sent {
    Sent::new("POST", ONBOARDING).json(&json!({
        "apiVersion": "onboarding.margo.org/v1alpha1",
        "kind": "OnboardingRequest",
        "certificate": certificate,
    }))
}

fn accepted() -> Enrolled {
    Enrolled::Accepted(ClientId::parse("line-4").unwrap())
}

fn already() -> Enrolled {
    Enrolled::Already(ClientId::parse("line-4").unwrap())
}

#[tokio::test]
async fn client_that_has_its_key_is_given_an_id() {
    let plant = Plant::new();
    let device = Device::new();
    for answer in [accepted(), already()] {
        plant.enrolment.state().answer = Some(answer);
        let sent = request(device.certificate.as_str()).signed(&device);
        let answer = plant.send(sent).await;
        assert_eq!(answer.is(201).body, r#"{"clientId":"line-4"}"#);
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let applicants = &plant.enrolment.state().applicants;
    assert_eq!(applicants.len(), 2);
    assert_eq!(applicants[0].certificate, device.certificate);
    assert_eq!(applicants[0].read.key(), device.key.public());
}

#[tokio::test]
async fn agent_of_2025_is_answered_in_its_words() {
    let plant = Plant::new();
    plant.enrolment.state().answer = Some(accepted());
    let device = Device::new();
    let der = device.certificate.der().unwrap();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    );
    let body = json!({ "public_certificate": STANDARD.encode(pem) });
    let sent = Sent::new("POST", ONBOARDING).json(&body).signed(&device);
    let answer = plant.send(sent).await;
    let answer: Value = serde_json::from_slice(&answer.is(201).body).unwrap();
    assert_eq!(answer["client_id"], "line-4");
    assert_eq!(answer["endpoint_list"], json!([]));
}

#[tokio::test]
async fn client_waits_for_the_operator() {
    let plant = Plant::with(|options| options.pending_retry_seconds = 17);
    let device = Device::new();
    let sent = request(device.certificate.as_str()).signed(&device);
    let answer = plant.send(sent).await;
    assert!(answer.is(202).body.is_empty());
    assert_eq!(answer.header("retry-after"), Some("17"));
}

#[tokio::test]
async fn client_that_is_rejected_is_told_why() {
    let plant = Plant::new();
    let reason = "not one of ours".to_owned();
    plant.enrolment.state().answer = Some(Enrolled::Rejected(reason.clone()));
    let device = Device::new();
    let sent = request(device.certificate.as_str()).signed(&device);
    let answer = plant.send(sent).await;
    let problem = answer.is_problem(403, "certificate-not-trusted");
    assert_eq!(problem.detail, Some(reason));
}

#[tokio::test]
async fn whoever_does_not_have_the_key_is_nobody() {
    let plant = Plant::new();
    plant.enrolment.state().answer = Some(accepted());
    let (device, thief) = (Device::new(), Device::new());
    let sent = || request(device.certificate.as_str());
    for stolen in [
        sent(),
        sent().signed(&thief),
        sent().signed(&device).path("/api/v1/onboarding?again"),
    ] {
        let answer = plant.send(stolen).await;
        answer.is_problem(401, "signature-verification-failed");
    }
    let other = json!({ "certificate": thief.certificate.as_str() });
    let exchanged = sent().signed(&device).body(other.to_string());
    let answer = plant.send(exchanged).await;
    answer.is_problem(401, "signature-verification-failed");
    let longer = format!("{} ", json!({ "certificate": device.certificate.as_str() }));
    let altered = sent().signed(&device).body(longer);
    let answer = plant.send(altered).await;
    answer.is_problem(400, "invalid-digest-header");
    assert!(plant.enrolment.state().applicants.is_empty());
}

#[tokio::test]
async fn certificate_has_to_be_one_that_can_be_used() {
    let plant = Plant::new();
    plant.enrolment.state().answer = Some(accepted());
    let device = Device::new();
    let garbage = Certificate::from_der(&[0x30, 1, 0]).unwrap();
    for (certificate, words) in [
        (WEAK, "1024 bits"),
        ("garbage!", "neither PEM nor base64"),
        (garbage.as_str(), "not well-formed"),
        ("", ""),
    ] {
        let answer = plant.send(request(certificate).signed(&device)).await;
        let problem = answer.is_problem(400, "invalid-certificate-format");
        let detail = problem.detail.unwrap();
        assert!(detail.contains(words), "{detail}");
    }
    let missing = Sent::new("POST", ONBOARDING).json(&json!({}));
    let answer = plant.send(missing.signed(&device)).await;
    answer.is_problem(400, "invalid-certificate-format");
    for body in ["no JSON", "", "certificate: abc"] {
        let sent = Sent::new("POST", ONBOARDING).body(body).signed(&device);
        let answer = plant.send(sent).await;
        answer.is_problem(400, "invalid-request");
    }
    let long = request(&"A".repeat(200_000)).signed(&device);
    plant.send(long).await.is_problem(413, "about:blank");

    for (from, until) in [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)] {
        let device = Device::valid_between(from, until);
        let sent = request(device.certificate.as_str()).signed(&device);
        let answer = plant.send(sent).await;
        answer.is_problem(403, "certificate-not-trusted");
    }
    assert!(plant.enrolment.state().applicants.is_empty());
}

#[tokio::test]
async fn root_certificate_is_for_everybody() {
    let plant = Plant::new();
    let path = "/api/v1/onboarding/certificate";
    let answer = plant.send(Sent::get(path)).await;
    answer.is_problem(404, "about:blank");
    let root = Device::new().certificate;
    plant.enrolment.state().root = Some(root.clone());
    let answer = plant.send(Sent::get(path)).await;
    let expected = json!({ "certificate": root.as_str() });
    assert_eq!(answer.is(200).body, expected.to_string());
    // The first copies have it signed.
    plant.ask(Sent::get(path)).await.is(200);
}
