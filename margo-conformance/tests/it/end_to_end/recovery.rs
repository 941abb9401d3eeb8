//! Fleet managers that forget, are killed, or publish in two places at once.

use std::fs;

use margo_client::agent::Contact;
use margo_types::status::DeploymentState;

use super::files::Plant;
use super::fleet_manager::{FleetManager, database};
use super::process::Process;
use super::station::{deployment, id};

/// The number of the deployments that two publishers publish.
const MANY: u8 = 6;

#[tokio::test]
async fn devices_accept_again_after_yesterdays_backup_was_restored() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let stations = ["line-1", "line-2"].map(|client| (client, plant.station(client)));
    let mut agents = Vec::new();
    for (client, station) in &stations {
        wfm.publish(client, &[deployment(1, "1.0")]).await;
        agents.push(station.start(&wfm.url()).await);
    }
    for agent in &agents {
        agent.until_installed(&[1]).await;
    }
    let backup = plant.folder("backup").join("yesterday.db");
    wfm.store.backup(&backup).await.unwrap();

    // What was done since is lost: for the first device one version, for the second one a few.
    for (client, version) in [("line-1", 2..=2), ("line-2", 2..=5)] {
        for number in version {
            let revision = format!("{number}.0");
            wfm.publish(client, &[deployment(1, &revision)]).await;
        }
    }
    let newest = ["2.0", "5.0"];
    for ((agent, (_, station)), newest) in agents.iter().zip(&stations).zip(newest) {
        agent
            .until("updated", |_| {
                station.machine.runs(1).as_deref() == Some(newest)
            })
            .await;
        agent.until_installed(&[1]).await;
    }
    let held: Vec<_> = agents
        .iter()
        .map(|it| it.handle.snapshot().manifest.unwrap())
        .collect();
    let port = wfm.address.port();
    wfm.stop().await;
    let file = database(&plant);
    for beside in ["fleet.db-wal", "fleet.db-shm"] {
        let _ = fs::remove_file(file.with_file_name(beside));
    }
    fs::copy(&backup, &file).unwrap();
    let wfm = FleetManager::start_at(&plant.wfm_keys(), &file, port).await;

    // The operator of the first device goes on publishing, and meets a version that its device has with other content.
    wfm.publish("line-1", &[deployment(1, "2.1")]).await;
    let restored = ["2.1", "1.0"];
    for (((agent, (_, station)), restored), held) in
        agents.iter().zip(&stations).zip(restored).zip(held)
    {
        agent
            .until("accepted again", |it| {
                it.manifest > Some(held) && station.machine.runs(1).as_deref() == Some(restored)
            })
            .await;
        agent.until_installed(&[1]).await;
        agent
            .until("online", |it| it.contact == Contact::Online)
            .await;
    }
}

#[tokio::test]
async fn two_publishers_at_once_lose_nothing_and_confuse_nobody() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    let station = plant.station("line-1");
    let agent = station.start(&wfm.url()).await;
    let publish = |first: u8| {
        let wfm = &wfm;
        async move {
            let mut versions = Vec::new();
            for number in first..first + MANY {
                versions.push(wfm.assign("line-1", deployment(number, "1.0")).await);
            }
            versions
        }
    };
    let (left, right) = tokio::join!(publish(1), publish(1 + MANY));
    assert!(left.is_sorted() && right.is_sorted());
    let mut all = [left, right].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(
        all.len(),
        usize::from(2 * MANY),
        "every change has a version of its own"
    );

    let numbers: Vec<u8> = (1..=2 * MANY).collect();
    let snapshot = agent.until_installed(&numbers).await;
    assert_eq!(snapshot.security_events, 0);
    assert_eq!(snapshot.manifest.unwrap().get(), *all.last().unwrap());
    for number in numbers {
        wfm.until_reported("line-1", number, &DeploymentState::Installed)
            .await;
    }
}

#[tokio::test]
async fn a_fleet_manager_that_is_killed_carries_on_at_its_port() {
    let plant = Plant::new();
    // Only to find a port and to make the files.
    let wfm = FleetManager::start(&plant).await;
    let (port, url) = (wfm.address.port(), wfm.url());
    wfm.stop().await;
    let station = plant.station("line-1");
    let process = |revision: &str| Process::wfm(&plant, port, "line-1", revision);

    let running = process("1.0");
    let agent = station.start(&url).await;
    agent.until_installed(&[1]).await;
    running.kill();
    agent
        .until("alone", |it| it.contact == Contact::Failing)
        .await;
    let component = super::station::component();
    let machine = &station.machine.engine;
    machine
        .break_component(id(1), &component, "fell over")
        .unwrap();
    agent
        .until("repaired", |it| {
            it.outbox >= 2 && station.journal.count("apply app-1 1.0") == 2
        })
        .await;

    let running = process("2.0");
    agent
        .until("updated", |_| {
            station.machine.runs(1).as_deref() == Some("2.0")
        })
        .await;
    agent.until_installed(&[1]).await;
    running.kill();

    // What it acknowledged before it was killed is in its file.
    let wfm = FleetManager::start_at(&plant.wfm_keys(), &database(&plant), 0).await;
    let reports = wfm.reports("line-1", 1).await;
    let is = |number: usize, state: &DeploymentState| {
        let outcomes = reports.iter().filter(|it| {
            matches!(
                it.status.state,
                DeploymentState::Installed | DeploymentState::Failed
            )
        });
        outcomes
            .clone()
            .nth(number)
            .is_some_and(|it| it.status.state == *state)
    };
    assert!(is(0, &DeploymentState::Installed), "{reports:#?}");
    assert!(is(1, &DeploymentState::Failed), "{reports:#?}");
    assert_eq!(
        reports.last().unwrap().status.state,
        DeploymentState::Installed
    );
    assert_eq!(wfm.devices("line-1").await.len(), 1);
}
