//! One publisher at a time for each client.
//!
//! Compare-and-set alone is right, but of many who publish for one client at once all but one compile in vain, again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use margo_types::id::ClientId;
use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

/// The queues of those who publish in this process; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<ClientId, Weak<Queue<()>>>>>);

impl Turns {
    /// Waits until everybody has published who came before; the turn ends with what is returned.
    pub(super) async fn take(&self, client: &ClientId) -> OwnedMutexGuard<()> {
        self.queue(client).lock_owned().await
    }

    fn queue(&self, client: &ClientId) -> Arc<Queue<()>> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(client).and_then(Weak::upgrade) {
            return queue;
        }
        if queues.len() >= MANY {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::default();
        queues.insert(client.clone(), Arc::downgrade(&queue));
        queue
    }
}

/// From so many queues on those are dropped that nobody is in.
const MANY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_of_different_clients_do_not_wait_for_each_other() {
        let turns = Turns::default();
        let client = |name: &str| ClientId::parse(name).unwrap();
        let first = turns.take(&client("press-1")).await;
        let other = turns.take(&client("press-2")).await;
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { drop(turns.take(&ClientId::parse("press-1").unwrap()).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        drop(other);
    }

    #[tokio::test]
    async fn queues_that_nobody_is_in_are_dropped() {
        let turns = Turns::default();
        for number in 0..10 * MANY {
            let client = ClientId::parse(&format!("press-{number}")).unwrap();
            drop(turns.take(&client).await);
        }
        assert!(turns.0.lock().unwrap().len() <= MANY);
    }
}
