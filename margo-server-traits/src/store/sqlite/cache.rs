//! What every poll asks for, in memory. Right because no other process has the file open.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use margo_types::id::ClientId;

/// What the file has about each client; `None` when only the file knows.
pub(super) struct Cache<T>(RwLock<HashMap<ClientId, Option<T>>>);

/// What is cached about a client.
pub(super) enum Cached<T> {
    /// What the file has, if it has anything.
    Known(Option<T>),
    /// Only the file knows.
    Unsure,
}

impl<T: Clone> Cache<T> {
    /// What is known about this client.
    pub(super) fn get(&self, client: &ClientId) -> Cached<T> {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match values.get(client) {
            None => Cached::Known(None),
            Some(Some(value)) => Cached::Known(Some(value.clone())),
            Some(None) => Cached::Unsure,
        }
    }

    /// `None` when only the file knows from now on.
    pub(super) fn set(&self, client: &ClientId, value: Option<T>) {
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        values.insert(client.clone(), value);
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> FromIterator<(ClientId, T)> for Cache<T> {
    fn from_iter<I: IntoIterator<Item = (ClientId, T)>>(values: I) -> Self {
        let values = values.into_iter();
        let values = values.map(|(client, value)| (client, Some(value)));
        Self(RwLock::new(values.collect()))
    }
}
