//! The signed generation with its real parts: agents that sign against the fleet manager, beside those with SVIDs.

use margo_client::agent::Snapshot;
use margo_client::api::Dialect;
use margo_conformance::authority::Lifetime;
use margo_server_traits::Credential;
use margo_server_traits::publish::PublishError;
use margo_server_traits::store::Store as _;
use margo_types::deployment::ApplicationDeployment;
use margo_types::onboarding::Certificate;
use margo_types::status::DeploymentState;
use margo_types::{Digest, SpecVersion, read};

use super::files::{Plant, client_id, eventually};
use super::fleet_manager::{FleetManager, database, quick_signed};
use super::signed_station::SignedStation;
use super::station::{at_level, deployment, deployment_for};

#[tokio::test]
async fn a_client_is_approved_and_a_deployment_lives_through_restarts() {
    let plant = Plant::new();
    let keys = plant.wfm_keys();
    let wfm = FleetManager::start(&plant).await;
    let line = SignedStation::new(&plant, "line-1", Dialect::COMMON);
    let agent = line.start(&wfm.signed_url()).await;
    wfm.until_asked().await;
    agent
        .until("told to wait", |it| it.consecutive_failures > 1)
        .await;
    assert!(wfm.store.clients().await.unwrap().is_empty());
    wfm.approve("line-1").await;
    wfm.until_devices("line-1", &["edge"]).await;

    for (wanted, running) in [
        (deployment(1, "1.0"), "1.0"),
        (deployment(1, "2.0"), "2.0"),
        (at_level(deployment(1, "2.0"), "7"), "2.0 at 7"),
    ] {
        let version = wfm.publish("line-1", &[wanted]).await;
        let accepted = agent.until("accepted", |it| {
            it.manifest.is_some_and(|it| it.get() == version)
        });
        accepted.await;
        agent.until_installed(&[1]).await;
        assert_eq!(line.station.machine.runs(1).as_deref(), Some(running));
        wfm.until_reported("line-1", 1, &DeploymentState::Installed)
            .await;
    }

    // The agent starts again, then the fleet manager does.
    agent.kill().await;
    let agent = line.start(&wfm.signed_url()).await;
    agent.until_polled(2).await;
    let ports = [wfm.address.port(), wfm.signed_address.port()];
    wfm.stop().await;
    let wfm = FleetManager::start_on(&keys, &database(&plant), ports, quick_signed()).await;
    agent.until_polled(2).await;
    assert_eq!(
        line.station.journal.count("remove "),
        0,
        "nothing was made anew"
    );

    wfm.publish("line-1", &[]).await;
    wfm.until_reported("line-1", 1, &DeploymentState::Removed)
        .await;
    agent.until_installed(&[]).await;
    let snapshot = agent.handle.snapshot();
    assert_eq!((snapshot.refused_reports, snapshot.security_events), (0, 0));
    assert_eq!(
        wfm.store.clients().await.unwrap().len(),
        1,
        "it enrolled once"
    );
}

#[tokio::test]
async fn one_fleet_manager_gives_the_same_deployment_to_both_generations() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let newest = plant.station("line-3");
    let signed = SignedStation::new(&plant, "line-1", Dialect::COMMON);
    let newest_agent = newest.start(&wfm.url()).await;
    let signed_agent = signed.start(&wfm.signed_url()).await;
    wfm.approve("line-1").await;
    for client in ["line-1", "line-3"] {
        wfm.until_devices(client, &["edge"]).await;
        wfm.publish(client, &[at_level(deployment(1, "1.0"), "7")])
            .await;
    }
    for (client, agent, machine) in [
        ("line-3", &newest_agent, &newest.machine),
        ("line-1", &signed_agent, &signed.station.machine),
    ] {
        agent.until_installed(&[1]).await;
        assert_eq!(machine.runs(1).as_deref(), Some("1.0 at 7"));
        wfm.until_reported(client, 1, &DeploymentState::Installed)
            .await;
    }
    // Each in the words of its generation, and with the same meaning.
    let mut documents = Vec::new();
    for (client, generation) in [("line-1", SpecVersion::Rc1), ("line-3", SpecVersion::Rc3)] {
        let assigned = wfm.store.assigned(&client_id(client)).await.unwrap();
        let document = read::<ApplicationDeployment>(&assigned[0].1).unwrap();
        assert_eq!(document.generation(), generation);
        documents.push(document.into_value());
    }
    assert_eq!(documents[0], documents[1]);
}

