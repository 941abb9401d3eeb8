//! The agents of the field against our fleet manager: as they were recorded, and alive (peers.md 4a and 4c).

use std::time::Duration;

use margo_conformance::agent::FakeAgent;
use margo_conformance::interop::Profile;
use margo_server_traits::Credential;
use margo_server_traits::signed::SignedOptions;
use margo_server_traits::store::Store as _;
use margo_types::Digest;
use margo_types::onboarding::Certificate;
use margo_types::signature::Tolerance;
use margo_types::status::DeploymentState;

use super::files::Plant;
use super::fleet_manager::{FleetManager, database, quick_signed};
use super::station::deployment;
use crate::interop::{
    ED25519, Key, P256, P384, RSA, assert_recorded, deployment as recorded_deployment, recorded,
    recorded_client, text,
};

#[tokio::test]
async fn recorded_agents_get_recorded_answers() {
    for profile in Profile::ALL {
        let place = Place::new(profile, profile.agent.signing.tolerances).await;
        for name in [
            "onboarding",
            "capabilities",
            "manifest",
            "bundle",
            "document",
            "status-installing",
            "status-installed",
            "manifest-held",
            "status-removed",
        ] {
            let answer = place.send(name).await;
            let mut answer_text = answer.to_text();
            if name == "bundle" && answer.status == 200 {
                let (head, _) = answer_text.split_once("\n\n").unwrap();
                answer_text = format!("{head}\n\n{}", Digest::of(&answer.body));
            }
            if !answer_text.ends_with('\n') {
                answer_text.push('\n');
            }
            assert_recorded(profile, &format!("server/{name}"), &answer_text);
        }
        let client = recorded_client(profile);
        let reports = place.wfm.store.statuses(Some(&client)).await.unwrap();
        assert_eq!(reports.len(), 1);
        let devices = place.wfm.store.devices(Some(&client)).await.unwrap();
        assert_eq!(devices.len(), 1);
    }
}

#[tokio::test]
async fn keys_of_the_field_are_accepted() {
    for (profile, name, tolerances) in [
        (Profile::STRICT, "manifest-p256", &[][..]),
        (Profile::SYMPHONY_2025_12, "manifest-p256", &[]),
        (Profile::SYMPHONY_2025_12, "manifest-rsa", &[]),
        (Profile::SANDBOX_9421_2026, "manifest-p384", &[]),
        (Profile::SANDBOX_9421_2026, "manifest-rsa", &[]),
        // The template of the specification names no algorithm.
        (
            Profile::STRICT,
            "manifest-rsa-v1_5",
            &[Tolerance::AnyRsaPadding],
        ),
    ] {
        let place = Place::new(profile, tolerances).await;
        let answer = place.send(name).await;
        assert_eq!(answer.status, 200, "{} {name}: {answer:?}", profile.name);
        let again = place.send(name).await;
        assert_eq!(again.status, 401, "{} {name}: {again:?}", profile.name);
    }
}

#[tokio::test]
async fn without_its_tolerance_an_agent_is_refused() {
    for (profile, name, reason) in [
        (Profile::SYMPHONY_2025_12, "capabilities", "content-digest"),
        (
            Profile::SYMPHONY_2025_12,
            "status-installed",
            "content-digest",
        ),
        (Profile::STRICT, "manifest-rsa-v1_5", "algorithm"),
    ] {
        let place = Place::new(profile, &[]).await;
        let answer = place.send(name).await;
        assert_eq!(answer.status, 401, "{} {name}: {answer:?}", profile.name);
        let why = text(&answer.body);
        assert!(why.contains(reason), "{} {name}: {why}", profile.name);
    }
}

#[tokio::test]
async fn agents_of_the_field_live_with_our_fleet_manager() {
    for profile in Profile::ALL {
        for key in [P256, RSA] {
            let plant = Plant::new();
            let tolerances = profile.agent.signing.tolerances;
            let keys = plant.wfm_keys();
            let options = tolerating(quick_signed(), tolerances);
            let wfm = FleetManager::start_on(&keys, &database(&plant), [0, 0], options).await;
            let url = wfm.signed_url();
            let mut agent =
                FakeAgent::new(profile, &url, &plant.authority, key.key, key.certificate);
            assert_eq!(agent.enrol().await.unwrap_err().status, 202);
            wfm.approve("line-1").await;
            assert_eq!(agent.enrol().await.unwrap().as_str(), "line-1");
            assert_eq!(agent.report_capabilities().await.status, 201);
            let id = if profile.agent.device_is_client {
                "line-1"
            } else {
                "press-line-7"
            };
            wfm.until_devices("line-1", &[id]).await;

            assert!(agent.sync().await.is_empty());
            for revision in ["1.0", "2.0"] {
                wfm.publish("line-1", &[deployment(1, revision)]).await;
                for answer in agent.sync().await {
                    assert_eq!(answer.status, 200, "{} {answer:?}", profile.name);
                }
                wfm.until_reported("line-1", 1, &DeploymentState::Installed)
                    .await;
            }
            wfm.publish("line-1", &[]).await;
            assert_eq!(agent.sync().await.len(), 2);
            wfm.until_reported("line-1", 1, &DeploymentState::Removed)
                .await;
        }
    }
}

/// Our fleet manager, to which the recorded agent of a profile is enrolled.
struct Place {
    _plant: Plant,
    profile: Profile,
    wfm: FleetManager,
    agent: FakeAgent,
}

impl Place {
    /// One that tolerates this, and takes signatures of the time of the recording.
    async fn new(profile: Profile, tolerances: &[Tolerance]) -> Self {
        let plant = Plant::new();
        let keys = plant.wfm_keys();
        let mut options = tolerating(quick_signed(), tolerances);
        options.policy.max_age = Duration::from_hours(24 * 365 * 50);
        let wfm = FleetManager::start_on(&keys, &database(&plant), [0, 0], options).await;
        let client = recorded_client(profile);
        for Key { certificate, .. } in [ED25519, P256, P384, RSA] {
            let credential = Credential::Certificate(Certificate::from_text(certificate));
            let registered = wfm.registrar.register(&credential, &client, "");
            registered.await.unwrap();
        }
        let deployments = [recorded_deployment()];
        let published = wfm.publisher.publish(&client, &deployments);
        published.await.unwrap();
        let Key { key, certificate } = ED25519;
        Self {
            agent: FakeAgent::new(
                profile,
                &wfm.signed_url(),
                &plant.authority,
                key,
                certificate,
            ),
            _plant: plant,
            profile,
            wfm,
        }
    }

    /// Sends what the agent of the profile was recorded to send.
    async fn send(&self, name: &str) -> margo_conformance::agent::RawAnswer {
        let request = recorded(self.profile, &format!("agent/{name}"));
        self.agent.send(&request).await
    }
}

fn tolerating(mut options: SignedOptions, tolerances: &[Tolerance]) -> SignedOptions {
    options.policy.tolerances.extend(tolerances);
    options
}
