//! One connection of a simulated device: HTTP/1.1 by hand over mutual TLS, so that the generator costs little.

use std::fmt;
use std::sync::Arc;

use httparse::{EMPTY_HEADER, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Target;

pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    /// What has come of the answer so far.
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(
        target: &Target,
        tls: &Arc<rustls::ClientConfig>,
    ) -> Result<Self, Fault> {
        let stream = TcpStream::connect(target.address).await;
        let stream = stream.map_err(|error| Fault::new(FaultKind::Connect, &error))?;
        _ = stream.set_nodelay(true);
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(target.name.clone(), stream).await;
        Ok(Self {
            stream: stream.map_err(|error| Fault::new(FaultKind::Handshake, &error))?,
            buffer: Vec::new(),
        })
    }

    /// Sends a request as it is, and waits for the whole answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Answer, Fault> {
        self.buffer.clear();
        // A server that has closed the connection may refuse the request or just not answer it.
        let sending = async {
            self.stream.write_all(request).await?;
            self.stream.flush().await
        };
        let sent = sending.await;
        sent.map_err(|error| Fault::new(FaultKind::Unused, &error))?;
        let mut received = 0;
        loop {
            let mut head = self.head().await?;
            received += head.size;
            self.buffer.drain(..head.size);
            // Others than the final one are for clients that wait for them (RFC 9110 section 15.2).
            if head.status < 200 {
                continue;
            }
            let body = match head.framing {
                Framing::Length(length) => self.body_of(length).await?,
                Framing::Chunked => self.chunks(&mut received).await?,
                Framing::UntilEnd => {
                    head.keeps_alive = false;
                    self.rest().await?
                }
            };
            return Ok(Answer {
                status: head.status,
                tag: head.tag,
                received: received + body.len(),
                body,
                keeps_alive: head.keeps_alive,
            });
        }
    }

    async fn head(&mut self) -> Result<Head, Fault> {
        loop {
            if let Some(head) = Head::parse(&self.buffer)? {
                return Ok(head);
            }
            self.more().await?;
        }
    }

    async fn body_of(&mut self, length: usize) -> Result<Vec<u8>, Fault> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn chunks(&mut self, received: &mut usize) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        loop {
            let (begin, length) = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(Status::Complete(chunk)) => break chunk,
                    Ok(Status::Partial) => self.more().await?,
                    Err(_) => return Err(Fault::malformed("the size of a chunk cannot be read")),
                }
            };
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if body.len().saturating_add(length) > MAX_ANSWER {
                return Err(Fault::malformed("the body is too long"));
            }
            self.buffer.drain(..begin);
            *received += begin + 2;
            body.extend(self.body_of(length).await?);
            // The end of the chunk; the last one has none of its own, but there may be trailers, which nobody sends.
            if self.body_of(2).await? != b"\r\n" {
                return Err(Fault::malformed("a chunk does not end where it should"));
            }
            if length == 0 {
                return Ok(body);
            }
        }
    }

    async fn rest(&mut self) -> Result<Vec<u8>, Fault> {
        while self.read().await? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    async fn more(&mut self) -> Result<(), Fault> {
        match self.read().await {
            Ok(0) if self.buffer.is_empty() => {
                let text = "the connection was closed without an answer";
                Err(Fault::new(FaultKind::Unused, &text))
            }
            // A server that refuses the SVID of its client says so only now (TLS 1.3).
            Err(fault) if self.buffer.is_empty() => Err(Fault {
                kind: FaultKind::Unused,
                ..fault
            }),
            Ok(0) => Err(Fault::new(
                FaultKind::Broken,
                &"the connection was closed in the middle of an answer",
            )),
            Ok(_) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    async fn read(&mut self) -> Result<usize, Fault> {
        if self.buffer.len() > MAX_ANSWER {
            return Err(Fault::malformed("the answer is too long"));
        }
        let read = self.stream.read_buf(&mut self.buffer).await;
        read.map_err(|error| Fault::new(FaultKind::Broken, &error))
    }
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The entity tag, as it was sent.
    pub(super) tag: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) keeps_alive: bool,
    /// Bytes of HTTP.
    pub(super) received: usize,
}

struct Head {
    status: u16,
    size: usize,
    framing: Framing,
    tag: Option<String>,
    keeps_alive: bool,
}

enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

impl Head {
    /// `None` when more has to come.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let size = match response.parse(bytes) {
            Ok(Status::Complete(size)) => size,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(Fault::new(FaultKind::Malformed, &error)),
        };
        let status = response.code.unwrap_or_default();
        let mut head = Self {
            status,
            size,
            framing: Framing::UntilEnd,
            tag: None,
            keeps_alive: response.version == Some(1),
        };
        for header in response.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let Ok(value) = std::str::from_utf8(header.value) else {
                continue;
            };
            let value = value.trim();
            if is("etag") {
                head.tag = Some(value.to_owned());
            } else if is("connection") && value.eq_ignore_ascii_case("close") {
                head.keeps_alive = false;
            } else if is("transfer-encoding") {
                head.framing = Framing::Chunked;
            } else if is("content-length") && !matches!(head.framing, Framing::Chunked) {
                let length = value.parse().ok().filter(|length| *length <= MAX_ANSWER);
                let length = length.ok_or_else(|| {
                    Fault::malformed("the length of the body cannot be read, or is too long")
                })?;
                head.framing = Framing::Length(length);
            }
        }
        // These have no body, whatever their head says (RFC 9112 section 6.3).
        if status < 200 || status == 204 || status == 304 {
            head.framing = Framing::Length(0);
        }
        Ok(Some(head))
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Connect,
    Handshake,
    Timeout,
    /// The connection was closed before anything of an answer came. On a connection that was idle that is no error.
    Unused,
    Broken,
    Malformed,
    /// An answer that is none of those hoped for.
    Status(u16),
    /// There was no answer before the run was over.
    Unanswered,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, text: &dyn fmt::Display) -> Self {
        Self {
            kind,
            text: text.to_string(),
        }
    }

    pub(super) fn malformed(text: &str) -> Self {
        Self::new(FaultKind::Malformed, &text)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Connect => formatter.write_str("connect"),
            Self::Handshake => formatter.write_str("handshake"),
            Self::Timeout => formatter.write_str("timeout"),
            Self::Unused | Self::Broken => formatter.write_str("broken"),
            Self::Malformed => formatter.write_str("malformed"),
            Self::Status(status) => write!(formatter, "status {status}"),
            Self::Unanswered => formatter.write_str("unanswered"),
        }
    }
}

/// Longer than any manifest a simulated device has reason to read.
const MAX_ANSWER: usize = 16 << 20;
const MAX_HEADERS: usize = 64;
