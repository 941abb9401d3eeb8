//! The bytes of one upload.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use margo_types::oci::Descriptor;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio_util::io::ReaderStream;
use url::Url;

use crate::oci::blob::{BlobSource, CHUNK, Checked};
use crate::oci::client::Client;
use crate::oci::client::body::stalled;
use crate::oci::client::transport::{Access, connection};
use crate::oci::error::{Failure, Misbehaviour, OciError, Place};
use crate::oci::reference::Reference;

/// A blob on its way to an upload location.
pub(super) struct Upload<'a> {
    pub(super) client: &'a Client,
    pub(super) reference: &'a Reference,
    pub(super) blob: &'a Descriptor,
    pub(super) source: &'a dyn BlobSource,
    pub(super) place: &'a Place,
}

impl Upload<'_> {
    /// Everything in one request, in constant memory.
    pub(super) async fn in_one_go(&self, target: Url) -> Result<Response, OciError> {
        let progress = Arc::new(Progress::new(self.blob));
        let reader = Watched {
            reader: self.open().await?,
            progress: Arc::clone(&progress),
        };
        // One byte more than announced would be sent, were there one: the check in `Watched` sees it first.
        let body = Body::wrap_stream(ReaderStream::with_capacity(reader, CHUNK));
        let request = self
            .request(Method::PUT, self.completed(target))
            .header(CONTENT_LENGTH, self.blob.size)
            .body(body);
        self.send_watched(request, &progress).await
    }

    /// Piece by piece, and an empty request at the end.
    pub(super) async fn in_chunks(&self, mut target: Url) -> Result<Response, OciError> {
        let progress = Progress::new(self.blob);
        let mut reader = self.open().await?;
        let mut start = 0;
        while start < self.blob.size {
            let length = PIECE.min(self.blob.size - start);
            let mut piece = Vec::new();
            let read = (&mut reader).take(length).read_to_end(&mut piece).await;
            read.map_err(|error| self.local(error))?;
            progress.pass(&piece).map_err(|error| self.local(error))?;
            if piece.len() as u64 != length {
                break;
            }
            let end = start + length - 1;
            let request = self
                .request(Method::PATCH, target.clone())
                .header(CONTENT_RANGE, format!("{start}-{end}"))
                .body(piece);
            let response = self.client.patiently(request.send(), self.place).await?;
            if response.status() != StatusCode::ACCEPTED {
                return if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    let detail = "also pieces of 4 MiB are too large";
                    Err(super::rejected(self.place, detail))
                } else {
                    Ok(response)
                };
            }
            target = self
                .client
                .upload_location(&response, &target, self.place)?;
            start += length;
        }
        self.verdict(&progress)?;
        let request = self
            .request(Method::PUT, self.completed(target))
            .header(CONTENT_LENGTH, 0);
        self.client.patiently(request.send(), self.place).await
    }

    async fn open(&self) -> Result<Box<dyn AsyncRead + Send + Unpin>, OciError> {
        self.source.open().await.map_err(|error| self.local(error))
    }

    /// A request that proves who we are only where that is the registry's business.
    fn request(&self, method: Method, target: Url) -> RequestBuilder {
        let home = self.client.url(self.reference, "");
        let at_home = home.is_ok_and(|home| home.origin() == target.origin());
        let http = self.client.http(self.reference.registry(), at_home);
        let request = http
            .request(method, target)
            .header(CONTENT_TYPE, "application/octet-stream");
        let known = self.client.authorization(self.reference, Access::Push);
        match known.filter(|_| at_home) {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// The address that ends the upload. Its own query belongs to the registry and stays.
    fn completed(&self, mut target: Url) -> Url {
        target
            .query_pairs_mut()
            .append_pair("digest", &self.blob.digest.to_string());
        target
    }

    /// Sends for as long as bytes flow.
    async fn send_watched(
        &self,
        request: RequestBuilder,
        progress: &Progress,
    ) -> Result<Response, OciError> {
        let idle = self.client.shared.timeouts.idle;
        let mut sending = std::pin::pin!(request.send());
        let mut before = progress.sent();
        loop {
            match tokio::time::timeout(idle, &mut sending).await {
                Ok(Ok(response)) => {
                    // A refusal may come before everything is sent, and says more than we know.
                    if response.status() == StatusCode::CREATED {
                        self.verdict(progress)?;
                    }
                    return Ok(response);
                }
                Ok(Err(error)) => {
                    self.source_fault(progress)?;
                    return Err(connection(error, self.place));
                }
                Err(_) if progress.sent() > before => before = progress.sent(),
                Err(_) => return Err(stalled(idle, self.place)),
            }
        }
    }

    /// Whether the source gave what the descriptor promises.
    fn verdict(&self, progress: &Progress) -> Result<(), OciError> {
        self.source_fault(progress)?;
        let checked = progress.take().unwrap_or_else(|| Checked::new(self.blob));
        checked.finish().map_err(|fault| self.misused(&fault))
    }

    /// A fault of the source that already showed while it was read.
    fn source_fault(&self, progress: &Progress) -> Result<(), OciError> {
        match progress
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            Some(SourceFault::Wrong(fault)) => Err(self.misused(&fault)),
            Some(SourceFault::Unreadable(error)) => Err(self.local(error)),
            None => Ok(()),
        }
    }

    fn misused(&self, fault: &Misbehaviour) -> OciError {
        let problem = match fault {
            Misbehaviour::Size {
                expected, found, ..
            } => {
                format!("the source gave {found} bytes where the descriptor says {expected}")
            }
            Misbehaviour::Digest { expected, found } => {
                format!(
                    "the source gave bytes with the digest {found} where the descriptor says {expected}"
                )
            }
            other => other.to_string(),
        };
        let fix = "make the descriptor from the same bytes, and do not change the file meanwhile";
        OciError::misused(self.place, problem, fix)
    }

    fn local(&self, error: io::Error) -> OciError {
        OciError::environment(self.place, Failure::LocalEnd, error)
    }
}

