//! The state in memory, always equal to the one on disk.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::DeploymentId;
use margo_types::status::DeploymentStatus;
use tokio::sync::Notify;

use super::{Change, State, StateStore};
use crate::{Error, ErrorKind, outbox};

/// A store, and what is in it.
///
/// Changes that are asked for while others are being written are written together, in one step: a thousand deployments
/// need a few hundred syncs of the disk, not thousands.
#[derive(Debug)]
pub(crate) struct Ledger {
    store: Arc<dyn StateStore>,
    state: RwLock<State>,
    plans: Mutex<Plans>,
    /// Whose turn it is to write.
    turn: tokio::sync::Mutex<()>,
    /// Told after every commit.
    pub(crate) committed: Notify,
    /// Told after every commit that concerns deployments; see [`take_concerned`](Self::take_concerned).
    pub(crate) stirred: Notify,
    concerned: Mutex<BTreeSet<DeploymentId>>,
}

/// What is about to be written.
#[derive(Debug)]
struct Plans {
    /// What the state is about to be.
    state: State,
    changes: Vec<Change>,
    batch: Arc<Batch>,
}

/// How the changes fared that were written together.
#[derive(Debug, Default)]
struct Batch(OnceLock<Result<(), Arc<Error>>>);

impl Ledger {
    pub(crate) async fn open(store: Arc<dyn StateStore>) -> Result<Arc<Self>, Error> {
        let state = store.load().await?;
        state.check()?;
        let plans = Plans {
            state: state.clone(),
            changes: Vec::new(),
            batch: Arc::default(),
        };
        Ok(Arc::new(Self {
            store,
            state: RwLock::new(state),
            plans: Mutex::new(plans),
            turn: tokio::sync::Mutex::default(),
            committed: Notify::new(),
            stirred: Notify::new(),
            concerned: Mutex::default(),
        }))
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The deployments that were changed, desired otherwise or reported since this was asked last.
    pub(crate) fn take_concerned(&self) -> BTreeSet<DeploymentId> {
        let concerned = self.concerned.lock();
        std::mem::take(&mut *concerned.unwrap_or_else(PoisonError::into_inner))
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
        let (decided, batch) = self.draft(decide);
        if let Some(batch) = batch {
            let _turn = self.turn.lock().await;
            if batch.0.get().is_none() {
                self.commit().await;
            }
            batch.outcome()?;
        }
        Ok(decided)
    }

    /// What `decide` says, and what it is written with, if there is anything to write.
    fn draft<T>(&self, decide: impl FnOnce(&mut Draft) -> T) -> (T, Option<Arc<Batch>>) {
        let mut draft = Draft {
            plans: self.plans(),
            released: Vec::new(),
        };
        let decided = decide(&mut draft);
        draft.discard_garbage();
        // Also what only looked at plans that are not written yet has to wait for them.
        let is_written = draft.plans.changes.is_empty();
        (
            decided,
            (!is_written).then(|| Arc::clone(&draft.plans.batch)),
        )
    }

    /// Writes all that is planned. Only by the one whose turn it is.
    async fn commit(&self) {
        let (changes, batch) = {
            let mut plans = self.plans();
            let changes = std::mem::take(&mut plans.changes);
            (changes, std::mem::take(&mut plans.batch))
        };
        let mut unfinished = Unfinished {
            ledger: self,
            batch: Some(batch),
        };
        match self.store.commit(&changes).await {
            Ok(()) => {
                self.take_over(changes);
                unfinished.settle(Ok(()));
            }
            Err(error) => unfinished.settle(Err(error)),
        }
    }

    fn take_over(&self, changes: Vec<Change>) {
        let mut stirred = false;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut concerned = self
            .concerned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match &change {
                Change::Accept(after) => {
                    stirred = true;
                    let differences = after.differences(state.accepted.as_ref());
                    concerned.extend(differences.into_iter().map(|(id, ..)| id));
                }
                Change::Current(id, _) | Change::Forget(id) => {
                    stirred |= concerned.insert(*id);
                }
                Change::Report(_, report) => {
                    stirred |= concerned.insert(report.status.deployment_id);
                }
                _ => {}
            }
            state.apply(change);
        }
        drop((state, concerned));
        self.committed.notify_one();
        if stirred {
            self.stirred.notify_one();
        }
    }

    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn outcome(&self) -> Result<(), Error> {
        match self.0.get() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                Err(Error::new(error.kind(), error.to_string()).because(Arc::clone(error)))
            }
            None => Err(Error::new(ErrorKind::State, "the state was not written")),
        }
    }
}

/// A commit that is under way: one that fails, or that the store panics in, takes back everything that is planned.
struct Unfinished<'a> {
    ledger: &'a Ledger,
    batch: Option<Arc<Batch>>,
}

impl Unfinished<'_> {
    fn settle(&mut self, outcome: Result<(), Error>) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        let outcome = outcome.map_err(Arc::new);
        if let Err(error) = &outcome {
            let mut plans = self.ledger.plans();
            plans.state = self.ledger.read(State::clone);
            plans.changes.clear();
            // What was planned meanwhile built on what failed.
            let meanwhile = std::mem::take(&mut plans.batch);
            let _ = meanwhile.0.set(Err(Arc::clone(error)));
        }
        let _ = batch.0.set(outcome);
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.settle(Err(Error::new(
            ErrorKind::State,
            "the state was not written, because the store panicked or the program ends",
        )));
    }
}

/// Changes that are about to be made together, and the state that they lead to.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    plans: MutexGuard<'a, Plans>,
    /// Documents that may be needed no more, with the deployments they are of.
    released: Vec<(DeploymentId, Digest)>,
}

impl Draft<'_> {
    pub(crate) fn state(&self) -> &State {
        &self.plans.state
    }

    pub(crate) fn make(&mut self, change: Change) {
        self.release(&change);
        self.plans.state.apply(change.clone());
        self.plans.changes.push(change);
    }

    /// Puts a report into the outbox.
    pub(crate) fn report(&mut self, status: DeploymentStatus, at: Timestamp) {
        for change in outbox::enqueue(&self.plans.state, status, at) {
            self.make(change);
        }
    }

    /// Notes what a change leaves behind.
    fn release(&mut self, change: &Change) {
        let state = &self.plans.state;
        match change {
            Change::Accept(after) => {
                let before = after.differences(state.accepted.as_ref()).into_iter();
                self.released
                    .extend(before.filter_map(|(id, before, _)| Some((id, before?))));
            }
            Change::Current(id, _) | Change::Forget(id) => {
                if let Some(before) = state.current.get(id) {
                    let documents = before.applied.iter().chain([&before.revision]);
                    self.released.extend(documents.map(|it| (*id, *it)));
                }
            }
            _ => {}
        }
    }

    /// Documents that nobody refers to any more go with what referred to them.
    fn discard_garbage(&mut self) {
        let mut released = std::mem::take(&mut self.released);
        released.sort_unstable();
        released.dedup();
        for (id, digest) in released {
            let state = &self.plans.state;
            if !state.refers_to(id, &digest) && state.documents.contains_key(&digest) {
                self.make(Change::Discard(digest));
            }
        }
    }
}
