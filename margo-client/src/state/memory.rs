//! A state that is kept in memory.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Change, State, StateStore};
use crate::Error;

/// Remembers nothing across restarts of the process: for tests, never for a device.
///
/// An agent that starts again with the same value finds what the one before left.
#[derive(Debug, Default)]
pub struct MemoryState(Mutex<State>);

impl MemoryState {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl StateStore for MemoryState {
    async fn load(&self) -> Result<State, Error> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone())
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            state.apply(change.clone());
        }
        Ok(())
    }
}
