//! The real fleet manager: publisher, service and server over an SQLite file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::server::{IdentityFiles, Server, ServerOptions};
use margo_server_traits::store::{ClientRecord, SqliteStore, Store as _};
use margo_server_traits::{Fleet, FleetService, StoreFleet};
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::status::{DeploymentState, DeploymentStatus};
use margo_types::svid::Identity;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::files::{GLANCE, Keys, Plant, client_id, eventually};
use super::station::id;

/// A fleet manager that serves until it is stopped.
#[derive(Debug)]
pub(super) struct FleetManager {
    pub(super) store: Arc<SqliteStore>,
    pub(super) publisher: Publisher,
    pub(super) identity: Identity,
    pub(super) address: SocketAddr,
    stop: Arc<Notify>,
    server: JoinHandle<()>,
    watch: JoinHandle<()>,
}

impl FleetManager {
    /// A new one with an empty store.
    pub(super) async fn start(plant: &Plant) -> Self {
        Self::start_at(&plant.wfm_keys(), &database(plant), 0).await
    }

    /// One with these keys, this file, and this port; 0 for any.
    pub(super) async fn start_at(keys: &Keys, database: &Path, port: u16) -> Self {
        let store = eventually("is the store free", || async {
            SqliteStore::open(database).await.ok()
        });
        let store = Arc::new(store.await);
        let [svid, key, bundle] = keys.paths();
        let watch = IdentityFiles::new(svid, key, bundle).watch().unwrap();
        let identity = watch.identity().clone();
        let fleet = StoreFleet::new(store.clone()).accept_namespace();
        let service = FleetService::new(keys.id().clone(), Fleet::of(Arc::new(fleet)));
        let mut options = ServerOptions::default();
        options.renewal_spread = Duration::from_millis(100);
        options.drain = Duration::from_secs(1);
        let server = Server::new(identity.clone(), service, options);
        let listener = eventually("is the port free", || async {
            TcpListener::bind(("127.0.0.1", port)).await.ok()
        });
        let listener = listener.await;
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        Self {
            publisher: Publisher::new(store.clone()),
            store,
            identity,
            address,
            stop,
            server: tokio::spawn(async move {
                server.serve(listener, stopped.notified()).await.unwrap();
            }),
            watch: tokio::spawn(watch.run(GLANCE)),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Stops it, and waits until its file is whole and closed.
    pub(super) async fn stop(mut self) {
        self.stop.notify_one();
        (&mut self.server).await.unwrap();
        self.store.close().await;
    }

    /// Makes these the deployments of a client.
    pub(super) async fn publish(&self, client: &str, deployments: &[ApplicationDeployment]) -> u64 {
        let client = client_id(client);
        let head = self.publisher.publish(&client, deployments);
        head.await.unwrap().version.get()
    }

    /// Adds a deployment, or replaces that of the same id, whoever publishes at the same time.
    pub(super) async fn assign(&self, client: &str, deployment: ApplicationDeployment) -> u64 {
        let client = client_id(client);
        let head = self.publisher.change(&client, |all| {
            all.insert(deployment.id, deployment.clone());
            Ok::<_, PublishError>(())
        });
        head.await.unwrap().version.get()
    }

    /// Accepts or refuses a client.
    pub(super) async fn accept(&self, client: &str, accepted: bool) {
        let record = ClientRecord::new(client_id(client), accepted);
        self.store.put_client(&record).await.unwrap();
    }

    /// What was reported on a deployment, the oldest first.
    pub(super) async fn reports(&self, client: &str, number: u8) -> Vec<DeploymentStatus> {
        let (client, deployment) = (client_id(client), id(number));
        let history = self.store.history(&client, &deployment, 100);
        let reports = history.await.unwrap().into_iter().rev();
        reports
            .map(|it| margo_types::read(&it.status).unwrap().into_value())
            .collect()
    }

    /// Waits until this is the state of a deployment that was reported last.
    pub(super) async fn until_reported(
        &self,
        client: &str,
        number: u8,
        state: &DeploymentState,
    ) -> DeploymentStatus {
        eventually(&format!("is app-{number} {state}"), || async {
            let last = self.reports(client, number).await.pop();
            last.filter(|it| it.status.state == *state)
        })
        .await
    }

    /// The devices of a client, by id, as they were reported last.
    pub(super) async fn devices(&self, client: &str) -> Vec<DeviceCapabilities> {
        let devices = self.store.devices(Some(&client_id(client))).await.unwrap();
        let read = |bytes: &[u8]| margo_types::read(bytes).unwrap().into_value();
        devices.iter().map(|it| read(&it.capabilities)).collect()
    }

    /// Waits until these are the devices of a client.
    pub(super) async fn until_devices(&self, client: &str, expected: &[&str]) {
        eventually(&format!("are the devices {expected:?}"), || async {
            let devices = self.devices(client).await;
            let ids = devices.iter().map(|it| it.properties.id.as_str());
            ids.eq(expected.iter().copied()).then_some(())
        })
        .await;
    }
}

impl Drop for FleetManager {
    fn drop(&mut self) {
        self.server.abort();
        self.watch.abort();
    }
}

pub(super) fn database(plant: &Plant) -> PathBuf {
    plant.folder("wfm").join("fleet.db")
}
