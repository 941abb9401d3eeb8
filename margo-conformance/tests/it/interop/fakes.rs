//! Fake agents and fake fleet managers get along, each pair as its profile has it.

use margo_conformance::agent::FakeAgent;
use margo_conformance::authority::Authority;
use margo_conformance::interop::{CertificateForm, Profile};
use margo_conformance::wfm::{Answer, FakeWfm};
use margo_types::endpoint::Operation;
use margo_types::id::ClientId;
use margo_types::onboarding::{CaCertificate, Certificate};
use margo_types::read;
use margo_types::status::DeploymentState;

use super::{P256, P384, RSA, agent, at, authority, deployment, text};

#[tokio::test]
async fn every_profile_gets_along_with_itself() {
    for profile in Profile::ALL {
        let authority = authority();
        let wfm = FakeWfm::start_signed(&authority, profile).await;
        let mut agent = agent(profile, &wfm.url(), &authority, P256);
        let client = agent.enrol().await.unwrap();
        assert_eq!(wfm.clients().keys().collect::<Vec<_>>(), [&client]);
        assert_eq!(agent.report_capabilities().await.status, 201);
        let device = wfm.devices().into_values().next().unwrap();
        assert!(device.properties.hosts_workloads(), "{device:?}");

        assert!(agent.sync().await.is_empty());
        let deployment = deployment();
        wfm.assign(&deployment);
        let (status, body) = profile.fleet_manager.status_answer;
        for answer in agent.sync().await {
            assert_eq!((answer.status, &*text(&answer.body)), (status, body));
        }
        let installed = agent.installed().next().unwrap();
        assert_eq!(installed.id, deployment.id);
        assert_eq!(
            installed.spec.application_id,
            deployment.spec.application_id
        );
        wfm.wait_for_status(&deployment.id, &DeploymentState::Installed)
            .await;
        assert!(agent.sync().await.is_empty());
        wfm.withdraw(&deployment.id);
        assert_eq!(agent.sync().await.len(), 2, "removing and removed");
        wfm.wait_for_status(&deployment.id, &DeploymentState::Removed)
            .await;
    }
}

#[tokio::test]
async fn a_key_of_every_kind_signs() {
    for profile in Profile::ALL {
        let authority = authority();
        let wfm = FakeWfm::start_signed(&authority, profile).await;
        for key in [P256, P384, RSA] {
            let mut agent = agent(profile, &wfm.url(), &authority, key);
            agent.enrol().await.unwrap();
            assert!(agent.sync().await.is_empty(), "{}", profile.name);
        }
        assert_eq!(wfm.clients().len(), 3);
    }
}

#[tokio::test]
async fn operators_decide_late_or_beforehand() {
    let authority = authority();
    let wfm = FakeWfm::start_signed(&authority, Profile::STRICT).await;
    let mut line = agent(Profile::STRICT, &wfm.url(), &authority, P256);
    wfm.fail_next(Operation::Onboard, 2, Answer::pending());
    wfm.fail_next(Operation::Onboard, 1, Answer::rejected());
    for status in [202, 202, 403] {
        assert_eq!(line.enrol().await.unwrap_err().status, status);
    }
    assert!(wfm.clients().is_empty());
    let client = line.enrol().await.unwrap();
    assert_eq!(line.enrol().await.unwrap(), client, "it is known already");

    let registered = ClientId::parse("line-5").unwrap();
    let certificate = Certificate::from_text(P384.certificate);
    wfm.enrol(&registered, &certificate);
    let mut other = agent(Profile::STRICT, &wfm.url(), &authority, P384);
    assert_eq!(other.enrol().await.unwrap(), registered);
    wfm.expel(&registered);
    let manifest = other.requests().manifest(None);
    assert_eq!(other.send(&manifest).await.status, 404);
}

