//! What a connection is doing, so that each doing has its own time limit.
//!
//! The HTTP library has one limit for waiting and for reading a head; devices that poll once a minute need two.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::repeats::Repeats;

/// Shared by the stream, the service and the driver of one connection, which are all of one task.
///
/// It has no clock: the driver sees the time when it sees a change, once for all changes that a request makes.
#[derive(Debug)]
pub(super) struct Activity {
    /// How often the phase has changed, times four, plus the phase.
    state: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests.
    Idle = 0,
    /// The head of a request has begun to come.
    Head = 1,
    /// A request is worked on.
    Busy = 2,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU64::new(Phase::Idle as u64),
        })
    }

    pub(super) fn begin(&self, phase: Phase) {
        let changes = self.changes() + 1;
        self.state
            .store(changes * 4 + phase as u64, Ordering::Relaxed);
    }

    /// What the connection is doing.
    pub(super) fn phase(&self) -> Phase {
        match self.state.load(Ordering::Relaxed) % 4 {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Busy,
        }
    }

    /// How often the phase has changed.
    pub(super) fn changes(&self) -> u64 {
        self.state.load(Ordering::Relaxed) / 4
    }
}

/// A stream that notices the first byte of a request, and answers polls that repeat the one before.
pub(super) struct WatchedStream<T> {
    stream: T,
    activity: Arc<Activity>,
    repeats: Option<Arc<Repeats>>,
    /// Whether the HTTP library may have more to write.
    is_writing: bool,
    /// Whether an answer that it knows nothing of is still to be flushed.
    owes_flush: bool,
}

impl<T> WatchedStream<T> {
    pub(super) const fn new(
        stream: T,
        activity: Arc<Activity>,
        repeats: Option<Arc<Repeats>>,
    ) -> Self {
        Self {
            stream,
            activity,
            repeats,
            is_writing: false,
            owes_flush: false,
        }
    }

    /// What the connection is doing, which is not nothing before a response is written to its end.
    fn phase(&self) -> Phase {
        match self.activity.phase() {
            Phase::Idle if self.is_writing => Phase::Busy,
            phase => phase,
        }
    }
}

impl<T: AsyncWrite + Unpin> WatchedStream<T> {
    /// Writes an answer that the HTTP library knows nothing of. Between requests a stream takes that much at once.
    fn write_answer(&mut self, context: &mut Context<'_>, answer: &[u8]) -> io::Result<()> {
        self.owes_flush = true;
        match Pin::new(&mut self.stream).poll_write(context, answer)? {
            Poll::Ready(written) if written == answer.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for WatchedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            if self.owes_flush {
                ready!(Pin::new(&mut self.stream).poll_flush(context))?;
                self.owes_flush = false;
            }
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let read = buffer.filled().get(before..).unwrap_or_default();
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let repeats = self.repeats.as_deref();
            let Some(answer) = repeats.and_then(|repeats| repeats.answer(read, self.phase()))
            else {
                if self.activity.phase() == Phase::Idle {
                    self.activity.begin(Phase::Head);
                }
                return Poll::Ready(Ok(()));
            };
            self.write_answer(context, &answer)?;
            self.activity.begin(Phase::Idle);
            buffer.set_filled(before);
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WatchedStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_writing = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.is_writing = true;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.is_writing = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of a response, if it has one; the connection is idle when it is gone.
#[derive(Debug)]
pub(super) struct WatchedBody<B> {
    body: Option<B>,
    activity: Arc<Activity>,
}

impl<B> WatchedBody<B> {
    pub(super) const fn new(body: Option<B>, activity: Arc<Activity>) -> Self {
        Self { body, activity }
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
        self.activity.begin(Phase::Idle);
    }
}
