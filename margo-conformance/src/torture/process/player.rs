//! The processes that are killed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use margo_client::Agent;
use margo_client::agent::Snapshot;
use margo_client::api::{ApiOptions, Rc3Api};
use margo_client::identity::IdentityFiles;
use margo_client::state::{FileStore, State, StateStore};
use margo_providers::Provider as _;
use margo_providers::simulated::SimulatedProvider;
use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::server::{IdentityFiles as ManagerFiles, Server, ServerOptions};
use margo_server_traits::store::{SqliteStore, StatusRecord, Store};
use margo_server_traits::{Fleet, FleetService, StoreFleet};
use margo_types::Digest;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId, DeviceId, DeviceTarget};
use margo_types::status::DeploymentState;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use url::Url;

use super::super::action::SLOTS;
use super::super::power::Power;
use super::super::random::Random;
use super::super::state::WatchedState;
use super::super::store::WatchedStore;
use super::super::wishes::{deployment, deployment_id};
use super::super::witness::Witness;
use super::super::{Progress, device, in_full};
use super::{Failure, Line, Role};
use crate::host::capabilities;

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
    for record in store.statuses(None).await? {
        tell(&Line::Kept(subject(&record), report(&record)));
    }
    let store: Arc<dyn Store> = Arc::new(WatchedStore {
        inner: store,
        power: Power::on(),
        // The parent judges.
        witness: Witness::new(false, Progress::default()),
        ledger: Arc::default(),
        disk_full: Arc::default(),
        tell: |record, is_done| {
            let line = if is_done { Line::Took } else { Line::Taking };
            tell(&line(subject(record), report(record)));
        },
        drops_reports: false,
    });
    let fleet = StoreFleet::new(Arc::clone(&store)).accept_namespace();
    let publisher = fleet.publisher().clone();
    for client in &clients {
        // The first is published here, and not when the client asks before anything was changed: of that nobody would be told.
        let head = publisher.head(client).await?;
        let (version, digest) = (head.version.get(), head.digest.to_string());
        tell(&Line::Head(client.to_string(), version, digest));
    }
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
                if is_at_rest {
                    for client in &clients {
                        if let Some(wants) = reported(&*store, client).await? {
                            tell(&wants);
                        }
                    }
                } else {
                    change(&publisher, &clients, &mut random).await?;
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
    let target: DeviceTarget = client.as_str().parse()?;
    let wanted = deployment(&target, id, revision, 0)?;
    let head = publisher.change(client, |all| {
        let was_there = all.remove(&id).is_some();
        if !was_there || revision.is_multiple_of(2) {
            all.insert(id, wanted.clone());
        }
        Ok::<_, PublishError>(())
    });
    let head = head.await?;
    let (version, digest) = (head.version.get(), head.digest.to_string());
    tell(&Line::Published(client.to_string(), version, digest));
    Ok(())
}

/// What a client is to run, if everything of it was reported as desired.
async fn reported(store: &dyn Store, client: &ClientId) -> Result<Option<Line>, Failure> {
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
    let version = store.head(client).await?.map_or(0, |it| it.version.get());
    let assigned = assigned
        .iter()
        .map(|(id, bytes)| (*id, Digest::of(bytes)))
        .collect();
    Ok(Some(Line::Wants(
        client.to_string(),
        version,
        contents(&assigned),
    )))
}

async fn device(folder: &Path, url: Url, client: &ClientId) -> Result<(), Failure> {
    let [svid, key, bundle] = files(folder);
    let identity = IdentityFiles::new(svid, key, bundle).load()?;
    let state = FileStore::open(folder.join("state.redb"), identity.id()).await?;
    let held = state.load().await?;
    let accepted = held.accepted.as_ref();
    tell(&Line::Holds(
        accepted.map_or(0, |it| it.version.get()),
        accepted.map_or_else(|| NOTHING.to_owned(), |it| it.digest.to_string()),
        digest(&held),
    ));
    let state: Arc<dyn StateStore> = Arc::new(WatchedState {
        inner: Arc::new(state),
        power: Power::on(),
        // The parent judges.
        witness: Witness::new(false, Progress::default()),
        client: client.clone(),
        memory: Arc::default(),
        disk_full: Arc::default(),
        tell: |state, is_done| {
            let line = if is_done { Line::Wrote } else { Line::Writing };
            tell(&line(digest(state)));
            if let Some(it) = state.accepted.as_ref().filter(|_| is_done) {
                tell(&Line::Accepted(it.version.get(), it.digest.to_string()));
            }
        },
    });
    let engine = Arc::new(SimulatedProvider::in_directory(folder.join("engine"))?);
    let mut options = ApiOptions::default();
    options.connect = Duration::from_secs(2);
    options.exchange = Duration::from_secs(5);
    let api = Rc3Api::with_options(url, identity, options)?;
    let provider: Arc<dyn margo_providers::Provider> = engine.clone();
    let agent = Agent::builder(Arc::new(api), Arc::clone(&state))
        .device(capabilities(&DeviceId::parse(client.as_str())?), [provider])
        .schedule(device::schedule(1)?)
        .retry(device::retry())
        .options(device::options())
        .build()
        .await?;
    let mut snapshots = agent.handle().watch();
    let telling = async {
        let mut last = None;
        while snapshots.changed().await.is_ok() {
            let snapshot = snapshots.borrow_and_update().clone();
            let now = running(&snapshot, &*state, &engine).await;
            if let Some(line) = now.as_ref().filter(|_| now != last) {
                tell(line);
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

/// What runs, if that is all of what is desired, and nothing waits to be reported.
async fn running(
    snapshot: &Snapshot,
    state: &dyn StateStore,
    engine: &SimulatedProvider,
) -> Option<Line> {
    let version = snapshot.manifest?.get();
    let mut views = snapshot.deployments.values();
    let is_settled = snapshot.outbox == 0
        && views
            .all(|view| view.state == DeploymentState::Installed && view.applied == view.revision);
    if !is_settled || engine.list().await.ok()?.len() != snapshot.deployments.len() {
        return None;
    }
    let documents = state.load().await.ok()?.documents;
    let mut found = BTreeMap::new();
    for (id, view) in &snapshot.deployments {
        let revision = view.revision?;
        let document = margo_types::read::<ApplicationDeployment>(documents.get(&revision)?);
        if !engine
            .observe(document.ok()?.value())
            .await
            .ok()?
            .is_installed()
        {
            return None;
        }
        found.insert(*id, revision);
    }
    Some(Line::Runs(version, contents(&found)))
}

/// A digest of these deployments and revisions.
fn contents(deployments: &BTreeMap<DeploymentId, Digest>) -> String {
    Digest::of(format!("{deployments:?}").as_bytes()).to_string()
}

/// A digest of everything that an agent remembers.
fn digest(state: &State) -> String {
    Digest::of(format!("{state:?}").as_bytes()).to_string()
}

/// What a report is about.
fn subject(record: &StatusRecord) -> String {
    let (client, deployment) = (&record.client, &record.deployment);
    format!("{client}/{deployment}/{:?}", record.device)
}

/// A digest of what it says.
fn report(record: &StatusRecord) -> String {
    Digest::of(&record.status).to_string()
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

/// In place of a digest.
const NOTHING: &str = "-";
