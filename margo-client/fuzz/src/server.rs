//! A server on a loopback port that sends what an input says, byte by byte.

use std::sync::{Arc, Mutex, PoisonError};

use margo_conformance::authority::Authority;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The server; it lives as long as the runtime it was started in.
pub(super) struct Server {
    pub(super) address: String,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    answers: Vec<(&'static str, Vec<u8>)>,
    /// The lines of the requests that came.
    asked: Vec<String>,
}

impl Server {
    /// One that asks nobody who he is, with a certificate of this authority for its address.
    pub(super) async fn start_public(authority: &Authority) -> Self {
        let certificate = authority.issue_tls("127.0.0.1");
        let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(certificate.certificates(), certificate.private_key())
            .expect("a certificate");
        Self::start(Arc::new(tls)).await
    }

    pub(super) async fn start(tls: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&tls));
                let script = Arc::clone(&shared);
                tokio::spawn(async move {
                    let mut connection = acceptor.accept(connection).await.ok()?;
                    let line = read_request(&mut connection).await?;
                    let answer = {
                        let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
                        let mut answers = script.answers.iter();
                        let answer = answers.find(|(path, _)| line.contains(path));
                        let answer = answer.map(|(_, answer)| answer.clone());
                        script.asked.push(line);
                        answer.unwrap_or_default()
                    };
                    // The client hangs up when it has had enough.
                    connection.write_all(&answer).await.ok()?;
                    connection.shutdown().await.ok()
                });
            }
        });
        Self { address, script }
    }

    /// Answers requests whose path has one of these texts in it, in this order. Every answer ends its connection.
    pub(super) fn answer(&self, answers: Vec<(&'static str, Vec<u8>)>) {
        let asked = Vec::new();
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Script { answers, asked };
    }

    /// The lines of the requests since then.
    pub(super) fn asked(&self) -> Vec<String> {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.asked.clone()
    }
}

/// Reads a request of our client to its end, and gives its first line.
async fn read_request(connection: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        read_some(connection, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
    while bytes.len() < end + length {
        read_some(connection, &mut bytes).await?;
    }
    String::from_utf8_lossy(&bytes[..end])
        .lines()
        .next()
        .map(str::to_owned)
}

async fn read_some(connection: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4096];
    let count = connection.read(&mut chunk).await.ok()?;
    bytes.extend_from_slice(&chunk[..count]);
    (count > 0).then_some(())
}
