//! The power of a process that is killed within this one.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::server::lock;

/// The power of one agent or fleet manager. Its steps pass numbered points; at one of them the power may be cut, and
/// then nothing that passes a point has any effect any more.
///
/// What comes to a point without power waits until the killer has taken away everything that could act on the outcome,
/// and learns then that it is dead. So nobody ever reacts to a failure that only a kill made.
#[derive(Debug)]
pub(super) struct Power {
    passed: AtomicU64,
    cut_at: AtomicU64,
    phase: watch::Sender<Phase>,
    last: Mutex<Option<&'static str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    On,
    Cut,
    Buried,
}

/// What a step learns that was killed.
#[derive(Debug)]
pub(super) struct Dead;

impl Power {
    pub(super) fn on() -> Arc<Self> {
        Arc::new(Self {
            passed: AtomicU64::new(0),
            cut_at: AtomicU64::new(u64::MAX),
            phase: watch::Sender::new(Phase::On),
            last: Mutex::default(),
        })
    }

    /// Passes a point, unless the power is cut there or was before.
    pub(super) async fn point(&self, name: &'static str) -> Result<(), Dead> {
        let number = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        if number >= self.cut_at.load(Ordering::SeqCst) {
            self.cut_here(name);
        }
        if *self.phase.borrow() == Phase::On {
            return Ok(());
        }
        let mut phase = self.phase.subscribe();
        let _ = phase.wait_for(|phase| *phase == Phase::Buried).await;
        Err(Dead)
    }

    /// Cuts the power at the `after`-th point from here, counted from 1.
    pub(super) fn arm(&self, after: u64) {
        let at = self.passed.load(Ordering::SeqCst).saturating_add(after);
        self.cut_at.store(at, Ordering::SeqCst);
    }

    /// Cuts it now, wherever everything is.
    pub(super) fn cut(&self) {
        self.cut_here("between points");
    }

    pub(super) fn is_cut(&self) -> bool {
        *self.phase.borrow() != Phase::On
    }

    pub(super) async fn wait_until_cut(&self) {
        let mut phase = self.phase.subscribe();
        let _ = phase.wait_for(|phase| *phase != Phase::On).await;
    }

    /// Lets go what waits at its point. Only when nobody is left who could act on it.
    pub(super) fn bury(&self) {
        self.phase.send_replace(Phase::Buried);
    }

    /// The point at which it was cut.
    pub(super) fn place(&self) -> Option<&'static str> {
        *lock(&self.last)
    }

    fn cut_here(&self, name: &'static str) {
        self.phase.send_if_modified(|phase| {
            let is_first = *phase == Phase::On;
            if is_first {
                *phase = Phase::Cut;
                *lock(&self.last) = Some(name);
            }
            is_first
        });
    }
}

impl fmt::Display for Dead {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("killed by the torture runner")
    }
}

impl std::error::Error for Dead {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_passes_a_point_after_the_cut() {
        let power = Power::on();
        power.arm(2);
        power.point("first").await.expect("there is power");
        let late = {
            let power = Arc::clone(&power);
            tokio::spawn(async move { power.point("second").await })
        };
        power.wait_until_cut().await;
        assert!(!late.is_finished(), "it waits at its point");
        power.bury();
        late.await.expect("no panic").expect_err("it is dead");
        power.point("third").await.expect_err("as is the rest");
        assert_eq!(power.place(), Some("second"));
    }
}
