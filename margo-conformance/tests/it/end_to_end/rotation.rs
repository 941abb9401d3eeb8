//! Identities, trust and policy that change while everybody goes on.

use std::time::Duration;

use margo_client::agent::Contact;
use margo_conformance::authority::{Authority, Lifetime};
use margo_types::svid::Identity;
use margo_types::trust::TrustBundle;

use super::files::{Plant, domain, eventually};
use super::fleet_manager::FleetManager;
use super::station::{deployment, deployment_for};

#[tokio::test]
async fn svids_and_trust_bundles_are_rotated_without_a_restart() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let station = plant.station("line-1");
    wfm.publish("line-1", &[deployment(1, "1.0")]).await;
    let agent = station.start(&wfm.url()).await;
    agent.until_installed(&[1]).await;

    let (old, new) = (&plant.authority, Authority::new(&domain()));
    let both = TrustBundle::of_anchors(&[old.anchor(), new.anchor()]).unwrap();
    let wfm_keys = plant.wfm_keys();
    let identities = [agent.identity(), &wfm.identity];

    renewed(identities, || {
        station.keys.trust(&both);
        wfm_keys.trust(&both);
    })
    .await;
    agent.until_polled(2).await;

    // One after the other: both roots are trusted by both.
    renewed([&wfm.identity], || {
        wfm_keys.issue(&new, Lifetime::default());
    })
    .await;
    agent.until_polled(2).await;
    renewed([agent.identity()], || {
        station.keys.issue(&new, Lifetime::default());
    })
    .await;
    agent.until_polled(2).await;

    renewed(identities, || {
        station.keys.trust(&new.bundle());
        wfm_keys.trust(&new.bundle());
    })
    .await;
    agent.until_polled(2).await;
    wfm.publish("line-1", &[deployment(1, "2.0")]).await;
    agent
        .until("updated", |_| {
            station.machine.runs(1).as_deref() == Some("2.0")
        })
        .await;
    agent.until_installed(&[1]).await;

    // The old root counts for nothing now.
    let intruder = plant.station("intruder");
    intruder.keys.trust(&both);
    let refused = intruder.start(&wfm.url()).await;
    let snapshot = refused
        .until("refused", |it| it.contact == Contact::Failing)
        .await;
    assert_eq!(snapshot.manifest, None);
}

#[tokio::test]
async fn an_expired_svid_is_said_and_a_new_one_is_enough_to_go_on() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let station = plant.station("line-1");
    station
        .keys
        .issue(&plant.authority, Lifetime::lasting(Duration::from_secs(2)));
    wfm.publish("line-1", &[deployment(1, "1.0")]).await;
    let agent = station.start(&wfm.url()).await;
    let expired = agent.until("expired", |it| {
        let error = it.last_error.as_deref().unwrap_or_default();
        error.contains("expired at")
    });
    expired.await;

    wfm.publish("line-1", &[deployment(1, "2.0")]).await;
    station.keys.issue(&plant.authority, Lifetime::default());
    agent
        .until("updated", |_| {
            station.machine.runs(1).as_deref() == Some("2.0")
        })
        .await;
    agent.until_installed(&[1]).await;
    assert_eq!(agent.handle.snapshot().last_error, None);
}

#[tokio::test]
async fn a_client_that_is_refused_keeps_what_it_has_until_it_is_accepted_again() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let (station, other) = (plant.station("line-1"), plant.station("line-2"));
    wfm.publish("line-1", &[deployment(1, "1.0")]).await;
    let agent = station.start(&wfm.url()).await;
    let untouched = other.start(&wfm.url()).await;
    agent.until_installed(&[1]).await;

    // On the connection that is open.
    wfm.accept("line-1", false).await;
    let refused = agent
        .until("refused", |it| it.contact == Contact::Failing)
        .await;
    assert!(
        refused.last_error.as_deref().unwrap().contains("403"),
        "{refused:#?}"
    );
    untouched.until_polled(1).await;

    // What happens meanwhile is kept for later, and what is published is not seen.
    wfm.publish("line-1", &[deployment_for("edge", 1, "2.0")])
        .await;
    let component = super::station::component();
    let broken =
        station
            .machine
            .engine
            .break_component(super::station::id(1), &component, "fell over");
    broken.unwrap();
    agent
        .until("repaired", |it| {
            it.outbox >= 2 && station.journal.count("apply app-1 1.0") == 2
        })
        .await;
    assert_eq!(station.journal.count("apply app-1 2.0"), 0);

    wfm.accept("line-1", true).await;
    agent
        .until("updated", |_| {
            station.machine.runs(1).as_deref() == Some("2.0")
        })
        .await;
    agent.until_installed(&[1]).await;
    let fell = |error: &margo_types::status::StatusError| error.message.contains("fell over");
    eventually("is the fall known", || async {
        let reports = wfm.reports("line-1", 1).await;
        let mut components = reports.iter().flat_map(|it| &it.components);
        components
            .find(|it| it.error.as_ref().is_some_and(fell))
            .map(drop)
    })
    .await;
}

/// Changes files, and waits until everybody has taken them over.
async fn renewed<const N: usize>(identities: [&Identity; N], change: impl FnOnce()) {
    let before = identities.map(Identity::generation);
    change();
    for (identity, before) in identities.iter().zip(before) {
        eventually("is the identity taken over", || async {
            (identity.generation() > before).then_some(())
        })
        .await;
    }
}
