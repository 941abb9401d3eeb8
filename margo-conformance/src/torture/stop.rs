//! Runs that are ended early.

use tokio::sync::watch;

/// Ends a run early: nothing is judged any more, its files are removed, and what was counted so far is told. Any thread may
/// ask for it; clones are of the same run.
#[derive(Clone, Debug, Default)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Asks for the end.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Works until that is done, or somebody asks for the end: `None`.
    pub(super) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut asked = self.0.subscribe();
        tokio::select! {
            biased;
            _ = asked.wait_for(|is_asked| *is_asked) => None,
            done = work => Some(done),
        }
    }
}
