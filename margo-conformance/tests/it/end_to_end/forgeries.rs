//! What strangers and impostors send to our fleet manager, and what they are told (rc1-and-pre-draft.md section 4).

use margo_conformance::agent::{FakeAgent, RawAnswer};
use margo_conformance::interop::Profile;
use margo_server_traits::Credential;
use margo_server_traits::store::Store as _;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::problem::Problem;
use margo_types::{media_type, read};
use serde_json::json;

use super::files::{Plant, client_id};
use super::fleet_manager::FleetManager;
use crate::interop::{Key, P256, P384, RSA, text};

#[tokio::test]
async fn forgeries_are_refused_with_the_reason() {
    let place = Place::new().await;
    for (wrong, status, reason) in [
        ("unsigned", 401, "Signature-Input"),
        ("without a signature", 401, "Signature"),
        ("another key", 401, "no certificate that is enrolled"),
        ("another body", 400, "digest"),
        ("no digest", 400, "no Content-Digest"),
        ("the digest not covered", 401, "content-digest"),
        ("another path", 401, "no certificate that is enrolled"),
        ("another method", 401, "no certificate that is enrolled"),
        ("stale", 401, "seconds ago"),
        ("of the future", 401, "in the future"),
        ("without created", 401, "created"),
        ("unknown label", 401, "label"),
        ("two labels", 401, "2 signatures"),
        ("no dictionary", 401, "Signature-Input"),
        ("unknown client", 401, "no certificate that is enrolled"),
        ("another client", 401, "no certificate that is enrolled"),
    ] {
        let answer = place.line.send(place.forged(wrong).as_bytes()).await;
        assert_problem(wrong, &answer, status, reason);
    }
    let good = place.line.send(&place.line.requests().capabilities()).await;
    assert_eq!(good.status, 201, "{good:?}");
    let devices = place.wfm.store.devices(None).await.unwrap();
    assert_eq!(devices.len(), 1, "nothing of the others has got through");
}

#[tokio::test]
async fn nothing_is_accepted_twice() {
    let place = Place::new().await;
    let requests = place.line.requests();
    for request in [requests.manifest(None), requests.capabilities()] {
        let first = place.line.send(&request).await;
        assert!(first.status < 300, "{first:?}");
        let second = place.line.send(&request).await;
        assert_problem("a replay", &second, 401, "used before");
    }
}

#[tokio::test]
async fn endless_headers_end() {
    let place = Place::new().await;
    let good = text(&place.line.requests().manifest(None));
    let line = format!("\r\nSignature-Input: {}", "x".repeat(1 << 20));
    let long = good.replacen("\r\nSignature-Input: ", &format!("{line}\r\nX: "), 1);
    // Whoever goes on to send may find the connection cut before the answer.
    if let Ok(answer) = place.line.try_send(long.as_bytes()).await {
        assert!([400, 401, 431].contains(&answer.status), "{answer:?}");
    }
    let middling = format!("\r\nSignature-Input: {}", "x".repeat(20_000));
    let middling = good.replacen("\r\nSignature-Input: ", &format!("{middling}\r\nX: "), 1);
    let answer = place.line.send(middling.as_bytes()).await;
    assert!([401, 431].contains(&answer.status), "{answer:?}");
    let good = place.line.send(&place.line.requests().manifest(None)).await;
    assert_eq!(good.status, 200);
}

#[tokio::test]
async fn certificates_that_are_none_are_not_enrolled() {
    let place = Place::new().await;
    let requests = place.line.requests();
    let weak = include_str!("../interop/keys/rsa-1024.cert.pem");
    for (certificate, status, reason) in [
        (json!(weak), 400, "1024 bits"),
        (json!("nonsense"), 400, "certificate"),
        (json!(""), 400, "certificate"),
        (json!(1), 400, "certificate"),
        // Of somebody else: whoever asks does not hold the key.
        (json!(P384.certificate), 401, "signature"),
    ] {
        let body = json!({
            "apiVersion": "onboarding.margo.org/v1alpha1",
            "kind": "OnboardingRequest",
            "certificate": certificate,
        });
        let headers = [("Content-Type", media_type::JSON)];
        let request = requests.request("POST", ONBOARDING, &headers, &body.to_string());
        let answer = place.line.send(&request).await;
        assert_problem(&certificate.to_string(), &answer, status, reason);
    }
    for body in ["{", "[]", "null", r#""a""#] {
        let headers = [("Content-Type", media_type::JSON)];
        let request = requests.request("POST", ONBOARDING, &headers, body);
        assert_eq!(place.line.send(&request).await.status, 400, "{body}");
    }
    let known = place.wfm.store.enrolments(None).await.unwrap();
    assert_eq!(known.len(), 2, "those of the place");
}

