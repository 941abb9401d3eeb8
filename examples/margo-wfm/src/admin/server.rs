//! The side of the fleet manager.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State, rejection::JsonRejection};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::serve::Listener;
use axum::{Json, serve};
use http::Uri;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

use super::{path_of, status_of};
use crate::failure::{Failure, Kind};
use crate::manager::Manager;
use crate::operations::{
    ApproveCertificate, Backup, ChangeGeneration, DecideClient, Deploy, ForgetCertificates,
    History, ImportPackage, ListClients, ListDevices, ListEnrolments, ListPackages, Operation,
    Reconfigure, RegisterCertificate, RejectCertificate, Remove, RetireCertificate, Status, Update,
};

/// The admin API of a fleet manager, bound to its socket.
#[derive(Debug)]
pub(crate) struct AdminServer {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminServer {
    /// Takes the socket. One that a killed fleet manager left behind is replaced.
    pub(crate) async fn bind(path: &Path) -> Result<Self, Failure> {
        if UnixStream::connect(path).await.is_ok() {
            let message = format!(
                "another fleet manager answers at {}; stop it, or set state.admin_socket",
                path.display()
            );
            return Err(Failure::new(Kind::Environment, message));
        }
        let failed = |error: io::Error| {
            let message = format!(
                "the admin socket {} cannot be made; set state.admin_socket to a path of at most 100 characters \
                 in a directory that this user can write",
                path.display()
            );
            Failure::caused(Kind::Environment, message, &error)
        };
        // Bound under another name first, so that nobody can connect before the mode is right.
        let draft = path.with_extension("new");
        for stale in [&draft, path] {
            match fs::remove_file(stale) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        let listener = UnixListener::bind(&draft).map_err(failed)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(&draft, path).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until `shutdown`, and removes the socket.
    pub(crate) async fn serve(
        self,
        manager: Arc<Manager>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let served = serve(SameUser(self.listener), router(manager))
            .with_graceful_shutdown(shutdown)
            .await;
        // The next one replaces it anyway.
        let _ = fs::remove_file(&self.path);
        served
    }
}

fn router(manager: Arc<Manager>) -> Router {
    let router = Router::new();
    let router = with::<ImportPackage>(router);
    let router = with::<ListPackages>(router);
    let router = with::<DecideClient>(router);
    let router = with::<ListClients>(router);
    let router = with::<ChangeGeneration>(router);
    let router = with::<ListEnrolments>(router);
    let router = with::<RegisterCertificate>(router);
    let router = with::<ApproveCertificate>(router);
    let router = with::<RejectCertificate>(router);
    let router = with::<RetireCertificate>(router);
    let router = with::<ForgetCertificates>(router);
    let router = with::<ListDevices>(router);
    let router = with::<Deploy>(router);
    let router = with::<Update>(router);
    let router = with::<Reconfigure>(router);
    let router = with::<Remove>(router);
    let router = with::<Status>(router);
    let router = with::<History>(router);
    let router = with::<Backup>(router);
    router
        .fallback(|uri: Uri| async move {
            let message =
                "there is no such operation; use a command line of the same version as the server";
            refused(uri.path(), &Failure::new(Kind::Usage, message))
        })
        .method_not_allowed_fallback(|uri: Uri| async move {
            let message = "operations are asked for with POST; use the command line";
            refused(uri.path(), &Failure::new(Kind::Usage, message))
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(manager)
}

fn with<O: Operation>(router: Router<Arc<Manager>>) -> Router<Arc<Manager>> {
    router.route(&path_of(O::NAME), post(answer::<O>))
}

async fn answer<O: Operation>(
    State(manager): State<Arc<Manager>>,
    operation: Result<Json<O>, JsonRejection>,
) -> Response {
    let Json(operation) = match operation {
        Ok(operation) => operation,
        Err(error) => {
            let message = format!("{} was asked for in a wrong way", O::NAME);
            return refused(O::NAME, &Failure::caused(Kind::Usage, message, &error));
        }
    };
    // Begun is done: a command line that is interrupted does not stop a change half-way.
    let running = tokio::spawn(async move { manager.run(operation).await });
    match running.await {
        Ok(Ok(output)) => Json(output).into_response(),
        Ok(Err(failure)) => refused(O::NAME, &failure),
        Err(error) => {
            let message = format!("{} broke off; see the log of the fleet manager", O::NAME);
            refused(
                O::NAME,
                &Failure::caused(Kind::Environment, message, &error),
            )
        }
    }
}

/// The answer to what is not done; it is logged, too.
fn refused(operation: &str, failure: &Failure) -> Response {
    tracing::warn!(operation, %failure, "refused");
    (status_of(failure.kind), Json(failure)).into_response()
}

/// Accepts connections of the same user and of root, and drops others.
struct SameUser(UnixListener);

impl Listener for SameUser {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        let own = rustix::process::geteuid().as_raw();
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => match stream.peer_cred() {
                    Ok(peer) if peer.uid() == own || peer.uid() == ROOT => {
                        return (stream, address);
                    }
                    Ok(peer) => {
                        tracing::warn!(
                            uid = peer.uid(),
                            "the admin API was refused to another user"
                        );
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a caller of the admin API cannot be told");
                    }
                },
                Err(error) => {
                    // Such as too many open files; they may be closed again soon.
                    tracing::warn!(%error, "the admin socket cannot accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

const ROOT: u32 = 0;
/// An answers file of a MiB, as JSON.
const MAX_BODY: usize = 4 << 20;
const PAUSE: Duration = Duration::from_secs(1);