/// What has left the source so far.
struct Progress {
    sent: AtomicU64,
    checked: Mutex<Option<Checked>>,
    fault: Mutex<Option<SourceFault>>,
}

enum SourceFault {
    Wrong(Misbehaviour),
    Unreadable(io::Error),
}

impl Progress {
    fn new(blob: &Descriptor) -> Self {
        Self {
            sent: AtomicU64::new(0),
            checked: Mutex::new(Some(Checked::new(blob))),
            fault: Mutex::new(None),
        }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn take(&self) -> Option<Checked> {
        self.checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn pass(&self, bytes: &[u8]) -> io::Result<()> {
        self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(checked) = checked.as_mut() else {
            return Ok(());
        };
        checked.take(bytes).map_err(|fault| {
            self.fail(SourceFault::Wrong(fault));
            io::Error::other("the source gives more bytes than announced")
        })
    }

    /// Notes a source that ended too early: the HTTP library would call that a broken connection.
    fn end(&self) {
        let checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(fault)) = checked
            .as_ref()
            .map(|checked| checked.announced(checked.seen()))
        {
            self.fail(SourceFault::Wrong(fault));
        }
    }

    fn fail(&self, fault: SourceFault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }
}

/// A reader that counts and hashes.
struct Watched {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    progress: Arc<Progress>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.reader).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                let new = buffer.filled().get(before..).unwrap_or_default();
                if new.is_empty() {
                    self.progress.end();
                }
                Poll::Ready(self.progress.pass(new))
            }
            Poll::Ready(Err(error)) => {
                let shown = io::Error::new(error.kind(), "the source cannot be read");
                self.progress.fail(SourceFault::Unreadable(error));
                Poll::Ready(Err(shown))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The size of a piece in bytes; below the limits that proxies usually have.
const PIECE: u64 = 4 << 20;
