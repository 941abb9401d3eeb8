#![allow(missing_docs, clippy::all, clippy::pedantic)]
use margo_server_traits::FleetService;
use margo_types::svid::Identity;
#[derive(Debug)]
pub(crate) struct Server;
#[derive(Default)]
pub(crate) struct ServerOptions;
impl Server {
    pub(crate) fn new(_: Identity, _: FleetService, _: ServerOptions) -> Self { Self }
    pub(crate) async fn serve(self, l: tokio::net::TcpListener, s: impl Future<Output=()>) -> std::io::Result<()> { s.await; drop(l); Ok(()) }
}
