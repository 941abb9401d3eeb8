//! The fleet manager as a whole.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use margo_server_traits::server::{IdentityFiles, IdentityWatch, Server, ServerOptions};
use margo_server_traits::store::{SqliteStore, Store};
use margo_server_traits::{Fleet, FleetService, StoreFleet};
use margo_types::id::SpiffeId;
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

use crate::admin::AdminServer;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::files;
use crate::manager::Manager;
use crate::policy::Policy;
use crate::signed::SignedListener;

/// A fleet manager that has everything it needs and is about to serve.
pub struct Wfm {
    address: SocketAddr,
    public_url: Url,
    admin_socket: PathBuf,
    listener: TcpListener,
    server: Server<FleetService>,
    signed: Option<SignedListener>,
    admin: AdminServer,
    manager: Arc<Manager>,
    store: Arc<SqliteStore>,
    identity: IdentityWatch,
}

impl Wfm {
    /// Reads the identity, takes the port, the database and the admin socket.
    ///
    /// # Errors
    /// [`Failure`] naming the file or address that cannot be used. Nothing is changed then.
    pub async fn open(config: &Config) -> Result<Self, Failure> {
        let identity = identity(config)?;
        let registries = config.registries.client(&config.directory)?;
        let listener = listen(config.listen, "listen").await?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::of(Kind::Environment, &error))?;
        let mut signed = match &config.signed {
            Some(config) => Some(SignedListener::bind(config).await?),
            None => None,
        };
        let public_url = match &config.public_url {
            Some(url) => url.clone(),
            None => Url::parse(&format!("https://{address}/"))
                .map_err(|error| Failure::of(Kind::Environment, &error))?,
        };

        files::make_directory(&config.state.directory)?;
        let store = Arc::new(SqliteStore::open(config.state.database()).await?);
        let admin_socket = config.state.admin_socket();
        let admin = AdminServer::bind(&admin_socket).await?;
        let mut store_fleet = StoreFleet::new(Arc::clone(&store) as Arc<dyn Store>);
        if let Some(signed) = &mut signed {
            store_fleet = signed.configure(store_fleet);
        }
        let store_fleet = Arc::new(store_fleet);
        let publisher = store_fleet.publisher().clone();
        let manager = Manager::open(config, Arc::clone(&store), publisher, registries).await?;

        let mut fleet = Fleet::of(Arc::clone(&store_fleet));
        fleet.policy = Arc::new(Policy {
            store: Arc::clone(&store) as Arc<dyn Store>,
            accept: config.accept,
        });
        let own = identity.identity().clone();
        let service = FleetService::new(own.id().clone(), fleet.clone());
        let server = Server::new(own, service, ServerOptions::default());
        let signed = signed.map(|signed| signed.serving(store_fleet, fleet));
        Ok(Self {
            address,
            public_url,
            admin_socket,
            listener,
            server,
            signed,
            admin,
            manager: Arc::new(manager),
            store,
            identity,
        })
    }

    /// Where devices connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Under which URL they do.
    pub const fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// Where clients that sign their requests connect, if they are served.
    pub fn signed_address(&self) -> Option<SocketAddr> {
        self.signed.as_ref().map(SignedListener::address)
    }

    /// Under which URLs they do.
    pub fn signed_urls(&self) -> Vec<String> {
        let signed = self.signed.iter();
        signed.flat_map(SignedListener::public_urls).collect()
    }

    /// Who it is.
    pub fn id(&self) -> &SpiffeId {
        self.identity.identity().id()
    }

    /// Where the command line connects.
    pub fn admin_socket(&self) -> &Path {
        &self.admin_socket
    }

    /// Does what an operator asks for; also before and after it serves.
    pub fn manager(&self) -> Arc<Manager> {
        Arc::clone(&self.manager)
    }

    /// Serves devices and the command line until `shutdown`, then ends what was begun.
    ///
    /// # Errors
    /// When either can no longer be served.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Failure> {
        let (stop, stopped) = watch::channel(false);
        let until_stopped = move || {
            let mut stopped = stopped.clone();
            async move {
                // Gone or true, it is over either way.
                let _ = stopped.wait_for(|is| *is).await;
            }
        };
        let ended = |error: &dyn Error| {
            let message = "the fleet manager cannot go on; see the cause, and start it again";
            Failure::caused(Kind::Environment, message, error)
        };
        let watching = tokio::spawn(self.identity.run(BETWEEN_LOOKS));
        let pruning = tokio::spawn(prune(Arc::clone(&self.store)));
        let devices = self.server.serve(self.listener, until_stopped());
        let signing = async {
            match self.signed {
                Some(signed) => signed.serve(until_stopped()).await,
                None => Ok(()),
            }
        };
        let operators = self.admin.serve(self.manager, until_stopped());
        let stopping = async {
            shutdown.await;
            // Both receivers may be gone already.
            let _ = stop.send(true);
            Ok(())
        };
        let served = tokio::try_join!(
            async { devices.await.map_err(|error| ended(&error)) },
            async { signing.await.map_err(|error| ended(&error)) },
            async { operators.await.map_err(|error| ended(&error)) },
            stopping,
        );
        watching.abort();
        pruning.abort();
        self.store.close().await;
        served.map(|_| ())
    }
}

impl fmt::Debug for Wfm {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Wfm")
            .field("address", &self.address)
            .field("public_url", &self.public_url)
            .field("admin_socket", &self.admin_socket)
            .finish_non_exhaustive()
    }
}

/// Takes an address that this key of the configuration names.
pub(crate) async fn listen(address: SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let message =
            format!("cannot listen on {address}; stop what does, or set {key} to another address");
        Failure::caused(Kind::Environment, message, &error)
    })
}

/// The identity, which devices would accept now.
fn identity(config: &Config) -> Result<IdentityWatch, Failure> {
    let files = &config.identity;
    let watch = IdentityFiles::new(&files.svid, &files.key, &files.bundle)
        .watch()
        .map_err(|error| {
            let mut failure = Failure::of(Kind::Environment, &error);
            if !files.svid.exists() {
                failure.message += "; `margo-wfm identity init` makes one for development";
            }
            failure
        })?;
    watch.identity().verify_own().map_err(|error| {
        let files = format!("{} with {}", files.svid.display(), files.bundle.display());
        Failure::of(Kind::Environment, &error).about(files)
    })?;
    Ok(watch)
}

/// Drops what no device can still be fetching, now and then.
async fn prune(store: Arc<SqliteStore>) {
    loop {
        match store.prune(Timestamp::now() - KEPT).await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "dropped old contents"),
            Err(why) => tracing::warn!(%why, "old contents cannot be dropped"),
        }
        tokio::time::sleep(BETWEEN_PRUNES).await;
    }
}

/// A week.
const KEPT: Duration = Duration::from_hours(7 * 24);
const BETWEEN_PRUNES: Duration = Duration::from_hours(1);
/// Renewed SVIDs come hours before the old ones expire.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
