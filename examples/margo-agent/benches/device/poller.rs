//! The peer: hyper and rustls alone, which ask once and keep the connection.

use std::fs;
use std::future::pending;
use std::path::Path;

use http::Request;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use margo_types::svid::{Identity, Svid};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Failure;

/// The first argument of such a process; then come the directory of the device, and the port of the fleet manager.
pub(crate) const COMMAND: &str = "poll";

pub(crate) fn main(mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let (Some(place), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err("poll whom?".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(poll(Path::new(&place), port.parse()?))
}

async fn poll(place: &Path, port: u16) -> Result<(), Failure> {
    let read = |name| fs::read(place.join(name));
    let svid = Svid::from_pem(&read("svid.pem")?, &read("svid.key")?)?;
    let bundle = margo_types::read(&read("bundle.json")?)?;
    let config = Identity::new(svid, bundle.value())?.client_config()?;
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = "127.0.0.1".try_into()?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/api/v1/deployments").header("host", "127.0.0.1");
    let request = request.body(Empty::<Bytes>::new())?;
    let _answer = sender.send_request(request).await?;
    pending().await
}
