//! An HTTP server that does exactly what a test tells it to, also what no server should.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server on a loopback port, until it is dropped.
pub(crate) struct Fake {
    host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepting: JoinHandle<()>,
}

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query, or the whole URL when the request is for a proxy.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// How many requests came before this one.
    pub(crate) number: usize,
    /// The server's own `host:port`.
    pub(crate) host: String,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Whole(Vec<u8>),
    /// These bytes, then the connection closes although more were announced.
    Cut {
        bytes: Vec<u8>,
        announced: usize,
    },
    /// No announced length, and no end.
    Endless,
    /// These bytes, then silence on an open connection.
    Hang {
        bytes: Vec<u8>,
        announced: usize,
    },
    /// One byte now and then, for ever.
    Drip(Duration),
}

impl Fake {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port");
        let host = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, own, answer) = (Arc::clone(&seen), host.clone(), Arc::new(answer));
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (log, own, answer) = (Arc::clone(&log), own.clone(), Arc::clone(&answer));
                tokio::spawn(async move { serve(connection, own, &log, &*answer).await });
            }
        });
        Self {
            host,
            seen,
            accepting,
        }
    }

    pub(crate) fn host(&self) -> String {
        self.host.clone()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("the log").clone()
    }

    /// `METHOD target` of every request.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen()
            .iter()
            .map(|seen| format!("{} {}", seen.method, seen.target))
            .collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Whole(body.into()),
        }
    }

    pub(crate) fn with(status: u16, body: Body) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

async fn serve(
    mut connection: TcpStream,
    host: String,
    log: &Mutex<Vec<Seen>>,
    answer: &(dyn Fn(&Seen) -> Reply + Send + Sync),
) {
    let Some(mut seen) = read_request(&mut connection).await else {
        return;
    };
    let reply = {
        let mut log = log.lock().expect("the log");
        seen.number = log.len();
        seen.host = host;
        log.push(seen.clone());
        drop(log);
        answer(&seen)
    };
    // The client may have hung up, which is its right.
    let _ = write_reply(&mut connection, reply, seen.method == "HEAD").await;
}

async fn read_request(connection: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let mut buffer = [0; 4096];
        let count = connection.read(&mut buffer).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..count]);
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = bytes.split_off(head + 4);
    assert!(
        !headers.contains_key("transfer-encoding"),
        "uploads announce their length"
    );
    let length = headers
        .get("content-length")
        .map_or(0, |text| text.parse().expect("a length"));
    while body.len() < length {
        let mut buffer = vec![0; 1 << 16];
        let count = connection.read(&mut buffer).await.ok()?;
        if count == 0 {
            return None;
        }
        body.extend_from_slice(&buffer[..count]);
    }
    Some(Seen {
        method,
        target,
        headers,
        body,
        number: 0,
        host: String::new(),
    })
}

async fn write_reply(
    connection: &mut TcpStream,
    reply: Reply,
    is_head: bool,
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head = format!("{head}{name}: {value}\r\n");
    }
    let own_length = reply
        .headers
        .iter()
        .any(|(name, _)| name == "content-length");
    let length = match &reply.body {
        _ if own_length => None,
        Body::Whole(bytes) => Some(bytes.len()),
        Body::Cut { announced, .. } | Body::Hang { announced, .. } => Some(*announced),
        Body::Endless | Body::Drip(_) => None,
    };
    if let Some(length) = length {
        head = format!("{head}content-length: {length}\r\n");
    }
    connection
        .write_all(format!("{head}\r\n").as_bytes())
        .await?;
    if is_head {
        return connection.shutdown().await;
    }
    match reply.body {
        Body::Whole(bytes) | Body::Cut { bytes, .. } => connection.write_all(&bytes).await?,
        Body::Endless => loop {
            connection.write_all(&[b'x'; 1 << 12]).await?;
        },
        Body::Hang { bytes, .. } => {
            connection.write_all(&bytes).await?;
            connection.flush().await?;
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        Body::Drip(pause) => loop {
            connection.write_all(b"[").await?;
            tokio::time::sleep(pause).await;
        },
    }
    connection.shutdown().await
}
