//! How long a connection may do what.

use std::collections::hash_map::RandomState;
use std::future::poll_fn;
use std::hash::{BuildHasher as _, Hasher as _};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Phase, WatchedStream};
use super::connection::Notice;
use super::conversation::{Conversation, Http};
use super::repeats::Lesson;
use super::session::Session;
use super::{BoxError, ServerOptions};

/// Sees to it that a connection keeps its limits and ends in time.
pub(super) struct Driver<'o> {
    session: Arc<Session>,
    /// The last change of the phase that was seen, and when.
    seen: (u64, Instant),
    /// Whom the alarm and the notices wake; `None` when they are new and have not been told.
    waker: Option<Waker>,
    options: &'o ServerOptions,
    generation: u64,
    /// From when on it takes no more requests.
    retire_at: Instant,
    /// When it ends whatever it does; `None` before it retires.
    end_at: Option<Instant>,
}

impl<'o> Driver<'o> {
    pub(super) fn new(session: Arc<Session>, options: &'o ServerOptions) -> Self {
        let now = Instant::now();
        let proof = &session.proof;
        Self {
            seen: (0, now),
            waker: None,
            options,
            generation: proof.generation,
            retire_at: now + proof.lifetime(options.max_age),
            session,
            end_at: None,
        }
    }

    pub(super) async fn drive<F, H>(
        mut self,
        mut conversation: Conversation<F, H>,
        mut notices: watch::Receiver<Notice>,
    ) -> Result<(), BoxError>
    where
        F: FnMut(WatchedStream, Option<Lesson>) -> H,
        H: Http,
    {
        // Nothing that was said during the handshake has been heeded yet.
        notices.mark_changed();
        let mut alarm = pin!(sleep_until(self.deadline()));
        loop {
            let event = self
                .next_event(&mut conversation, alarm.as_mut(), &mut notices)
                .await;
            let (now, since) = (Instant::now(), self.seen.1);
            match event {
                Event::Over(result) => return result,
                Event::Notice => {
                    // The server itself may be gone.
                    let is_gone = notices.has_changed().is_err();
                    let notice = *notices.borrow_and_update();
                    if is_gone || notice.is_stopping {
                        self.retire(&mut conversation, now);
                    } else if notice.generation != self.generation {
                        let soon = now + fraction(self.options.renewal_spread);
                        self.retire_at = self.retire_at.min(soon);
                    }
                }
                Event::Alarm if self.end_at.is_some_and(|end| end <= now) => return Ok(()),
                Event::Alarm => match self.session.activity.phase() {
                    Phase::Head if since + self.options.header_timeout <= now => {
                        return Err(SlowHead(self.options.header_timeout).into());
                    }
                    Phase::Idle | Phase::Sending if since + self.options.idle_timeout <= now => {
                        self.retire(&mut conversation, now);
                    }
                    _ if self.end_at.is_none() && self.retire_at <= now => {
                        self.retire(&mut conversation, now);
                    }
                    _ => {}
                },
            }
            alarm.as_mut().reset(self.deadline());
        }
    }

    /// Works on the conversation until it ends, the alarm goes off or there is something to notice.
    ///
    /// The alarm is set earlier when what the connection does now has an earlier limit. When that is later it is left as it is, which
    /// is cheaper than setting it with every request, unless it is to go off soon: to be woken for nothing is dearer than both.
    async fn next_event<F, H>(
        &mut self,
        conversation: &mut Conversation<F, H>,
        mut alarm: Pin<&mut Sleep>,
        notices: &mut watch::Receiver<Notice>,
    ) -> Event
    where
        F: FnMut(WatchedStream, Option<Lesson>) -> H,
        H: Http,
    {
        let is_open = self.end_at.is_none();
        let board = notices.clone();
        let mut notice = pin!(notices.changed());
        self.waker = None;
        poll_fn(|context| {
            if let Poll::Ready(result) = conversation.poll(context) {
                return Poll::Ready(Event::Over(result));
            }
            let has_moved = self.look_at_phase();
            let deadline = self.deadline();
            let soon = self.seen.1 + self.options.idle_timeout / 2;
            let is_moot = has_moved && alarm.deadline() < soon.min(deadline);
            if deadline < alarm.deadline() || is_moot {
                alarm.as_mut().reset(deadline);
                self.waker = None;
            }
            let is_told = |waker: &Waker| waker.will_wake(context.waker());
            if has_moved && self.waker.as_ref().is_some_and(is_told) {
                // What has woken this task was a request. Whether the alarm or a notice has done so, too, is seen without
                // asking them, each of which takes a lock.
                return if is_open && board.has_changed().unwrap_or(true) {
                    Poll::Ready(Event::Notice)
                } else if alarm.deadline() <= self.seen.1 {
                    Poll::Ready(Event::Alarm)
                } else {
                    Poll::Pending
                };
            }
            self.waker = Some(context.waker().clone());
            if is_open && notice.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Notice);
            }
            alarm.as_mut().poll(context).map(|()| Event::Alarm)
        })
        .await
    }

    /// Sees the time when the connection has begun to do something else; whether it has.
    fn look_at_phase(&mut self) -> bool {
        let changes = self.session.activity.changes();
        let has_moved = changes != self.seen.0;
        if has_moved {
            self.seen = (changes, Instant::now());
        }
        has_moved
    }

    /// Answers what is being worked on, and closes.
    fn retire<F, H>(&mut self, conversation: &mut Conversation<F, H>, now: Instant)
    where
        F: FnMut(WatchedStream, Option<Lesson>) -> H,
        H: Http,
    {
        if self.end_at.is_none() {
            self.end_at = Some(now + self.options.drain);
            conversation.retire();
        }
    }

    fn deadline(&self) -> Instant {
        let end = self.end_at.unwrap_or(self.retire_at);
        let since = self.seen.1;
        match self.session.activity.phase() {
            Phase::Head => end.min(since + self.options.header_timeout),
            Phase::Idle | Phase::Sending if self.end_at.is_none() => {
                end.min(since + self.options.idle_timeout)
            }
            Phase::Idle | Phase::Sending | Phase::Busy => end,
        }
    }
}

/// A client took more than this time for the head of a request.
#[derive(Debug, thiserror::Error)]
#[error("the head of a request took longer than {0:?}")]
pub(super) struct SlowHead(Duration);

enum Event {
    Over(Result<(), BoxError>),
    Notice,
    Alarm,
}

/// A random part of a duration.
pub(super) fn fraction(whole: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let thousandths = u32::try_from(random % 1000).unwrap_or(0);
    whole * thousandths / 1000
}
