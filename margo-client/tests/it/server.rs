//! An HTTPS server that answers exactly as a test says, also as no server should.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use margo_conformance::authority::IssuedSvid;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A server on a loopback port, until it is dropped.
pub(crate) struct Server {
    address: String,
    log: Arc<Mutex<Log>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    connections: usize,
}

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `METHOD target`
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How many requests came before it.
    pub(crate) number: usize,
}

/// What to answer: the head without its length, and the body.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    head: String,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Whole(Vec<u8>),
    /// Less than was announced, and then the connection closes.
    Cut(Vec<u8>),
    /// No announced length, and no end.
    Endless,
    /// One byte now and then, without end.
    Drip,
    /// Nothing after the head.
    Silence,
}

impl Server {
    /// A server that does TLS like this.
    pub(crate) async fn start(
        tls: Arc<ServerConfig>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let log = Arc::new(Mutex::new(Log::default()));
        let (shared, answer) = (Arc::clone(&log), Arc::new(answer));
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                shared.lock().expect("the log").connections += 1;
                let acceptor = TlsAcceptor::from(Arc::clone(&tls));
                let (log, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                tokio::spawn(async move {
                    if let Ok(connection) = acceptor.accept(connection).await {
                        serve(connection, &log, &*answer).await;
                    }
                });
            }
        });
        Self {
            address,
            log,
            accepting,
        }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().expect("the log").seen.clone()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().last().expect("a request").clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.log.lock().expect("the log").connections
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of(status, Body::Whole(body.into()))
    }

    pub(crate) fn cut(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of(status, Body::Cut(body.into()))
    }

    pub(crate) fn endless(status: u16) -> Self {
        Self::of(status, Body::Endless)
    }

    pub(crate) fn drip(status: u16) -> Self {
        Self::of(status, Body::Drip)
    }

    pub(crate) fn silence(status: u16) -> Self {
        Self::of(status, Body::Silence)
    }

    pub(crate) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.head = format!("{}{name}: {value}\r\n", self.head);
        self
    }

    fn of(status: u16, body: Body) -> Self {
        Self {
            head: format!("HTTP/1.1 {status} Status\r\n"),
            body,
        }
    }
}

/// TLS with this certificate, for anybody.
pub(crate) fn plain_tls(certificate: &IssuedSvid) -> Arc<ServerConfig> {
    tls_with(certificate.certificates(), certificate)
}

/// The same, presenting other certificates than its own.
pub(crate) fn tls_with(
    chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    certificate: &IssuedSvid,
) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, certificate.private_key())
        .expect("a certificate");
    Arc::new(config)
}

async fn serve(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Log>,
    answer: &(dyn Fn(&Seen) -> Reply + Send + Sync),
) {
    let mut buffer = Vec::new();
    while let Some(mut seen) = read_request(&mut connection, &mut buffer).await {
        let reply = {
            let mut log = log.lock().expect("the log");
            seen.number = log.seen.len();
            log.seen.push(seen.clone());
            drop(log);
            answer(&seen)
        };
        // The client may have hung up, which is its right.
        if !write(&mut connection, reply).await.is_ok_and(|again| again) {
            return;
        }
    }
}

async fn read_request(
    connection: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<Seen> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        read_some(connection, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let (line, headers) = head.split_once("\r\n")?;
    let headers: Vec<_> = headers
        .lines()
        .filter_map(|header| header.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut seen = Seen {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        body: Vec::new(),
        number: 0,
    };
    let length = seen
        .header("content-length")
        .map_or(0, |text| text.parse().expect("a length"));
    while buffer.len() < length {
        read_some(connection, buffer).await?;
    }
    seen.body = buffer.drain(..length).collect();
    Some(seen)
}

async fn read_some(connection: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4096];
    let count = connection
        .read(&mut chunk)
        .await
        .ok()
        .filter(|count| *count > 0)?;
    buffer.extend_from_slice(&chunk[..count]);
    Some(())
}

/// Whether another request may come on the connection.
async fn write(connection: &mut (impl AsyncWrite + Unpin), reply: Reply) -> std::io::Result<bool> {
    let is_bodyless =
        reply.head.starts_with("HTTP/1.1 304") || reply.head.starts_with("HTTP/1.1 204");
    let length = match &reply.body {
        _ if is_bodyless || reply.head.contains("content-length") => String::new(),
        Body::Whole(bytes) => format!("content-length: {}\r\n", bytes.len()),
        Body::Cut(bytes) => format!("content-length: {}\r\n", bytes.len() + 1),
        Body::Endless | Body::Drip | Body::Silence => "connection: close\r\n".to_owned(),
    };
    // What there is of the body comes with the head: nobody waits for it while the machine is busy.
    let mut first = format!("{}{length}\r\n", reply.head).into_bytes();
    match &reply.body {
        Body::Whole(bytes) | Body::Cut(bytes) => first.extend(bytes),
        Body::Endless | Body::Drip => first.push(b'['),
        Body::Silence => {}
    }
    connection.write_all(&first).await?;
    connection.flush().await?;
    match reply.body {
        Body::Whole(_) => return Ok(true),
        Body::Cut(_) => {}
        Body::Endless => loop {
            connection.write_all(&[b'['; 1 << 12]).await?;
        },
        Body::Drip => loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            connection.write_all(b"[").await?;
            connection.flush().await?;
        },
        Body::Silence => tokio::time::sleep(Duration::from_mins(5)).await,
    }
    connection.shutdown().await?;
    Ok(false)
}
