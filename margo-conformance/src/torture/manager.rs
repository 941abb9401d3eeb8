//! The fleet manager under test: the real service over SQLite, killed and started again.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::server::{Server, ServerOptions};
use margo_server_traits::store::{SqliteStore, Store as _};
use margo_server_traits::{Fleet, FleetService, StoreFleet};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::ClientId;
use margo_types::svid::Identity;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::device::{JumpingClock, is_gone};
use super::power::Power;
use super::store::{Ledger, WatchedStore};
use super::witness::Witness;
use super::{Failure, Sabotage};
use crate::gate::Gate;
use crate::server::lock;

/// A fleet manager, dead or alive, behind one address.
#[derive(Debug)]
pub(super) struct Manager {
    pub(super) identity: Identity,
    /// Where everybody connects.
    pub(super) front: Gate,
    pub(super) life: Option<Life>,
    /// By which it judges certificates.
    pub(super) skew: Arc<JumpingClock>,
    pub(super) disk_full: Arc<AtomicBool>,
    path: PathBuf,
    backup: Option<PathBuf>,
    clients: Vec<ClientId>,
    witness: Arc<Witness>,
    ledger: Arc<Mutex<Ledger>>,
    sabotage: Option<Sabotage>,
}

/// One life of it.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) power: Arc<Power>,
    pub(super) store: Arc<WatchedStore>,
    pub(super) publisher: Publisher,
    /// When it is killed at the latest, once its power is armed.
    pub(super) deadline: Option<Instant>,
    file: Arc<SqliteStore>,
    serving: JoinHandle<()>,
}

impl Manager {
    pub(super) async fn new(
        path: PathBuf,
        identity: Identity,
        clients: Vec<ClientId>,
        witness: Arc<Witness>,
        sabotage: Option<Sabotage>,
    ) -> Self {
        let front = Gate::to("127.0.0.1:9").await;
        front.close().await;
        let skew: Arc<JumpingClock> = Arc::default();
        Self {
            identity: identity.with_clock(skew.clone()),
            front,
            life: None,
            skew,
            disk_full: Arc::default(),
            path,
            backup: None,
            clients,
            witness,
            ledger: Arc::default(),
            sabotage,
        }
    }

    /// Starts it, if it is dead, and compares what it has with what it had.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        if self.life.is_some() {
            return Ok(());
        }
        let power = Power::on();
        let file = Arc::new(SqliteStore::open(&self.path).await?);
        let store = Arc::new(WatchedStore {
            inner: file.clone(),
            power: Arc::clone(&power),
            witness: Arc::clone(&self.witness),
            ledger: Arc::clone(&self.ledger),
            disk_full: Arc::clone(&self.disk_full),
            tell: |_, _| {},
            drops_reports: self.sabotage == Some(Sabotage::ManagerDropsReports),
        });
        store.look_back(&self.clients).await?;
        let fleet = StoreFleet::new(store.clone()).accept_namespace();
        let publisher = fleet.publisher().clone();
        let service = FleetService::new(self.identity.id().clone(), Fleet::of(Arc::new(fleet)));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        self.front.lead_to(&listener.local_addr()?.to_string());
        let mut options = ServerOptions::default();
        options.renewal_spread = Duration::from_millis(500);
        let server = Server::new(self.identity.clone(), service, options);
        let serving = tokio::spawn(async move {
            let _ = server.serve(listener, std::future::pending()).await;
        });
        self.front.open();
        self.life = Some(Life {
            power,
            store,
            publisher,
            deadline: None,
            file,
            serving,
        });
        Ok(())
    }

    /// Kills it; gives the point at which it died.
    pub(super) async fn kill(&mut self) -> Option<&'static str> {
        let life = self.life.take()?;
        let Life {
            power,
            store,
            publisher,
            file,
            serving,
            ..
        } = life;
        self.witness.progress.manager_was_killed();
        power.cut();
        // Nobody hears from it any more, so that it cannot answer for what was done after its death.
        self.front.close().await;
        serving.abort();
        let _ = serving.await;
        power.bury();
        drop((store, publisher));
        // The threads of the database may be within a write. In a process that is killed they end with it; here the next
        // life must not begin before that.
        file.close().await;
        drop(file);
        if !is_gone(&power).await {
            self.witness
                .violation("something of the killed fleet manager is still alive: a task leaks");
        }
        power.place()
    }

    /// Has its store forget everything that is superseded, if it is alive. Only when nobody asks for that any more.
    pub(super) async fn prune(&self) -> Result<(), Failure> {
        if let Some(life) = &self.life {
            life.store.prune(Timestamp::now()).await?;
        }
        Ok(())
    }

    /// Copies its store, if it is alive.
    pub(super) async fn back_up(&mut self) -> Result<bool, Failure> {
        let Some(life) = &self.life else {
            return Ok(false);
        };
        let copy = self.path.with_extension("backup");
        if self.backup.is_some() {
            std::fs::remove_file(&copy)?;
        }
        life.file.backup(&copy).await?;
        self.backup = Some(copy);
        Ok(true)
    }

    /// Puts the last copy in place of the store of the dead fleet manager, as its operator would.
    pub(super) fn restore(&mut self) -> Result<bool, Failure> {
        let Some(copy) = self.backup.take() else {
            return Ok(false);
        };
        for suffix in ["db-wal", "db-shm"] {
            let beside = self.path.with_extension(suffix);
            if beside.exists() {
                std::fs::remove_file(beside)?;
            }
        }
        std::fs::rename(copy, &self.path)?;
        *lock(&self.ledger) = Ledger::restored();
        self.witness.forgets_publications();
        Ok(true)
    }

    pub(super) const fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    /// Has a client run this. `false` when the fleet manager died of it, is dead, or has no room.
    pub(super) async fn publish(
        &self,
        client: &ClientId,
        deployments: &[ApplicationDeployment],
    ) -> Result<bool, Failure> {
        let Some(life) = &self.life else {
            return Ok(false);
        };
        tokio::select! {
            // Whoever commands it is part of it: killed with it.
            () = life.power.wait_until_cut() => Ok(false),
            published = life.publisher.publish(client, deployments) => match published {
                Ok(_) => Ok(true),
                Err(PublishError::Store(_))
                    if life.power.is_cut() || self.disk_full.load(Ordering::Relaxed) =>
                {
                    Ok(false)
                }
                Err(error) => Err(error.into()),
            },
        }
    }
}
