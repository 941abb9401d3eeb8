//! One call at a time for a deployment, with everything that it began.
//!
//! Work on files is done on threads of its own, and goes on there when the call that began it is dropped. So a call's turn ends
//! only with the last of that work: whoever comes next finds files that nobody changes any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use margo_types::id::DeploymentId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// The deployments that are worked at.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<BTreeMap<DeploymentId, Arc<AsyncMutex<()>>>>);

/// The turn of a call. It ends with the last clone.
pub(crate) type Turn = Arc<OwnedMutexGuard<()>>;

tokio::task_local! {
    static PRESENT: Turn;
}

impl Turns {
    /// Does this work when nothing else is done to the deployment any more.
    pub(crate) async fn take<T>(
        &self,
        deployment: &DeploymentId,
        work: impl Future<Output = T>,
    ) -> T {
        let turn = self.of(deployment).lock_owned().await;
        PRESENT.scope(Arc::new(turn), work).await
    }

    fn of(&self, deployment: &DeploymentId) -> Arc<AsyncMutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(*deployment).or_default())
    }
}

/// The turn that the present task has, for what it begins elsewhere.
pub(crate) fn present() -> Option<Turn> {
    PRESENT.try_with(Arc::clone).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::files::blocking;

    const ID: &str = "ad9b614e-8912-45f4-a523-372358765def";

    #[tokio::test]
    async fn the_next_call_waits_for_what_a_dropped_one_began() {
        let (turns, id) = (Arc::new(Turns::default()), ID.parse().unwrap());
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go, gone) = mpsc::channel::<()>();
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let first = turns.take(&id, async {
            blocking(move || {
                begun.send(()).unwrap();
                // The sender is there until it is time.
                let _ = gone.recv();
                is_done.store(true, Ordering::SeqCst);
                Ok(())
            })
            .await
        });
        tokio::select! {
            _ = first => panic!("it cannot end"),
            begun = has_begun => begun.unwrap(),
        }
        // It is dropped by now, and its work goes on.
        let next = turns.take(&id, async { done.load(Ordering::SeqCst) });
        let mut next = std::pin::pin!(next);
        tokio::select! {
            biased;
            _ = &mut next => panic!("it must wait"),
            () = tokio::task::yield_now() => {}
        }
        let other = "ad9b614e-8912-45f4-a523-372358765de0".parse().unwrap();
        turns.take(&other, async {}).await;
        drop(go);
        assert!(next.await, "it came before the work was done");
    }

    #[tokio::test]
    async fn deployments_that_are_done_with_are_forgotten() {
        let (turns, id) = (Turns::default(), ID.parse().unwrap());
        turns.take(&id, async {}).await;
        let other = "ad9b614e-8912-45f4-a523-372358765de0".parse().unwrap();
        turns.take(&other, async {}).await;
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
