//! The listeners of a fleet manager: mutual TLS with SVIDs, and HTTP/1.1 over it (rc3.md sections 7.2 and 7.6).
//!
//! Every handshake runs in a task of its own, under a time limit. What it proved about the client is the
//! [`PeerSvid`](margo_types::svid::PeerSvid) in the extensions of every request of the connection.
//!
//! Clients of the signed generation have no SVID and connect to another listener, with an ordinary
//! [`ServerCertificate`] (rc1-and-pre-draft.md section 1).
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use margo_server_traits::server::{IdentityFiles, Server, ServerOptions};
//! use margo_server_traits::{Fleet, FleetService};
//! use tokio::net::TcpListener;
//!
//! # async fn serve(fleet: Fleet) -> Result<(), Box<dyn std::error::Error>> {
//! let watch = IdentityFiles::new("wfm.pem", "wfm-key.pem", "bundle.json").watch()?;
//! let identity = watch.identity().clone();
//! tokio::spawn(watch.run(Duration::from_secs(10)));
//!
//! let service = FleetService::new(identity.id().clone(), fleet);
//! let listener = TcpListener::bind("[::]:8443").await?;
//! let server = Server::new(identity, service, ServerOptions::default());
//! server.serve(listener, std::future::pending()).await?; // until this is ready: a signal, usually
//! # Ok(())
//! # }
//! ```

mod activity;
mod certificate;
mod certificate_files;
mod connection;
mod conversation;
mod credential;
mod driver;
mod files;
mod options;
mod repeats;
mod session;
mod wire;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use margo_types::svid::{Identity, IdentityError};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower_service::Service;

use self::connection::{Acceptor, Notice, Tether};
use self::credential::Credential;

pub use self::certificate::{InvalidServerCertificate, ServerCertificate};
pub use self::certificate_files::{CertificateFiles, CertificateWatch};
pub use self::files::{IdentityFiles, IdentityFilesError, IdentityWatch};
pub use self::options::ServerOptions;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves one service, a `FleetService` as a rule, to the clients of a fleet manager.
pub struct Server<S> {
    credential: Credential,
    service: S,
    options: ServerOptions,
}

impl<S, B> Server<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// A server with the identity of the fleet manager. Replacing its SVID or bundle needs no restart.
    pub fn new(identity: Identity, service: S, options: ServerOptions) -> Self {
        Self {
            credential: Credential::mutual(identity),
            service,
            options,
        }
    }

    /// A server for clients that sign their requests: it shows a certificate and asks for none. Replacing the certificate
    /// needs no restart.
    pub fn server_only(certificate: ServerCertificate, service: S, options: ServerOptions) -> Self {
        Self {
            credential: Credential::ServerOnly(certificate),
            service,
            options,
        }
    }

    /// Serves until `shutdown` completes; then takes no more connections, and returns when those that are open have
    /// answered what they were asked, or [`ServerOptions::drain`] is over.
    ///
    /// Nothing that a client does, and no lack of file descriptors, ends it earlier. Dropping the future closes the
    /// listener, and connections as they become idle.
    ///
    /// # Errors
    /// [`IdentityError::WrongRole`] at once, when the identity is not that of a fleet manager. A server without one has
    /// none.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), IdentityError> {
        self.credential.check()?;
        let notices = watch::Sender::new(Notice {
            generation: self.credential.generation(),
            is_stopping: false,
        });
        let credential = self.credential.clone();
        let permits = Arc::new(Semaphore::new(self.options.max_connections));
        let acceptor = Arc::new(Acceptor::new(self.credential, self.service, self.options));
        tokio::select! {
            () = shutdown => {}
            () = accept(&listener, &acceptor, &permits, &notices) => {}
            () = watch_generation(&credential, &notices) => {}
        }
        drop(listener);
        notices.send_modify(|notice| notice.is_stopping = true);
        notices.closed().await;
        Ok(())
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("credential", &self.credential)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Accepts connections for ever.
async fn accept<S, B>(
    listener: &TcpListener,
    acceptor: &Arc<Acceptor<S>>,
    permits: &Arc<Semaphore>,
    notices: &watch::Sender<Notice>,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let mut is_failing = false;
    // Above the limit, connections wait in the queue of the operating system. The semaphore is never closed.
    while let Ok(permit) = Arc::clone(permits).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, address)) => {
                is_failing = false;
                let notices = notices.subscribe();
                let tether = Tether { notices, permit };
                tokio::spawn(Arc::clone(acceptor).run(stream, address, tether));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Too many open files, as a rule: it passes when connections end.
                if !is_failing {
                    tracing::error!(
                        %error,
                        "no connection can be accepted; raise the limit of open files (ulimit -n), or lower max_connections"
                    );
                }
                is_failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Tells connections when the credential has changed, for ever.
async fn watch_generation(credential: &Credential, notices: &watch::Sender<Notice>) {
    loop {
        tokio::time::sleep(GENERATION_CHECK).await;
        let generation = credential.generation();
        notices.send_if_modified(|notice| {
            let has_changed = notice.generation != generation;
            notice.generation = generation;
            has_changed
        });
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How often idle connections learn that they are out of date; others learn it with their next request.
const GENERATION_CHECK: Duration = Duration::from_secs(1);
