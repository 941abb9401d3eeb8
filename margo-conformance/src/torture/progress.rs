//! How a run goes, for whoever looks at it meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a run goes. Any thread may look at it while it does; clones are of the same run.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Gauges>);

#[derive(Debug, Default)]
struct Gauges {
    agents_killed: AtomicU64,
    managers_killed: AtomicU64,
    steps: AtomicU64,
}

impl Progress {
    /// How many agents were killed so far.
    pub fn agents_killed(&self) -> u64 {
        self.0.agents_killed.load(Ordering::Relaxed)
    }

    /// How many fleet managers were.
    pub fn managers_killed(&self) -> u64 {
        self.0.managers_killed.load(Ordering::Relaxed)
    }

    /// How many things were done: actions or, where all is about kills, changes of desired states.
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }

    pub(super) fn agent_was_killed(&self) {
        self.0.agents_killed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn manager_was_killed(&self) {
        self.0.managers_killed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stepped(&self) {
        self.0.steps.fetch_add(1, Ordering::Relaxed);
    }
}
