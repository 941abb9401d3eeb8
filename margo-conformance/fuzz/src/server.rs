//! A server on a loopback port that sends what an input says, byte by byte and piece by piece.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The server; it lives as long as the runtime it was started in.
pub(super) struct Server {
    pub(super) address: String,
    /// What new connections have.
    script: Arc<Mutex<Arc<Script>>>,
}

impl Server {
    pub(super) async fn start(tls: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let script = Arc::new(Mutex::new(Arc::new(Script::default())));
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                _ = connection.set_nodelay(true);
                let acceptor = TlsAcceptor::from(Arc::clone(&tls));
                let script = Arc::clone(&shared.lock().unwrap_or_else(PoisonError::into_inner));
                tokio::spawn(async move {
                    let mut connection = acceptor.accept(connection).await.ok()?;
                    script.play(&mut connection).await?;
                    connection.shutdown().await.ok()
                });
            }
        });
        Self { address, script }
    }

    /// Plays this from the next connection on.
    pub(super) fn play(&self, script: Script) -> Arc<Script> {
        let script = Arc::new(script);
        let mut shared = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        *shared = Arc::clone(&script);
        script
    }
}

/// What is sent, whatever is asked.
#[derive(Default)]
pub(super) struct Script {
    answers: Mutex<VecDeque<Vec<u8>>>,
    manner: Manner,
    asked: AtomicU64,
    sent: AtomicU64,
}

impl Script {
    pub(super) fn new(answers: Vec<Vec<u8>>, manner: Manner) -> Self {
        Self {
            answers: Mutex::new(answers.into()),
            manner,
            ..Self::default()
        }
    }

    /// How many requests had an answer.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Bytes that were sent, or were to be.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// `None` when the other side has hung up.
    async fn play(&self, connection: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<()> {
        let manner = &self.manner;
        loop {
            read_request(connection).await?;
            let (answer, is_last) = self.next();
            self.send(connection, &answer).await?;
            while manner.is_endless && is_last && !answer.is_empty() {
                self.send(connection, &answer).await?;
            }
            if is_last && manner.stays_open {
                connection.read_u8().await.ok()?;
            }
            if is_last || manner.closes || answer.is_empty() {
                return Some(());
            }
        }
    }

    /// Nothing, when all has been sent.
    fn next(&self) -> (Vec<u8>, bool) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = answers.pop_front();
        if next.is_some() {
            self.asked.fetch_add(1, Ordering::SeqCst);
        }
        (next.unwrap_or_default(), answers.is_empty())
    }

    async fn send(&self, connection: &mut (impl AsyncWrite + Unpin), answer: &[u8]) -> Option<()> {
        let mut rest = answer;
        for size in self.manner.pieces.iter().cycle() {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            let count = u64::try_from(piece.len()).expect("a count");
            self.sent.fetch_add(count, Ordering::SeqCst);
            connection.write_all(piece).await.ok()?;
            connection.flush().await.ok()?;
            tokio::task::yield_now().await;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        Some(())
    }
}

/// How it is sent.
pub(super) struct Manner {
    /// At least one; none is empty.
    pieces: Vec<usize>,
    closes: bool,
    pub(super) stays_open: bool,
    is_endless: bool,
}

impl Manner {
    pub(super) fn parse(words: &str) -> Self {
        let has = |word| words.split(' ').any(|it| it == word);
        let sizes = words.split(' ').filter_map(|word| word.parse().ok());
        let mut pieces: Vec<_> = sizes.filter(|size| *size > 0).collect();
        if pieces.is_empty() {
            pieces.push(usize::MAX);
        }
        Self {
            pieces,
            closes: has("close"),
            stays_open: has("open"),
            is_endless: has("endless"),
        }
    }
}

impl Default for Manner {
    fn default() -> Self {
        Self::parse("")
    }
}

/// Reads a request of the generator to its end.
async fn read_request(connection: &mut (impl AsyncRead + Unpin)) -> Option<()> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(connection.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.ok().map(drop)
}
