//! The state of an agent, watched.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use margo_client::state::{Change, State, StateStore};
use margo_client::{Error, ErrorKind};
use margo_types::id::ClientId;
use margo_types::manifest::ManifestVersion;

use super::power::{Dead, Power};
use super::witness::Witness;
use crate::server::lock;

/// What is to be on the disk of a device, over all lives of its agent.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Everything that was acknowledged.
    written: State,
    /// The same with what was being written last; a kill leaves either.
    attempted: Option<State>,
}

impl Memory {
    /// The version of the manifest that is held.
    pub(super) fn held(&self) -> Option<ManifestVersion> {
        Some(self.written.accepted.as_ref()?.version)
    }
}

/// A store that counts and judges what is written, fails while the disk is full, and dies with the power.
#[derive(Debug)]
pub(super) struct WatchedState {
    pub(super) inner: Arc<dyn StateStore>,
    pub(super) power: Arc<Power>,
    pub(super) witness: Arc<Witness>,
    pub(super) client: ClientId,
    pub(super) memory: Arc<Mutex<Memory>>,
    pub(super) disk_full: Arc<AtomicBool>,
    /// Told what is being written, and once more when it is.
    pub(super) tell: fn(&State, bool),
}

#[async_trait]
impl StateStore for WatchedState {
    async fn load(&self) -> Result<State, Error> {
        self.power.point("load").await?;
        let found = self.inner.load().await?;
        let mut memory = lock(&self.memory);
        let allowed = [Some(&memory.written), memory.attempted.as_ref()];
        self.witness.remembers(&self.client, &found, allowed);
        memory.written = found.clone();
        memory.attempted = None;
        Ok(found)
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        let (before, after) = points(changes);
        self.power.point(before).await?;
        if self.disk_full.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorKind::State,
                "the disk is full, says the torture runner; make room",
            ));
        }
        let (held, attempted) = {
            let mut memory = lock(&self.memory);
            let held = memory.held();
            let mut attempted = memory.written.clone();
            for change in changes {
                attempted.apply(change.clone());
            }
            memory.attempted = Some(attempted.clone());
            (held, attempted)
        };
        for change in changes {
            match change {
                Change::Accept(accepted) => self.witness.accepts(&self.client, held, accepted),
                Change::Report(_, report) => self.witness.makes(&self.client, &report.status),
                _ => {}
            }
        }
        (self.tell)(&attempted, false);
        self.inner.commit(changes).await?;
        (self.tell)(&attempted, true);
        {
            let mut memory = lock(&self.memory);
            memory.written = attempted;
            memory.attempted = None;
        }
        self.power.point(after).await?;
        Ok(())
    }
}

/// The kill points around a commit, by what is most important in it.
fn points(changes: &[Change]) -> (&'static str, &'static str) {
    let has = |look: fn(&Change) -> bool| changes.iter().any(look);
    if has(|it| matches!(it, Change::Accept(_))) {
        ("before accept", "after accept")
    } else if has(|it| matches!(it, Change::Forget(_))) {
        ("before forget", "after forget")
    } else if has(|it| matches!(it, Change::Current(..))) {
        ("before current", "after current")
    } else if has(|it| matches!(it, Change::Settle(_))) {
        ("before settle", "after settle")
    } else {
        ("before other commit", "after other commit")
    }
}

impl From<Dead> for Error {
    fn from(dead: Dead) -> Self {
        Self::new(ErrorKind::State, "the power is cut").because(dead)
    }
}

/// A broken store that acknowledges every second commit without making it.
#[derive(Debug)]
pub(super) struct Forgetful {
    pub(super) inner: Arc<dyn StateStore>,
    pub(super) count: AtomicU64,
}

#[async_trait]
impl StateStore for Forgetful {
    async fn load(&self) -> Result<State, Error> {
        self.inner.load().await
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        if self.count.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            return Ok(());
        }
        self.inner.commit(changes).await
    }
}
