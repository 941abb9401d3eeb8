//! One connection of a simulated device: HTTP/1.1 by hand over mutual TLS, so that the generator costs little.

mod head;

use std::sync::Arc;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use httparse::{EMPTY_HEADER, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::head::{Framing, Head};
use super::Target;
use super::fault::{Fault, FaultKind};

pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    /// What has come and was not taken yet.
    buffer: BytesMut,
    /// Bytes that were taken of the answer, and of others before it that were not final.
    taken: usize,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The entity tag, as it was sent.
    pub(super) tag: Option<String>,
    /// The content type, as it was sent.
    pub(super) media_type: Option<String>,
    pub(super) body: BytesMut,
    pub(super) keeps_alive: bool,
    /// Bytes of HTTP.
    pub(super) received: usize,
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
            buffer: BytesMut::new(),
            taken: 0,
        })
    }

    /// Sends a request as it is, and waits for the whole answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Answer, Fault> {
        self.taken = 0;
        self.expect_silence()?;
        // A server that has closed the connection may refuse the request or just not answer it.
        let sending = async {
            self.stream.write_all(request).await?;
            self.stream.flush().await
        };
        let sent = sending.await;
        sent.map_err(|error| Fault::new(FaultKind::Closed, &error))?;
        let head = self.head().await?;
        let body = match head.framing {
            Framing::Length(length) => self.body_of(length).await?,
            Framing::Chunked => self.chunks().await?,
            Framing::UntilEnd => self.rest().await?,
        };
        if !self.buffer.is_empty() {
            return Err(Fault::malformed("more came than the answer"));
        }
        Ok(Answer {
            status: head.status,
            tag: head.tag,
            media_type: head.media_type,
            body,
            keeps_alive: head.keeps_alive,
            received: self.taken,
        })
    }

    /// What came without having been asked for would be taken for the answer.
    fn expect_silence(&mut self) -> Result<(), Fault> {
        match self.more(MAX_ANSWER).now_or_never() {
            None => Ok(()),
            Some(Ok(())) => Err(Fault::malformed("something came before it was asked for")),
            Some(Err(fault)) => Err(fault),
        }
    }

    /// The head of the final answer. Others are for clients that wait for them (RFC 9110 section 15.2).
    async fn head(&mut self) -> Result<Head, Fault> {
        loop {
            let Some(head) = Head::parse(&self.buffer)? else {
                self.more(MAX_HEAD).await?;
                continue;
            };
            self.take(head.size);
            if head.status >= 200 {
                return Ok(head);
            }
        }
    }

    async fn body_of(&mut self, length: usize) -> Result<BytesMut, Fault> {
        while self.buffer.len() < length {
            self.more(MAX_ANSWER).await?;
        }
        Ok(self.take(length))
    }

    async fn chunks(&mut self) -> Result<BytesMut, Fault> {
        let mut body = BytesMut::new();
        loop {
            let length = self.chunk_size().await?;
            if length == 0 {
                self.trailers().await?;
                return Ok(body);
            }
            body.unsplit(self.body_of(length).await?);
            if self.body_of(2).await?[..] != *b"\r\n" {
                return Err(Fault::malformed("a chunk does not end where it should"));
            }
        }
    }

    async fn chunk_size(&mut self) -> Result<usize, Fault> {
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(Status::Complete((begin, length))) => {
                    self.take(begin);
                    let length = usize::try_from(length).ok();
                    let length = length.filter(|length| *length <= MAX_ANSWER);
                    return length.ok_or_else(|| Fault::malformed(TOO_LONG));
                }
                Ok(Status::Partial) => self.more(self.taken + MAX_HEAD).await?,
                Err(_) => return Err(Fault::malformed("the size of a chunk cannot be read")),
            }
        }
    }

    /// What may follow the last chunk, and the empty line that does.
    async fn trailers(&mut self) -> Result<(), Fault> {
        loop {
            match httparse::parse_headers(&self.buffer, &mut [EMPTY_HEADER; MAX_HEADERS]) {
                Ok(Status::Complete((size, _))) => {
                    self.take(size);
                    return Ok(());
                }
                Ok(Status::Partial) => {}
                Err(error) => return Err(Fault::new(FaultKind::Malformed, &error)),
            }
            self.more(self.taken + MAX_HEAD).await?;
        }
    }

    async fn rest(&mut self) -> Result<BytesMut, Fault> {
        while self.read(MAX_ANSWER).await? > 0 {}
        Ok(self.take(self.buffer.len()))
    }

    fn take(&mut self, size: usize) -> BytesMut {
        self.taken += size;
        self.buffer.split_to(size)
    }

    /// Waits for more, as long as the answer has no more than so many bytes.
    async fn more(&mut self, most: usize) -> Result<(), Fault> {
        let read = self.read(most).await;
        let has_begun = self.taken + self.buffer.len() > 0;
        match read {
            Ok(0) if has_begun => Err(Fault::new(
                FaultKind::Broken,
                &"the connection was closed in the middle of an answer",
            )),
            Ok(0) => Err(Fault::new(
                FaultKind::Closed,
                &"the connection was closed without an answer",
            )),
            Ok(_) => Ok(()),
            // A server that refuses the SVID of its client says so only now (TLS 1.3).
            Err(fault) if !has_begun => Err(Fault {
                kind: FaultKind::Closed,
                ..fault
            }),
            Err(fault) => Err(fault),
        }
    }

    async fn read(&mut self, most: usize) -> Result<usize, Fault> {
        if self.taken + self.buffer.len() > most.min(MAX_ANSWER) {
            return Err(Fault::malformed(TOO_LONG));
        }
        self.buffer.reserve(READ);
        let read = self.stream.read_buf(&mut self.buffer).await;
        read.map_err(|error| Fault::new(FaultKind::Broken, &error))
    }
}

const TOO_LONG: &str = "the answer is too long";
/// Longer than any manifest a simulated device has reason to read.
const MAX_ANSWER: usize = 16 << 20;
/// Of a head with all that comes before the final one; of trailers; of the line with the size of a chunk.
const MAX_HEAD: usize = 32 << 10;
const MAX_HEADERS: usize = 64;
/// Room for what most polls are answered with; every device has as much.
const READ: usize = 512;
