//! The state in memory, always equal to the one on disk.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::status::DeploymentStatus;
use tokio::sync::{Mutex, Notify};

use super::{Change, State, StateStore};
use crate::{Error, ErrorKind, outbox};

/// A store, and what is in it.
#[derive(Debug)]
pub(crate) struct Ledger {
    store: Arc<dyn StateStore>,
    writer: Mutex<()>,
    state: RwLock<State>,
    /// Told after every commit.
    pub(crate) committed: Notify,
}

impl Ledger {
    pub(crate) async fn open(store: Arc<dyn StateStore>) -> Result<Arc<Self>, Error> {
        let state = store.load().await?;
        state.check()?;
        Ok(Arc::new(Self {
            store,
            writer: Mutex::new(()),
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
    pub(crate) async fn change(
        self: &Arc<Self>,
        decide: impl FnOnce(&mut Draft) + Send + 'static,
    ) -> Result<(), Error> {
        let ledger = Arc::clone(self);
        let written = tokio::spawn(async move { ledger.write(decide).await });
        written.await.unwrap_or_else(|ended| {
            let message =
                "the state was not written, because the store panicked or the program ends";
            Err(Error::new(ErrorKind::State, message).because(ended))
        })
    }

    async fn write(&self, decide: impl FnOnce(&mut Draft)) -> Result<(), Error> {
        let _writer = self.writer.lock().await;
        let mut draft = Draft {
            state: self.read(State::clone),
            changes: Vec::new(),
        };
        decide(&mut draft);
        if draft.changes.is_empty() {
            return Ok(());
        }
        draft.discard_garbage();
        self.store.commit(&draft.changes).await?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = draft.state;
        self.committed.notify_one();
        Ok(())
    }
}

/// Changes that are about to be made together, and the state that they lead to.
#[derive(Debug)]
pub(crate) struct Draft {
    state: State,
    changes: Vec<Change>,
}

impl Draft {
    pub(crate) const fn state(&self) -> &State {
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
        let kept = self.state.referenced();
        let stored: Vec<Digest> = self.state.documents.keys().copied().collect();
        for digest in stored {
            if !kept.contains(&digest) {
                self.make(Change::Discard(digest));
            }
        }
    }
}
