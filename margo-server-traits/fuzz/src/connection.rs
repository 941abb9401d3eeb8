//! What a client sends over its connection, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use margo_conformance::authority::{Authority, Lifetime};
use margo_server_traits::server::{Server, ServerOptions};
use margo_server_traits::store::MemoryStore;
use margo_types::id::SpiffeId;
use margo_types::svid::Identity;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::plant::{SECRET, WFM, contains, domain, filled, id, runtime, service};

/// Everything that `press-1` sends before it stops sending.
///
/// The server answers, if at all, in HTTP/1.1, has no trouble of its own, and closes the connection.
pub fn connection(bytes: &[u8]) {
    let input = filled(bytes);
    let plant = PLANT.lock().unwrap_or_else(PoisonError::into_inner);
    let (said, is_whole) = plant.runtime.block_on(plant.exchange(&input));
    if !contains(&input, SECRET) {
        assert!(
            !contains(&said, SECRET),
            "what belongs to somebody else came"
        );
    }
    let mut rest = &said[..];
    let mut answers = 0;
    while let Some(after) = answer(rest) {
        rest = after;
        answers += 1;
    }
    assert!(rest.is_empty() || !is_whole, "{}", rest.escape_ascii());
    // Of what is no request, one is answered.
    let shortest = b"A / HTTP/1.1\r\n\r\n".len();
    assert!(answers <= input.len() / shortest + 1, "{answers} answers");
}

/// What follows the first answer; `None` when that is not there as a whole.
fn answer(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
    let (head, body) = bytes.split_at(end + 4);
    let head = String::from_utf8_lossy(head).to_lowercase();
    assert!(head.starts_with("http/1."), "{head}");
    let status: u16 = head.get(9..12)?.parse().expect("a status");
    assert!((100..500).contains(&status), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    // The answer to HEAD has the length of what it leaves out.
    if body.is_empty() || body.starts_with(b"HTTP/1.") {
        return Some(body);
    }
    body.get(length..)
}

struct Plant {
    runtime: Runtime,
    address: SocketAddr,
    client: Identity,
}

impl Plant {
    /// What the server says, and whether that came to a proper end.
    async fn exchange(&self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let tls = TlsConnector::from(self.client.client_config().expect("a client"));
        let name = ServerName::try_from("wfm.example").expect("a name");
        let stream = tls.connect(name, stream).await.expect("a handshake");
        let (mut receiver, mut sender) = tokio::io::split(stream);
        let mut said = Vec::new();
        let send = async {
            // The server may hang up in between.
            let _ = sender.write_all(bytes).await;
            let _ = sender.shutdown().await;
        };
        let both = async { tokio::join!(send, receiver.read_to_end(&mut said)) };
        let end = timeout(PATIENCE, both).await;
        let ((), end) = end.expect("the server keeps the connection open");
        (said, end.is_ok())
    }
}

static PLANT: LazyLock<Mutex<Plant>> = LazyLock::new(|| {
    let runtime = runtime();
    let authority = Authority::new(&domain());
    let identity = |id: &SpiffeId| {
        let year = Lifetime::lasting(Duration::from_hours(365 * 24));
        let svid = authority.issue(id, year).svid();
        Identity::new(svid, &authority.bundle()).expect("an identity")
    };
    let own = identity(&SpiffeId::parse(WFM).expect("an id"));
    let client = SpiffeId::wfm_client(&domain(), "plant-1", &id("press-1")).expect("an id");
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = service(Arc::new(MemoryStore::new())).await;
        let server = Server::new(own, service, ServerOptions::default());
        tokio::spawn(server.serve(listener, std::future::pending()));
        address
    });
    Mutex::new(Plant {
        client: identity(&client),
        runtime,
        address,
    })
});

/// Long enough for whatever has to happen on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
