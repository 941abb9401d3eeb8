//! The state in memory, always equal to the one on disk.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::status::DeploymentStatus;
use tokio::sync::{Mutex, MutexGuard, Notify};

use super::{Change, State, StateStore};
use crate::{Error, ErrorKind, outbox};

/// A store, and what is in it.
#[derive(Debug)]
pub(crate) struct Ledger {
    store: Arc<dyn StateStore>,
    state: RwLock<State>,
    /// The same, or what it is about to be.
    draft: Mutex<State>,
    /// Told after every commit.
    pub(crate) committed: Notify,
}

impl Ledger {
    pub(crate) async fn open(store: Arc<dyn StateStore>) -> Result<Arc<Self>, Error> {
        let state = store.load().await?;
        state.check()?;
        Ok(Arc::new(Self {
            store,
            draft: Mutex::new(state.clone()),
            state: RwLock::new(state),
            committed: Notify::new(),
        }))
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the changes that `decide` drafts, on disk and then in memory.
    ///
    /// Runs in a task of its own: when the caller is cancelled, memory still follows the disk.
    pub(crate) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        decide: impl FnOnce(&mut Draft) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let ledger = Arc::clone(self);
        let written = tokio::spawn(async move { ledger.write(decide).await });
        written.await.unwrap_or_else(|ended| {
            let message =
                "the state was not written, because the store panicked or the program ends";
            Err(Error::new(ErrorKind::State, message).because(ended))
        })
    }

    async fn write<T>(&self, decide: impl FnOnce(&mut Draft) -> T) -> Result<T, Error> {
        let mut draft = Draft {
            ledger: self,
            state: self.draft.lock().await,
            changes: Vec::new(),
        };
        let decided = decide(&mut draft);
        if draft.changes.is_empty() {
            return Ok(decided);
        }
        draft.discard_garbage();
        self.store.commit(&draft.changes).await?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for change in std::mem::take(&mut draft.changes) {
            state.apply(change);
        }
        drop(state);
        self.committed.notify_one();
        Ok(decided)
    }
}

/// Changes that are about to be made together, and the state that they lead to. What is not committed is taken back.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    ledger: &'a Ledger,
    state: MutexGuard<'a, State>,
    changes: Vec<Change>,
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.changes.is_empty() {
            *self.state = self.ledger.read(State::clone);
        }
    }
}

impl Draft<'_> {
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn make(&mut self, change: Change) {
        self.state.apply(change.clone());
        self.changes.push(change);
    }

    /// Puts a report into the outbox.
    pub(crate) fn report(&mut self, status: DeploymentStatus, at: Timestamp) {
        for change in outbox::enqueue(&self.state, status, at) {
            self.make(change);
        }
    }

    /// Documents that nobody refers to any more go with what referred to them.
    fn discard_garbage(&mut self) {
        let may_leave_some = |it: &Change| {
            matches!(
                it,
                Change::Accept(_) | Change::Current(..) | Change::Forget(_)
            )
        };
        if !self.changes.iter().any(may_leave_some) {
            return;
        }
        let kept = self.state.referenced();
        let stored: Vec<Digest> = self.state.documents.keys().copied().collect();
        for digest in stored {
            if !kept.contains(&digest) {
                self.make(Change::Discard(digest));
            }
        }
    }
}
