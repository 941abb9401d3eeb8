//! The processes that are killed.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use margo_client::Agent;
use margo_client::agent::Snapshot;
use margo_client::api::{ApiOptions, Rc3Api};
use margo_client::identity::IdentityFiles;
use margo_client::state::{FileStore, StateStore as _};
use margo_providers::Provider as _;
use margo_providers::simulated::SimulatedProvider;
use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::server::{IdentityFiles as ManagerFiles, Server, ServerOptions};
use margo_server_traits::store::{SqliteStore, Store};
use margo_server_traits::{Fleet, FleetService, StoreFleet};
use margo_types::id::ClientId;
use margo_types::status::DeploymentState;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use url::Url;

use super::super::action::SLOTS;
use super::super::random::Random;
use super::super::wishes::{deployment, deployment_id};
use super::super::{device, in_full};
use super::{Failure, Line, Role};

/// Plays a role until the process is killed or its standard input ends.
///
/// # Errors
/// When it cannot go on; the parent is told as well.
pub async fn play(role: Role) -> Result<(), Failure> {
    let played = match role {
        Role::Manager {
            folder,
            seed,
            devices,
        } => manager(&folder, seed, devices).await,
        Role::Device {
            folder,
            url,
            client,
        } => device(&folder, url, &client).await,
    };
    if let Err(error) = &played {
        tell(&Line::Failed(in_full(&**error)));
    }
    played
}

async fn manager(folder: &Path, seed: u64, devices: usize) -> Result<(), Failure> {
    let [svid, key, bundle] = files(folder);
    let watch = ManagerFiles::new(svid, key, bundle).watch()?;
    let identity = watch.identity().clone();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.join("fleet.db")).await?);
    let clients = (0..devices).map(|number| ClientId::parse(&format!("device-{number}")));
    let clients: Vec<ClientId> = clients.collect::<Result<_, _>>()?;
    for client in &clients {
        let head = store.head(client).await?;
        let version = head.map_or(0, |head| head.version.get());
        tell(&Line::Head(client.to_string(), version));
    }
    let fleet = StoreFleet::new(Arc::clone(&store)).accept_namespace();
    let publisher = fleet.publisher().clone();
    let service = FleetService::new(identity.id().clone(), Fleet::of(Arc::new(fleet)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    tell(&Line::Address(listener.local_addr()?.to_string()));
    let server = Server::new(identity, service, ServerOptions::default());
    let serving = tokio::spawn(server.serve(listener, std::future::pending()));
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut random = Random::new(seed);
    // Until it is told to rest it changes what should run; afterwards it says when everything was reported.
    let mut is_at_rest = false;
    loop {
        tokio::select! {
            order = orders.next_line() => match order? {
                Some(_) => is_at_rest = true,
                None => break,
            },
            () = tokio::time::sleep(random.millis(5, 40)) => {
                if !is_at_rest {
                    change(&publisher, &clients, &mut random).await?;
                } else if let Some(sum) = reported(&*store, &clients).await? {
                    tell(&Line::Reported(sum));
                }
            }
        }
    }
    serving.abort();
    Ok(())
}

/// Changes the desired state of some client.
async fn change(
    publisher: &Publisher,
    clients: &[ClientId],
    random: &mut Random,
) -> Result<(), Failure> {
    let number = u8::try_from(random.below(clients.len() as u64))?;
    let Some(client) = clients.get(usize::from(number)) else {
        return Ok(());
    };
    let slot = u8::try_from(random.below(SLOTS))?;
    let (id, revision) = (deployment_id(number, slot), random.below(1 << 20));
    let wanted = deployment(client, id, revision, 0)?;
    let head = publisher.change(client, |all| {
        let was_there = all.remove(&id).is_some();
        if !was_there || revision.is_multiple_of(2) {
            all.insert(id, wanted.clone());
        }
        Ok::<_, PublishError>(())
    });
    let version = head.await?.version.get();
    tell(&Line::Published(client.to_string(), version));
    Ok(())
}

/// The sum of the newest versions, if everything was reported as desired.
async fn reported(store: &dyn Store, clients: &[ClientId]) -> Result<Option<u64>, Failure> {
    let mut sum = 0;
    for client in clients {
        let assigned = store.assigned(client).await?;
        let reports = store.statuses(Some(client)).await?;
        let is_assigned = |id| assigned.iter().any(|(own, _)| *own == id);
        let is_told = assigned.iter().all(|(id, _)| {
            let mut about = reports.iter().filter(|report| report.deployment == *id);
            about.any(|report| report.state == DeploymentState::Installed)
        });
        let mut gone = reports.iter().filter(|it| !is_assigned(it.deployment));
        if !is_told || !gone.all(|report| report.state == DeploymentState::Removed) {
            return Ok(None);
        }
        let head = store.head(client).await?;
        sum += head.map_or(0, |head| head.version.get());
    }
    Ok(Some(sum))
}

async fn device(folder: &Path, url: Url, client: &ClientId) -> Result<(), Failure> {
    let [svid, key, bundle] = files(folder);
    let identity = IdentityFiles::new(svid, key, bundle).load()?;
    let state = FileStore::open(folder.join("state.redb"), identity.id()).await?;
    let held = state.load().await?.accepted;
    tell(&Line::Holds(held.map_or(0, |held| held.version.get())));
    let engine = Arc::new(SimulatedProvider::in_directory(folder.join("engine"))?);
    let mut options = ApiOptions::default();
    options.connect = Duration::from_secs(2);
    options.exchange = Duration::from_secs(5);
    let api = Rc3Api::with_options(url, identity, options)?;
    let provider: Arc<dyn margo_providers::Provider> = engine.clone();
    let agent = Agent::builder(Arc::new(api), Arc::new(state))
        .device(device::capabilities(client.as_str())?, [provider])
        .schedule(device::schedule()?)
        .retry(device::retry())
        .options(device::options())
        .build()
        .await?;
    let mut snapshots = agent.handle().watch();
    let telling = async {
        let mut last = (0, false);
        while snapshots.changed().await.is_ok() {
            let snapshot = snapshots.borrow_and_update().clone();
            let version = snapshot
                .manifest
                .map_or(0, margo_types::manifest::ManifestVersion::get);
            let running = engine.list().await.map_or(usize::MAX, |all| all.len());
            let now = (version, is_settled(&snapshot, running));
            if now.0 != last.0 {
                tell(&Line::Accepted(version));
            }
            if now.1 && now != last {
                tell(&Line::Runs(version));
            }
            last = now;
        }
    };
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let orders = async { while let Ok(Some(_)) = orders.next_line().await {} };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        () = telling => {}
        () = orders => {}
    }
    Ok(())
}

fn is_settled(snapshot: &Snapshot, running: usize) -> bool {
    let mut views = snapshot.deployments.values();
    snapshot.outbox == 0
        && snapshot.deployments.len() == running
        && views
            .all(|view| view.state == DeploymentState::Installed && view.applied == view.revision)
}

/// SVID, key and trust bundle.
pub(super) fn files(folder: &Path) -> [std::path::PathBuf; 3] {
    ["svid.pem", "key.pem", "bundle.json"].map(|name| folder.join(name))
}

fn tell(line: &Line) {
    let mut out = std::io::stdout().lock();
    // Without a parent nobody is left to tell.
    let _ = writeln!(out, "{}", line.text()).and_then(|()| out.flush());
}
