//! What a connection is doing, so that each doing has its own time limit.
//!
//! The HTTP library has one limit for waiting and for reading a head; devices that poll once a minute need two.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::session::Session;
use super::wire::SecureStream;

/// Shared by the stream, the service and the driver of one connection, which are all of one task.
///
/// It has no clock: the driver sees the time when it sees a change, once for all changes that a request makes.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// How often the phase has changed, times four, plus the phase. It begins with [`Phase::Idle`].
    state: AtomicU64,
    /// Whether the last request may have a body of which not all has been read.
    has_body: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests.
    Idle = 0,
    /// The head of a request has begun to come.
    Head = 1,
    /// A request is worked on.
    Busy = 2,
    /// The end of a response is on its way, or that of the connection.
    Sending = 3,
}

impl Activity {
    pub(super) fn begin(&self, phase: Phase) {
        let changes = self.changes() + 1;
        self.state
            .store(changes * 4 + phase as u64, Ordering::Relaxed);
    }

    /// Work on a request begins.
    pub(super) fn begin_request<B: Body>(&self, request: &Request<B>) {
        let has_body = !request.body().is_end_stream();
        self.has_body.store(has_body, Ordering::Relaxed);
        self.begin(Phase::Busy);
    }

    /// Something was written. A long response to a slow peer begins its time anew whenever it gets on.
    fn goes_on(&self, written: &io::Result<usize>) {
        if self.phase() == Phase::Sending && written.as_ref().is_ok_and(|length| *length > 0) {
            self.begin(Phase::Sending);
        }
    }

    /// What the connection is doing.
    pub(super) fn phase(&self) -> Phase {
        match self.state.load(Ordering::Relaxed) % 4 {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Sending,
        }
    }

    /// Whether all that was asked has been read to its end, and answered. After a request with a body nobody outside of the
    /// HTTP library knows, so that it keeps the connection until the next one.
    pub(super) fn is_at_rest(&self) -> bool {
        self.phase() == Phase::Idle && !self.has_body.load(Ordering::Relaxed)
    }

    /// How often the phase has changed.
    pub(super) fn changes(&self) -> u64 {
        self.state.load(Ordering::Relaxed) / 4
    }
}

/// A stream that gives back first what was read of it, and notices where requests begin and responses end.
pub(super) struct WatchedStream {
    stream: SecureStream,
    unread: Bytes,
    session: Arc<Session>,
}

impl WatchedStream {
    pub(super) const fn new(stream: SecureStream, unread: Bytes, session: Arc<Session>) -> Self {
        Self {
            stream,
            unread,
            session,
        }
    }

    /// The stream, and what has not been given back yet.
    pub(super) fn into_parts(self) -> (SecureStream, Bytes) {
        (self.stream, self.unread)
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.unread.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            let length = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.split_to(length));
        }
        if buffer.filled().len() > before && self.session.activity.phase() == Phase::Idle {
            self.session.activity.begin(Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.session.activity.goes_on(&written);
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices));
        self.session.activity.goes_on(&written);
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The HTTP library flushes when it has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.session.activity.phase() == Phase::Sending {
            self.session.activity.begin(Phase::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.activity.begin(Phase::Sending);
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of a response, if it has one; when it is gone, all of the response is written or about to be.
pub(super) struct WatchedBody<B> {
    body: Option<B>,
    session: Arc<Session>,
}

impl<B> WatchedBody<B> {
    pub(super) const fn new(body: Option<B>, session: Arc<Session>) -> Self {
        Self { body, session }
    }
}

impl<B: Body + Unpin> Body for WatchedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<B> Drop for WatchedBody<B> {
    fn drop(&mut self) {
        self.session.activity.begin(Phase::Sending);
    }
}
