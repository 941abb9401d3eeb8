//! The real fleet manager: publisher, registrar, service and servers of both generations over an SQLite file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use margo_conformance::program;
use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::server::{CertificateFiles, IdentityFiles, Server, ServerOptions};
use margo_server_traits::signed::SignedOptions;
use margo_server_traits::store::{
    ClientRecord, EnrolmentRecord, EnrolmentState, SqliteStore, Store as _,
};
use margo_server_traits::{Fleet, FleetService, Registrar, StoreFleet};
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::onboarding::Certificate;
use margo_types::status::{DeploymentState, DeploymentStatus};
use margo_types::svid::Identity;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::files::{GLANCE, Keys, Plant, client_id, eventually};
use super::station::id;

/// A fleet manager that serves both generations until it is stopped.
#[derive(Debug)]
pub(super) struct FleetManager {
    pub(super) store: Arc<SqliteStore>,
    pub(super) publisher: Publisher,
    pub(super) registrar: Registrar,
    pub(super) identity: Identity,
    pub(super) address: SocketAddr,
    /// Where clients that sign connect.
    pub(super) signed_address: SocketAddr,
    pub(super) service: FleetService,
    stop: watch::Sender<bool>,
    servers: [JoinHandle<()>; 2],
    watch: JoinHandle<()>,
}

impl FleetManager {
    /// A new one with an empty store. Nobody takes its ports while it is down.
    pub(super) async fn start(plant: &Plant) -> Self {
        let ports = [program::free_port(), program::free_port()];
        Self::start_on(&plant.wfm_keys(), &database(plant), ports, quick_signed()).await
    }

    /// One with these keys, this file, and this port; 0 for any.
    pub(super) async fn start_at(keys: &Keys, database: &Path, port: u16) -> Self {
        Self::start_on(keys, database, [port, 0], quick_signed()).await
    }

    /// The same with a port for clients that sign, and what is demanded of them.
    pub(super) async fn start_on(
        keys: &Keys,
        database: &Path,
        ports: [u16; 2],
        signed: SignedOptions,
    ) -> Self {
        let store = eventually("is the store free", || async {
            SqliteStore::open(database).await.ok()
        });
        let store = Arc::new(store.await);
        let [svid, key, bundle] = keys.paths();
        let watch = IdentityFiles::new(svid, key, bundle).watch().unwrap();
        let identity = watch.identity().clone();
        let [certificate, key, root] = keys.tls_paths();
        let root = Certificate::from_text(std::fs::read_to_string(root).unwrap());
        let fleet = StoreFleet::new(store.clone())
            .accept_namespace()
            .root_certificate(root);
        let fleet = Arc::new(fleet);
        let service = FleetService::new(keys.id().clone(), Fleet::of(Arc::clone(&fleet)))
            .with_enrolment(fleet.clone(), signed);
        let (stop, stopped) = watch::channel(false);
        let [listener, signed_listener] = [listen(ports[0]).await, listen(ports[1]).await];
        let address = listener.local_addr().unwrap();
        let signed_address = signed_listener.local_addr().unwrap();
        let certificate = CertificateFiles::new(certificate, key).load().unwrap();
        let mutual = Server::new(identity.clone(), service.clone(), quick_server());
        let server_only = Server::server_only(certificate, service.clone(), quick_server());
        let until = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|is| *is).await;
        };
        let (first, second) = (until(stopped.clone()), until(stopped));
        Self {
            publisher: fleet.publisher().clone(),
            registrar: Registrar::new(store.clone()),
            store,
            identity,
            address,
            signed_address,
            service,
            stop,
            servers: [
                tokio::spawn(async move { mutual.serve(listener, first).await.unwrap() }),
                tokio::spawn(
                    async move { server_only.serve(signed_listener, second).await.unwrap() },
                ),
            ],
            watch: tokio::spawn(watch.run(GLANCE)),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where clients that sign connect.
    pub(super) fn signed_url(&self) -> String {
        format!("https://{}", self.signed_address)
    }

    /// Stops it, and waits until its file is whole and closed.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        for server in &mut self.servers {
            server.await.unwrap();
        }
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

    /// Waits until a certificate waits for the operator.
    pub(super) async fn until_asked(&self) -> EnrolmentRecord {
        eventually("does a client ask", || async {
            let all = self.store.enrolments(None).await.unwrap();
            let mut all = all.into_iter();
            all.find(|it| it.state == EnrolmentState::Pending)
        })
        .await
    }

    /// Waits until a client asks, and accepts it under this id.
    pub(super) async fn approve(&self, client: &str) {
        let asked = self.until_asked().await;
        let client = client_id(client);
        let approved = self
            .registrar
            .approve(&asked.fingerprint, Some(&client), "");
        approved.await.unwrap();
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
        for task in self.servers.iter().chain([&self.watch]) {
            task.abort();
        }
    }
}

async fn listen(port: u16) -> TcpListener {
    eventually("is the port free", || async {
        TcpListener::bind(("127.0.0.1", port)).await.ok()
    })
    .await
}

pub(super) fn quick_server() -> ServerOptions {
    let mut options = ServerOptions::default();
    options.renewal_spread = Duration::from_millis(100);
    options.drain = Duration::from_secs(1);
    options
}

/// Strict, and nobody has to wait to be looked at.
pub(super) fn quick_signed() -> SignedOptions {
    let mut options = SignedOptions::default();
    options.pending_retry_seconds = 0;
    options
}

pub(super) fn database(plant: &Plant) -> PathBuf {
    plant.folder("wfm").join("fleet.db")
}