#[tokio::test]
async fn what_the_signed_generation_cannot_express_is_refused_with_the_reason() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let line = SignedStation::new(&plant, "line-1", Dialect::COMMON);
    let agent = line.start(&wfm.signed_url()).await;
    wfm.approve("line-1").await;
    wfm.publish("line-1", &[deployment(1, "1.0")]).await;
    agent.until_installed(&[1]).await;

    let behind = [deployment(1, "1.0"), deployment_for("edge/*", 2, "1.0")];
    let client = client_id("line-1");
    let refused = wfm.publisher.publish(&client, &behind).await.unwrap_err();
    let PublishError::Unrepresentable { source, .. } = &refused else {
        panic!("{refused:?}");
    };
    let why = source.to_string();
    assert!(why.contains("rc.1") && why.contains("deviceId"), "{why}");
    assert!(refused.to_string().contains("line-1"), "{refused}");
    agent.until_polled(2).await;
    agent.until_installed(&[1]).await;
    // The other generation has a word for it.
    wfm.publisher
        .publish(&client_id("line-3"), &behind)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_key_is_renewed_without_a_restart() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let line = SignedStation::new(&plant, "line-1", Dialect::COMMON);
    let agent = line.start(&wfm.signed_url()).await;
    wfm.approve("line-1").await;
    wfm.publish("line-1", &[deployment(1, "1.0")]).await;
    agent.until_installed(&[1]).await;
    let mut enrolled = wfm.store.enrolments(None).await.unwrap();
    let old = enrolled.remove(0);

    let renewed = plant.authority.issue_server(&["line"], Lifetime::default());
    let certificate = Certificate::from_text(renewed.chain_pem.clone());
    let credential = Credential::Certificate(certificate.clone());
    let client = client_id("line-1");
    let registered = wfm.registrar.register(&credential, &client, "renewed");
    registered.await.unwrap();
    line.renew(&renewed);
    let digest = Digest::of(&certificate.der().unwrap()).to_string();
    eventually("is the renewed certificate used", || async {
        (line.record()["client"]["certificate"] == digest).then_some(())
    })
    .await;
    let retired = wfm.registrar.retire(&old.fingerprint, "renewed");
    retired.await.unwrap();
    agent.until_polled(3).await;
    wfm.publish("line-1", &[deployment(1, "2.0")]).await;
    agent
        .until("2.0 runs", |_| {
            line.station.machine.runs(1).as_deref() == Some("2.0")
        })
        .await;
    wfm.until_reported("line-1", 1, &DeploymentState::Installed)
        .await;
    assert_eq!(wfm.store.clients().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lost_record_costs_nothing_and_refusals_are_told() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let line = SignedStation::new(&plant, "line-1", Dialect::COMMON);
    let agent = line.start(&wfm.signed_url()).await;
    wfm.approve("line-1").await;
    wfm.publish("line-1", &[deployment(1, "1.0")]).await;
    agent.until_installed(&[1]).await;
    agent.kill().await;
    line.lose_record();
    let agent = line.start(&wfm.signed_url()).await;
    agent.until_polled(2).await;
    agent.until_installed(&[1]).await;
    assert_eq!(line.record()["client"]["id"], "line-1");

    let is_told = |it: &Snapshot, what: &str| {
        let error = it.last_error.as_deref();
        error.is_some_and(|error| error.contains(what))
    };
    let stranger = SignedStation::new(&plant, "line-2", Dialect::COMMON);
    let strange_agent = stranger.start(&wfm.signed_url()).await;
    let asked = wfm.until_asked().await.fingerprint;
    let rejected = wfm.registrar.reject(&asked, "there is no line 2");
    rejected.await.unwrap();
    strange_agent
        .until("rejected", |it| is_told(it, "there is no line 2"))
        .await;

    let accepted = wfm.store.enrolments(Some(&client_id("line-1"))).await;
    let accepted = accepted.unwrap()[0].fingerprint;
    let retired = wfm.registrar.retire(&accepted, "stolen");
    retired.await.unwrap();
    agent.until("refused", |it| it.last_error.is_some()).await;
    assert_eq!(line.station.machine.runs(1).as_deref(), Some("1.0"));
}