/// A fleet manager with two clients of rc.1.
struct Place {
    _plant: Plant,
    wfm: FleetManager,
    line: FakeAgent,
    other: FakeAgent,
}

impl Place {
    async fn new() -> Self {
        let plant = Plant::new();
        let wfm = FleetManager::start(&plant).await;
        let mut agents = Vec::new();
        for (client, Key { key, certificate }) in [("line-1", P256), ("line-2", RSA)] {
            let credential = Credential::Certificate(Certificate::from_text(certificate));
            let client = client_id(client);
            let registered = wfm.registrar.register(&credential, &client, "");
            registered.await.unwrap();
            let url = wfm.signed_url();
            // The template of the specification leaves open how RSA signs, so that one says so.
            let mut profile = Profile::STRICT;
            profile.agent.signing.names_algorithm = true;
            let agent = FakeAgent::new(profile, &url, &plant.authority, key, certificate);
            agents.push(agent.enrolled_as(&client));
        }
        let other = agents.pop().unwrap();
        Self {
            line: agents.pop().unwrap(),
            other,
            _plant: plant,
            wfm,
        }
    }

    /// A report of capabilities with something wrong.
    fn forged(&self, wrong: &str) -> String {
        let requests = self.line.requests();
        let good = text(&requests.capabilities());
        let (head, body) = good.split_once("\r\n\r\n").unwrap();
        let at = |seconds| {
            let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
            text(&self.line_at(now).requests().capabilities())
        };
        match wrong {
            "unsigned" => good.replace("\r\nSignature", "\r\nX-Signature"),
            "without a signature" => good.replace("\r\nSignature:", "\r\nX-Signature:"),
            "another key" => {
                let impostor = self.other.clone().enrolled_as(&client_id("line-1"));
                text(&impostor.requests().capabilities())
            }
            "another body" => format!("{head}\r\n\r\n{}", body.replace("4200", "4300")),
            "no digest" => good.replace("\r\nContent-Digest", "\r\nX-Digest"),
            "the digest not covered" => good.replace(r#" "content-digest""#, ""),
            "another path" => good.replace("/capabilities ", "/capabilities/press-line-7 "),
            "another method" => good.replacen("PUT", "POST", 1),
            "stale" => at(-400),
            "of the future" => at(200),
            "without created" => {
                let (before, after) = good.split_once(";created=").unwrap();
                let (_, after) = after.split_once(';').unwrap();
                format!("{before};{after}")
            }
            "unknown label" => good.replace(": sig1=", ": other="),
            "two labels" => {
                let twice = |line: &str| {
                    let (name, value) = line.split_once(": ").unwrap();
                    let again = value.replacen("sig1=", "sig2=", 1);
                    format!("{name}: {value}, {again}")
                };
                let lines = good.split("\r\n").map(|line| {
                    if line.starts_with("Signature") {
                        twice(line)
                    } else {
                        line.to_owned()
                    }
                });
                lines.collect::<Vec<_>>().join("\r\n")
            }
            "no dictionary" => good.replace("Signature-Input: sig1=", "Signature-Input: (((="),
            "unknown client" => of(&self.line, "nobody"),
            "another client" => of(&self.line, "line-2"),
            _ => unreachable!("{wrong}"),
        }
    }

    fn line_at(&self, now: jiff::Timestamp) -> FakeAgent {
        self.line.clone().at(now)
    }
}

fn of(agent: &FakeAgent, client: &str) -> String {
    let client = ClientId::parse(client).unwrap();
    text(&agent.clone().enrolled_as(&client).requests().capabilities())
}

fn assert_problem(what: &str, answer: &RawAnswer, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    let content_type = answer.header("content-type");
    assert_eq!(content_type.as_deref(), Some(media_type::PROBLEM), "{what}");
    let problem = read::<Problem>(&answer.body).unwrap().into_value();
    let detail = problem.detail.unwrap_or_default();
    assert!(detail.contains(reason), "{what}: {detail}");
}

const ONBOARDING: &str = "/api/v1/onboarding";
