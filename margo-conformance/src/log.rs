//! What the threads of one test log, though those of other tests log as well.

use std::sync::LazyLock;

use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Subscriber};

/// A subscriber for the threads that take it as their default, which hears all of what they log.
///
/// While a process has just one, `tracing` asks whichever thread comes to an event first whether anybody listens there, and keeps
/// to the answer for all threads. When it is a thread of another test nobody does, so there is always one more.
pub fn heard_by(subscriber: impl Subscriber + Send + Sync) -> Dispatch {
    static ONE_MORE: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));
    LazyLock::force(&ONE_MORE);
    Dispatch::new(subscriber)
}
