//! What happens later by itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Weak;
use std::time::Duration;

use tokio::time::Instant;

use super::objects::Key;
use super::state::Shared;

/// What the controllers have to look at again, and when.
#[derive(Debug, Default)]
pub(super) struct Clock {
    due: BTreeMap<Instant, Vec<Key>>,
    /// When pods get ready, by UID; those that have to wait for it.
    ready: HashMap<String, Instant>,
    /// When the collector of garbage gets round to objects, by UID.
    collected: HashMap<String, Instant>,
    /// How far rollouts are, and since when, by UID.
    progress: HashMap<String, (String, Instant)>,
}

impl Clock {
    /// Has the controllers look at an object after some time.
    pub(super) fn look_after(&mut self, delay: Duration, key: &Key) {
        let due = self.due.entry(Instant::now() + delay);
        due.or_default().push(key.clone());
    }

    /// Notes that a pod is not ready before some time.
    pub(super) fn hold_back(&mut self, uid: &str, delay: Duration, key: &Key) {
        if !delay.is_zero() {
            self.ready.insert(uid.to_owned(), Instant::now() + delay);
            self.look_after(delay, key);
        }
    }

    /// Whether a pod may be ready by now.
    pub(super) fn may_be_ready(&self, uid: &str) -> bool {
        self.ready.get(uid).is_none_or(|at| *at <= Instant::now())
    }

    /// Whether the collector of garbage gets round to an object now; it has a look a moment after it could.
    pub(super) fn may_collect(&mut self, uid: &str, key: &Key) -> bool {
        if let Some(at) = self.collected.get(uid) {
            return *at <= Instant::now();
        }
        let at = Instant::now() + COLLECTION;
        self.collected.insert(uid.to_owned(), at);
        self.look_after(COLLECTION, key);
        false
    }

    /// Whether a rollout that is now this far was so for at least as long.
    pub(super) fn is_stuck(
        &mut self,
        uid: &str,
        progress: String,
        limit: Duration,
        key: &Key,
    ) -> bool {
        match self.progress.get(uid) {
            Some((known, since)) if *known == progress => since.elapsed() >= limit,
            _ => {
                self.progress
                    .insert(uid.to_owned(), (progress, Instant::now()));
                self.look_after(limit, key);
                false
            }
        }
    }

    /// When there is something to do.
    fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(at, _)| *at)
    }

    /// What there is to do by now.
    pub(super) fn take_due(&mut self) -> Vec<Key> {
        let later = self
            .due
            .split_off(&(Instant::now() + Duration::from_nanos(1)));
        let due = std::mem::replace(&mut self.due, later);
        due.into_values().flatten().collect()
    }
}

/// How long after a request the collector of garbage does its part.
const COLLECTION: Duration = Duration::from_millis(5);

/// Has the controllers look at what is due, as long as there is a cluster.
pub(super) async fn run(shared: Weak<Shared>) {
    let Some(mut changes) = shared.upgrade().map(|shared| shared.changes()) else {
        return;
    };
    loop {
        changes.borrow_and_update();
        let Some(next) = shared
            .upgrade()
            .map(|shared| shared.look(|state| state.clock.next()))
        else {
            return;
        };
        let far = Instant::now() + Duration::from_hours(1);
        tokio::select! {
            end = changes.changed() => if end.is_err() { return },
            () = tokio::time::sleep_until(next.unwrap_or(far)) => {
                let Some(shared) = shared.upgrade() else { return };
                shared.change(|state| {
                    for key in state.clock.take_due() {
                        state.objects.unsettle(key);
                    }
                });
            }
        }
    }
}
