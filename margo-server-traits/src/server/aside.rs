//! What seldom happens beside the work of a task: alarms and notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// Tells whether a task was woken by one of its alarms and notices, so that it asks after them only then and not whenever
/// it works, which with every request costs more than it seems: each of them takes a lock.
#[derive(Debug, Default)]
pub(super) struct Aside {
    bell: Option<Arc<Bell>>,
    /// Whether to ask without having been woken.
    is_new: bool,
}

impl Aside {
    /// Asks after alarms and notices the next time in any case: one of them is new and has not been told whom to wake.
    pub(super) const fn look_again(&mut self) {
        self.is_new = true;
    }

    /// The waker for alarms and notices, if it is time to ask after them.
    pub(super) fn woken(&mut self, context: &Context<'_>) -> Option<Waker> {
        let bell = match &self.bell {
            Some(bell) if bell.task.will_wake(context.waker()) => bell,
            _ => {
                self.is_new = true;
                self.bell.insert(Arc::new(Bell {
                    has_rung: AtomicBool::new(false),
                    task: context.waker().clone(),
                }))
            }
        };
        let has_rung =
            bell.has_rung.load(Ordering::Relaxed) && bell.has_rung.swap(false, Ordering::Acquire);
        let is_new = std::mem::take(&mut self.is_new);
        (has_rung || is_new).then(|| Waker::from(Arc::clone(bell)))
    }
}

/// Wakes a task and leaves a sign.
#[derive(Debug)]
struct Bell {
    has_rung: AtomicBool,
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}
