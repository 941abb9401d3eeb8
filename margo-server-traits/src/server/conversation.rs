//! A connection by turns: at rest, and in the hands of the HTTP library for as long as there is something to do.
//!
//! A device polls once a minute, so that nearly all connections are at rest nearly all of the time. One that rests has
//! neither a parser nor buffers, and what it reads begins a request: that is how polls are known again (`repeats.rs`).

use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::BoxError;
use super::activity::{Phase, WatchedStream};
use super::repeats::{Lesson, MAX_POLL, Repeats};
use super::session::Session;
use super::wire::SecureStream;

/// All that is said over one connection. `F` makes the HTTP library's connection of a stream, whenever a request begins.
pub(super) struct Conversation<F, H> {
    stage: Stage<H>,
    speak: F,
    session: Arc<Session>,
    repeats: Option<Arc<Repeats>>,
}

enum Stage<H> {
    Resting(Resting),
    Speaking(Box<H>),
    Closing(SecureStream),
    Over,
}

impl<F, H> Conversation<F, H>
where
    F: FnMut(WatchedStream, Option<Lesson>) -> H,
    H: Http,
{
    pub(super) const fn new(
        stream: SecureStream,
        session: Arc<Session>,
        repeats: Option<Arc<Repeats>>,
        speak: F,
    ) -> Self {
        Self {
            stage: Stage::Resting(Resting::new(stream)),
            speak,
            session,
            repeats,
        }
    }

    /// Goes on until the connection is closed.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        loop {
            match &mut self.stage {
                Stage::Resting(resting) => {
                    let repeats = self.repeats.as_deref();
                    let begin = ready!(resting.poll_begin(context, repeats, &self.session))?;
                    self.wake(begin);
                }
                Stage::Speaking(http) => {
                    if let Poll::Ready(result) = http.poll_unpin(context) {
                        return Poll::Ready(result.map_err(Into::into));
                    }
                    if !self.session.activity.is_at_rest() {
                        return Poll::Pending;
                    }
                    self.rest();
                }
                Stage::Closing(stream) => {
                    return Pin::new(stream).poll_shutdown(context).map_err(Into::into);
                }
                Stage::Over => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Answers what is being worked on, and closes.
    pub(super) fn retire(&mut self) {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Resting(Resting { stream, .. }) => self.stage = Stage::Closing(stream),
            Stage::Speaking(mut http) => {
                http.retire();
                self.stage = Stage::Speaking(http);
            }
            stage @ (Stage::Closing(_) | Stage::Over) => self.stage = stage,
        }
    }

    /// Hands the stream over to the HTTP library, with what was read of a request; with nothing when there will be none.
    fn wake(&mut self, begin: Bytes) {
        if let Stage::Resting(Resting { stream, .. }) = mem::replace(&mut self.stage, Stage::Over) {
            self.stage = if begin.is_empty() {
                Stage::Closing(stream)
            } else {
                self.session.activity.begin(Phase::Head);
                let repeats = self.repeats.as_ref();
                let lesson = repeats.and_then(|repeats| repeats.lesson(&self.session, &begin));
                let stream = WatchedStream::new(stream, begin, Arc::clone(&self.session));
                Stage::Speaking(Box::new((self.speak)(stream, lesson)))
            };
        }
    }

    /// Takes the stream back from the HTTP library, which has answered everything.
    fn rest(&mut self) {
        if let Stage::Speaking(http) = mem::replace(&mut self.stage, Stage::Over)
            && let Some((stream, ahead)) = http.leave()
        {
            self.stage = Stage::Resting(Resting::new(stream));
            if !ahead.is_empty() {
                self.wake(ahead);
            }
        }
    }
}

/// A stream between two requests.
struct Resting {
    stream: SecureStream,
    /// Whether an answer is still to be flushed.
    owes_flush: bool,
}

impl Resting {
    const fn new(stream: SecureStream) -> Self {
        Self {
            stream,
            owes_flush: false,
        }
    }

    /// Answers polls that repeat the one before, until something else comes: the begin of another request, or nothing at
    /// the end of the stream.
    fn poll_begin(
        &mut self,
        context: &mut Context<'_>,
        repeats: Option<&Repeats>,
        session: &Session,
    ) -> Poll<io::Result<Bytes>> {
        // On the stack, since it is needed only from here to the end of this function.
        let mut space = [MaybeUninit::uninit(); MAX_POLL];
        loop {
            if self.owes_flush {
                ready!(Pin::new(&mut self.stream).poll_flush(context))?;
                self.owes_flush = false;
            }
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            let read = buffer.filled();
            let Some(answer) = repeats.and_then(|repeats| repeats.answer(session, read)) else {
                return Poll::Ready(Ok(Bytes::copy_from_slice(read)));
            };
            self.write(context, &answer)?;
            session.activity.begin(Phase::Idle);
        }
    }

    /// Between requests a stream takes as much as an answer at once.
    fn write(&mut self, context: &mut Context<'_>, answer: &[u8]) -> io::Result<()> {
        self.owes_flush = true;
        match Pin::new(&mut self.stream).poll_write(context, answer)? {
            Poll::Ready(written) if written == answer.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

/// A connection of the HTTP library, whose type has many parameters.
pub(super) trait Http: Future<Output = Result<(), hyper::Error>> + Unpin {
    /// Answers what is being worked on, and closes.
    fn retire(&mut self);

    /// The stream, when everything is answered, and what was read ahead of it.
    fn leave(self) -> Option<(SecureStream, Bytes)>;
}

impl<B, S> Http for http1::Connection<TokioIo<WatchedStream>, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: Body<Error: Into<BoxError>> + 'static,
{
    fn retire(&mut self) {
        Pin::new(self).graceful_shutdown();
    }

    fn leave(mut self) -> Option<(SecureStream, Bytes)> {
        // Between requests it ends at once, and without a trace on the stream.
        self.retire();
        let parts = self.without_shutdown().now_or_never()?.ok()?;
        let (stream, unread) = parts.io.into_inner().into_parts();
        let ahead = if unread.is_empty() {
            parts.read_buf
        } else {
            [parts.read_buf, unread].concat().into()
        };
        Some((stream, ahead))
    }
}
