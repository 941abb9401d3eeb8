//! Fake agents send what was recorded, byte for byte, and fake fleet managers answer so.
//!
//! The requests were written from the facts (rc1-and-pre-draft.md section 3; peers.md 4a and 4c) and signed by another
//! program than those under test.

use margo_conformance::agent::{FakeAgent, RawAnswer};
use margo_conformance::interop::Profile;
use margo_conformance::wfm::FakeWfm;
use margo_types::manifest::StateManifest;
use margo_types::onboarding::Certificate;
use margo_types::read;
use margo_types::status::DeploymentState;

use super::{
    ED25519, HOST, agent, assert_recorded, at, authority, deployment, recorded, recorded_client,
    text,
};

#[test]
fn agents_send_what_was_recorded() {
    let authority = authority();
    for profile in Profile::ALL {
        let served = text(&recorded(profile, "server/manifest"));
        let (head, body) = served.split_once("\r\n\r\n").unwrap();
        let (_, tag) = head.split_once("etag: ").unwrap();
        let (tag, _) = tag.split_once("\r\n").unwrap();
        let manifest = read::<StateManifest>(body.as_bytes()).unwrap().into_value();
        let bundle = manifest.bundle.unwrap().digest;
        let document = manifest.deployments[0].digest;

        let requests = |seconds| {
            agent(profile, "https://127.0.0.1:1", &authority, ED25519)
                .known_as(HOST)
                .enrolled_as(&recorded_client(profile))
                .at(at(seconds))
                .requests()
                .clone()
        };
        let status = |seconds, state| requests(seconds).status(&deployment(), &state);
        for (name, sent) in [
            ("onboarding", requests(0).onboarding()),
            ("capabilities", requests(1).capabilities()),
            ("manifest", requests(2).manifest(None)),
            ("bundle", requests(3).bundle(&bundle)),
            (
                "document",
                requests(4).document(&deployment().id, &document),
            ),
            ("status-installing", status(5, DeploymentState::Installing)),
            ("status-installed", status(6, DeploymentState::Installed)),
            ("manifest-held", requests(20).manifest(Some(tag))),
            ("status-removed", status(30, DeploymentState::Removed)),
        ] {
            let expected = recorded(profile, &format!("agent/{name}"));
            assert_eq!(text(&sent), text(&expected), "{} {name}", profile.name);
        }
    }
}

#[tokio::test]
async fn fleet_managers_answer_as_recorded() {
    for profile in Profile::ALL {
        let authority = authority();
        let wfm = FakeWfm::start_signed(&authority, profile).await;
        wfm.stop_clock(at(0));
        let first = agent(profile, &wfm.url(), &authority, ED25519).at(at(0));
        record(
            profile,
            "onboarding",
            &first.send(&first.requests().onboarding()).await,
        );
        let certificate = Certificate::from_text(ED25519.certificate);
        wfm.enrol(&recorded_client(profile), &certificate);
        // No two requests in the same second: this key always makes the same signature.
        let agent = |seconds| {
            let agent: FakeAgent = first.clone().enrolled_as(&recorded_client(profile));
            agent.at(at(seconds))
        };
        let capabilities = agent(1).requests().capabilities();
        record(profile, "capabilities", &first.send(&capabilities).await);
        let empty = first.send(&agent(2).requests().manifest(None)).await;
        record(profile, "manifest-empty", &empty);
        wfm.assign(&deployment());
        let manifest = first.send(&agent(3).requests().manifest(None)).await;
        record(profile, "manifest", &manifest);
        let tag = manifest.header("etag").unwrap();
        let held = first.send(&agent(4).requests().manifest(Some(&tag))).await;
        record(profile, "manifest-held", &held);
        let manifest = read::<StateManifest>(&manifest.body).unwrap().into_value();
        let bundle = agent(5).requests().bundle(&manifest.bundle.unwrap().digest);
        let mut bundle = first.send(&bundle).await;
        bundle.body.clear();
        record(profile, "bundle", &bundle);
        let document = manifest.deployments[0].digest;
        let document = agent(6).requests().document(&deployment().id, &document);
        record(profile, "document", &first.send(&document).await);
        let status = agent(7)
            .requests()
            .status(&deployment(), &DeploymentState::Installed);
        record(profile, "status", &first.send(&status).await);
        let unsigned = text(&agent(8).requests().manifest(None)).replace("Signature", "X");
        record(profile, "unsigned", &first.send(unsigned.as_bytes()).await);
    }
}

fn record(profile: Profile, name: &str, answer: &RawAnswer) {
    let mut text = answer.to_text();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    assert_recorded(profile, &format!("wfm/{name}"), &text);
}
