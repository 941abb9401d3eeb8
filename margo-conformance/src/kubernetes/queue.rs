//! What the controllers have to look at.

use std::collections::{HashSet, VecDeque};

use super::objects::Key;

/// Keys in the order they came, each once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: VecDeque<Key>,
    known: HashSet<Key>,
}

impl Queue {
    pub(super) fn push(&mut self, key: Key) {
        if self.known.insert(key.clone()) {
            self.order.push_back(key);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Key> {
        let key = self.order.pop_front()?;
        self.known.remove(&key);
        Some(key)
    }
}