#[tokio::test]
async fn root_certificates_have_three_forms() {
    let authority = authority();
    let root = authority.anchor().into_der();
    for form in [
        Some(CertificateForm::Base64Der),
        Some(CertificateForm::Base64Pem),
        Some(CertificateForm::Pem),
        None,
    ] {
        let mut rules = Profile::STRICT.fleet_manager;
        rules.root_certificate = form;
        let wfm = FakeWfm::start_signed_with(&authority, rules).await;
        let answer = fetch_root(&wfm, &authority).await;
        match form {
            Some(_) => {
                let answer = read::<CaCertificate>(&answer.body).unwrap().into_value();
                assert_eq!(answer.certificate.der().unwrap(), root);
            }
            None => assert_eq!(answer.status, 404),
        }
    }
}

/// What a strict fleet manager refuses, and what that of the reference does not see.
#[tokio::test]
async fn what_is_wrong_with_a_request_is_seen_by_the_strict() {
    let [strict, reference] = [Profile::STRICT, Profile::SYMPHONY_2025_12];
    for (wrong, of_strict, of_reference) in [
        ("nothing", 201, 201),
        ("unsigned", 401, 400),
        ("another path", 401, 400),
        ("another body", 400, 201),
        ("no digest", 400, 201),
        ("stale", 401, 201),
        ("from the future", 401, 201),
        ("another key", 401, 400),
        ("another client", 404, 400),
    ] {
        for (profile, expected) in [(strict, of_strict), (reference, of_reference)] {
            let authority = authority();
            let wfm = FakeWfm::start_signed(&authority, profile).await;
            wfm.stop_clock(at(1000));
            let mut agent = agent(profile, &wfm.url(), &authority, P256).at(at(1000));
            let client = agent.enrol().await.unwrap();
            let good = text(&agent.requests().capabilities());
            let (head, body) = good.split_once("\r\n\r\n").unwrap();
            let spoilt = match wrong {
                "unsigned" => good.replace("\r\nSignature", "\r\nX-Nothing"),
                "another path" => good.replace("/capabilities ", "/capabilities?x "),
                "another body" => format!("{head}\r\n\r\n{}", body.replace("4200", "4300")),
                "no digest" => good.replace("\r\nContent-Digest", "\r\nX-Nothing"),
                "stale" => signed_at(agent, 0),
                "from the future" => signed_at(agent, 2000),
                "another key" => {
                    let other = super::agent(profile, &wfm.url(), &authority, RSA);
                    let other = other.enrolled_as(&client).at(at(1000));
                    text(&other.requests().capabilities())
                }
                "another client" => {
                    let other = ClientId::parse("somebody").unwrap();
                    text(&agent.enrolled_as(&other).requests().capabilities())
                }
                _ => good.clone(),
            };
            let sender = super::agent(profile, &wfm.url(), &authority, P256);
            let answer = sender.send(spoilt.as_bytes()).await;
            assert_eq!(
                answer.status, expected,
                "{} {wrong}: {answer:?}",
                profile.name
            );
        }
    }
}

#[tokio::test]
async fn nothing_is_accepted_twice_by_the_strict() {
    for (profile, again) in [(Profile::STRICT, 401), (Profile::SYMPHONY_2025_12, 200)] {
        let authority = authority();
        let wfm = FakeWfm::start_signed(&authority, profile).await;
        let mut agent = agent(profile, &wfm.url(), &authority, P256);
        agent.enrol().await.unwrap();
        let request = agent.requests().manifest(None);
        assert_eq!(agent.send(&request).await.status, 200);
        assert_eq!(agent.send(&request).await.status, again);
    }
}

fn signed_at(agent: FakeAgent, seconds: i64) -> String {
    text(&agent.at(at(seconds)).requests().capabilities())
}

async fn fetch_root(wfm: &FakeWfm, authority: &Authority) -> margo_conformance::agent::RawAnswer {
    let agent = agent(Profile::STRICT, &wfm.url(), authority, P256);
    let request = agent
        .requests()
        .request("GET", "/api/v1/onboarding/certificate", &[], "");
    agent.send(&request).await
}
